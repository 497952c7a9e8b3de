package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"minato.dev/minato/cluster/node/machine"
	"minato.dev/minato/upstream"
	"minato.dev/minato/upstream/images"
)

// bareNode is a bare control plane with a kubelet and a containerd, started by hand as anybody would, in namespaces of their own: what
// they mount, and they themselves, are gone with the process that is pid 1 there. That process is this program again; it makes pods
// when it is told to, from inside.
type bareNode struct {
	dir string
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// startBareNode returns when the node is Ready.
func startBareNode(ctx context.Context, o options) (*bareNode, error) {
	dir, err := os.MkdirTemp(o.dir, "node-")
	if err != nil {
		return nil, err
	}
	o.dir = dir
	b := &bareNode{dir: dir, cmd: exec.Command("/proc/self/exe", "node", o.bin, o.minor, dir)}
	b.cmd.Stderr = os.Stderr
	b.cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig:  syscall.SIGKILL,
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b.out = json.NewDecoder(out)
	if err := errors.Join(saveImages(o), eachCgroup(dir, func(path string) error { return os.Mkdir(path, 0o755) })); err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = b.cmd.Process.Kill() })
	var ready bool
	if err := b.out.Decode(&ready); err != nil {
		b.stop()
		return nil, fmt.Errorf("the bare node did not come up: %w", err)
	}
	return b, nil
}

func (b *bareNode) timePod(wait time.Duration) (took podTimes, err error) {
	return took, b.ask(wait.String(), &took)
}

// memory is the private memory of its two programs.
func (b *bareNode) memory() (m map[string]int64, err error) {
	return m, b.ask("memory", &m)
}

func (b *bareNode) ask(what string, answer any) error {
	if _, err := fmt.Fprintln(b.in, what); err != nil {
		return err
	}
	return b.out.Decode(answer)
}

func (b *bareNode) stop() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
	var err error
	for range 100 { // until what was in them is gone
		if err = eachCgroup(b.dir, removeCgroup); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Fprintln(os.Stderr, "bench: cgroups of the bare node are left:", err)
}

// saveImages writes the images that the bare node has from the start to a file.
func saveImages(o options) error {
	library := images.New(images.Sources{Upstream: upstream.Binaries(filepath.Join(o.bin, "upstream")), Executable: filepath.Join(o.bin, "minato")})
	all := map[name.Tag]v1.Image{}
	for _, repository := range []string{"echo", "pause"} {
		image, err := library.Image(repository, "latest")
		if err != nil {
			return err
		}
		tag, err := name.NewTag(images.Registry + "/" + repository + ":latest")
		if err != nil {
			return err
		}
		all[tag] = image
	}
	return tarball.MultiWriteToFile(filepath.Join(o.dir, "images.tar"), all)
}

// cgroupOf is the name, below the root of each hierarchy, of the bare node's group.
func cgroupOf(dir string) string { return "minato-bench-" + filepath.Base(dir) }

