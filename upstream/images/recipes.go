package images

import (
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"minato.dev/minato/kube"
	"minato.dev/minato/upstream"
)

// Sources are where the programs are that images are packed of.
type Sources struct {
	Kube       kube.Binaries
	Upstream   upstream.Binaries
	Executable string // minato; echo lies beside it
	Version    string // of both
}

// PodAgentVersion is the version of Minato's own eks-pod-identity-agent.
const PodAgentVersion = "v1.0.0"

// VPCCNIVersion is the version of Minato's own vpc-cni.
const VPCCNIVersion = "v1.0.0"

const (
	architecture = runtime.GOARCH
	ourSource    = "https://minato.dev/minato"
	nonroot      = "65532:65532"
	latest       = "latest"
)

// recipe is how an image is made.
type recipe struct {
	tags    []string
	version string
	source  string
	config  v1.Config
	layers  func() ([][]file, error) // above the base
	missing error                    // what must be built or installed first
}

// recipes are all images by repository.
func (s Sources) recipes() map[string][]recipe {
	all := map[string][]recipe{
		"echo":               {s.echo()},
		"pause":              {s.pause()},
		"eks/coredns":        {s.upstreamProgram("coredns")},
		"eks/metrics-server": {s.upstreamProgram("metrics-server")},
		"eks/vpc-cni":        {s.vpcCNI()},

		"eks/eks-pod-identity-agent": {s.podAgent()},
	}
	for _, v := range kube.Versions() {
		all["eks/kube-proxy"] = append(all["eks/kube-proxy"], s.kubeProxy(v))
	}
	maps.Copy(all, s.conformance())
	return all
}

func (s Sources) echo() recipe {
	path := filepath.Join(filepath.Dir(s.Executable), "echo")
	files := []file{folder("bin", 0o755), program("bin/echo", path)}
	for _, name := range []string{"cat", "exit", "get", "ls", "receive", "send", "serve", "sleep"} {
		files = append(files, link("bin/"+name, "echo"))
	}
	return recipe{
		tags: []string{latest}, version: s.Version, source: ourSource,
		config: config(nonroot, "/bin/echo"),
		layers: fixed(files), missing: built(path, "`make build`"),
	}
}

func (s Sources) pause() recipe {
	m, _ := upstream.Lookup("pause")
	path, _ := s.Upstream.Path("pause", "pause")
	return recipe{
		tags: []string{latest}, version: m.Version, source: "https://" + m.Module,
		config: config("65535:65535", "/pause"),
		layers: fixed([]file{program("pause", path)}), missing: s.Upstream.Require("pause"),
	}
}

// upstreamProgram is an image of one program that needs nothing but itself.
func (s Sources) upstreamProgram(name string) recipe {
	m, _ := upstream.Lookup(name)
	path, _ := s.Upstream.Path(name, name)
	return recipe{
		tags: []string{m.Version}, version: m.Version, source: "https://" + m.Module,
		config: config(nonroot, "/"+name),
		layers: fixed([]file{program(name, path)}), missing: s.Upstream.Require(name),
	}
}

// vpcCNI is Minato itself, which gives pods their addresses, with the plugins that it calls. It works on the node, as root.
func (s Sources) vpcCNI() recipe {
	plugins := []file{folder("opt", 0o755), folder("opt/cni", 0o755), folder("opt/cni/bin", 0o755)}
	m, _ := upstream.Lookup("cni")
	for _, name := range m.Names() {
		path, _ := s.Upstream.Path("cni", name)
		plugins = append(plugins, program("opt/cni/bin/"+name, path))
	}
	own := filepath.Join(filepath.Dir(s.Executable), "minato-cni")
	plugins = append(plugins, program("opt/cni/bin/minato-cni", own))
	return recipe{
		tags: []string{VPCCNIVersion}, version: VPCCNIVersion, source: ourSource,
		config: config("", "/minato"),
		layers: fixed(plugins, []file{program("minato", s.Executable)}), missing: errors.Join(s.Upstream.Require("cni"), built(own, "`make build`"), built(s.Executable, "`make build`")),
	}
}

// podAgent is Minato itself, which gives pods their credentials. It works on the node, as root.
func (s Sources) podAgent() recipe {
	return recipe{
		tags: []string{PodAgentVersion}, version: PodAgentVersion, source: ourSource,
		config: config("", "/minato"),
		layers: fixed([]file{program("minato", s.Executable)}), missing: built(s.Executable, "`make build`"),
	}
}

// protocols is protocols(5), by which nft names those of Services. Without it nft lists numbers, kube-proxy does not know its own rules again
// when it starts, and every hour, and removes them.
const protocols = "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6-icmp 58 IPv6-ICMP\nsctp 132 SCTP\n"

// kubeProxy is a minor's multi-call program, with nft, which it calls. It works on the node, as root.
func (s Sources) kubeProxy(v kube.Version) recipe {
	path, ok := s.Kube.Path(v.Minor)
	r := recipe{
		tags: []string{v.Patch}, version: v.Patch, source: "https://k8s.io/kubernetes",
		config: config("", "/usr/local/bin/kube-proxy"),
	}
	nft, installed := findProgram("nft")
	switch {
	case !ok:
		r.missing = fmt.Errorf("no Kubernetes %s is built; `make kube VERSION=%s` builds it", v.Minor, v.Minor)
	case !installed:
		r.missing = errors.New("nft is not installed; `apt-get install nftables` does")
	}
	r.layers = func() ([][]file, error) {
		tools, err := withLibraries("usr/sbin/nft", nft)
		tools = append(tools, text("etc/protocols", protocols))
		return [][]file{tools, {program("usr/local/bin/kube", path), link("usr/local/bin/kube-proxy", "kube")}}, err
	}
	return r
}

func config(user string, entrypoint ...string) v1.Config {
	return v1.Config{
		User:       user,
		Entrypoint: entrypoint,
		Env:        []string{"PATH=/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin"},
		WorkingDir: "/",
	}
}

func fixed(layers ...[]file) func() ([][]file, error) {
	return func() ([][]file, error) { return layers, nil }
}

// built is nil when a program is there that runs in an image, and otherwise says what builds it.
func built(path, command string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%s is not built; %s builds it", filepath.Base(path), command)
	}
	if interpreted(path) {
		return fmt.Errorf("%s was built with cgo and needs a C library, which images do not have; %s builds it without", filepath.Base(path), command)
	}
	return nil
}

// interpreted is whether a program needs a dynamic linker.
func interpreted(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

// findProgram looks where Debian installs the programs of root, which are not in everybody's PATH.
func findProgram(name string) (string, bool) {
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, true
		}
	}
	return "", false
}