// eachCgroup does something with the bare node's group in each hierarchy, or in the only one.
func eachCgroup(dir string, do func(path string) error) error {
	const root = "/sys/fs/cgroup"
	if _, err := os.Stat(root + "/cgroup.controllers"); err == nil {
		return do(filepath.Join(root, cgroupOf(dir)))
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	var failed error
	for _, e := range entries {
		if e.IsDir() { // the others are links to them
			failed = errors.Join(failed, do(filepath.Join(root, e.Name(), cgroupOf(dir))))
		}
	}
	return failed
}

// removeCgroup removes a group and those in it.
func removeCgroup(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	var failed error
	for _, e := range entries {
		if e.IsDir() {
			failed = errors.Join(failed, removeCgroup(filepath.Join(path, e.Name())))
		}
	}
	return errors.Join(failed, os.Remove(path))
}

// beBareNode is the process inside: it starts everything and does what it is told, until its input ends.
func beBareNode(bin, minor, dir string) error {
	ctx := context.Background()
	if err := enterBareNode(dir); err != nil {
		return err
	}
	b, err := startBare(ctx, options{bin: bin, minor: minor, dir: dir})
	if err != nil {
		return err
	}
	ask := &kubeAsker{
		cluster: &cluster{name: "bare", endpoint: b.endpoint, client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}},
		token:   func(context.Context) string { return adminToken },
	}
	if err := b.startNode(ctx, bin, minor); err != nil {
		return err
	}
	soon, cancel := context.WithTimeout(ctx, nodeLimit)
	defer cancel()
	if err := ask.until(soon, "/api/v1/nodes", 1); err != nil {
		log, _ := os.ReadFile(b.path("kubelet.log"))
		return fmt.Errorf("waiting until the node is Ready: %w: %s", err, log[max(0, len(log)-1000):])
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(true); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for n := 0; lines.Scan(); n++ {
		var answer any
		if lines.Text() == "memory" {
			last := len(b.processes) - 2
			answer = map[string]int64{
				"containerd": privateBytes(b.processes[last].Process.Pid), "kubelet": privateBytes(b.processes[last+1].Process.Pid),
			}
		} else {
			wait, err := time.ParseDuration(lines.Text())
			if err != nil {
				return err
			}
			if answer, err = ask.timePod(ctx, fmt.Sprintf("pod-%d", n), podLogs, wait); err != nil {
				return err
			}
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

// enterBareNode makes the new namespaces fit for kubelet: nothing that is written or mounted from here on shows outside.
func enterBareNode(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, folder := range []string{"lib", "log"} {
		own := filepath.Join(dir, folder)
		if err := os.Mkdir(own, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(own, "/var/"+folder, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	err := errors.Join(
		unix.Mount("proc", "/proc", "proc", 0, ""), unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"),
		os.MkdirAll("/run/netns", 0o755), unix.Sethostname([]byte("bare")))
	if err != nil {
		return err
	}
	for path, content := range machine.HostSysctls { // as on Minato's nodes
		file := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(file, []byte(content), 0o444); err != nil {
			return err
		}
		if err := unix.Mount(file, "/"+path, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return bareNetworkUp()
}

// bareNetworkUp gives the node an interface with an address and a way out, which kube-apiserver and kubelet look for. It leads nowhere.
func bareNetworkUp() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	node := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "node0"}}
	if err := errors.Join(netlink.LinkSetUp(loopback), netlink.LinkAdd(node), netlink.LinkSetUp(node)); err != nil {
		return err
	}
	address, gateway := net.ParseIP(bareAddress), net.ParseIP(bareGateway)
	return errors.Join(
		netlink.AddrAdd(node, &netlink.Addr{IPNet: &net.IPNet{IP: address, Mask: net.CIDRMask(24, 32)}}),
		netlink.RouteAdd(&netlink.Route{LinkIndex: node.Index, Gw: gateway}))
}

// startNode starts containerd, gives it the images, and starts kubelet.
func (b *bare) startNode(ctx context.Context, bin, minor string) error {
	programs := func(module, program string) string { return filepath.Join(bin, "upstream", module, program) }
	node := filepath.Dir(b.dir)
	names := strings.NewReplacer("DIR", node, "SOCKET", bareSocket, "PLUGINS", filepath.Join(bin, "upstream", "cni"), "RUNC", programs("runc", "runc"), "CGROUP", "/"+cgroupOf(node))
	for file, content := range map[string]string{"containerd.toml": bareContainerd, "networks/10-bare.conflist": bareNetwork, "kubelet.json": bareKubelet} {
		path := filepath.Join(node, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(names.Replace(content)), 0o600); err != nil {
			return err
		}
	}
	if err := os.Setenv("PATH", filepath.Join(bin, "upstream", "containerd")+":"+os.Getenv("PATH")); err != nil { // for its shim
		return err
	}
	if err := b.start([]string{programs("containerd", "containerd"), "--config", filepath.Join(node, "containerd.toml")}); err != nil {
		return err
	}
	var err error
	for range 200 {
		load := exec.CommandContext(ctx, programs("containerd", "ctr"), "--address", bareSocket, "--namespace", "k8s.io", "images", "import", filepath.Join(node, "images.tar"))
		var said []byte
		if said, err = load.CombinedOutput(); err == nil {
			break
		}
		err = fmt.Errorf("%w: %s", err, said)
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("giving containerd its images: %w", err)
	}
	return b.start([]string{filepath.Join(bin, "kube", "v"+minor, "kube"), "kubelet", "--config", filepath.Join(node, "kubelet.json"),
		"--kubeconfig", b.path("kubeconfig"), "--node-ip", bareAddress})
}

const (
	bareSocket  = "/run/containerd/containerd.sock"
	bareAddress = "10.88.1.1" // of the node
	bareGateway = "10.88.1.2"
)

const bareContainerd = `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "SOCKET"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "minato.local/pause:latest"

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    BinaryName = "RUNC"
    SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["PLUGINS"]
    conf_dir = "DIR/networks"
    use_internal_loopback = true
`

const bareNetwork = `{"cniVersion": "1.0.0", "name": "bare", "plugins": [{"type": "ptp", "ipMasq": false, "ipam": {
  "type": "host-local", "dataDir": "DIR/addresses", "ranges": [[{"subnet": "10.88.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
`

const bareKubelet = `{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
  "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": true}}, "authorization": {"mode": "Webhook"},
  "cgroupDriver": "cgroupfs", "cgroupRoot": "CGROUP", "failCgroupV1": false, "failSwapOn": false, "protectKernelDefaults": true,
  "containerRuntimeEndpoint": "unix://SOCKET", "makeIPTablesUtilChains": false, "serializeImagePulls": false,
  "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"}}
`
