package controlplane

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/kube"
)

var update = flag.Bool("update", false, "write the golden files anew")

func testPlan(t *testing.T, minor string) plan {
	t.Helper()
	version, ok := kube.Lookup(minor)
	if !ok {
		t.Fatalf("%s is not in the table", minor)
	}
	return plan{
		ClusterID: "0123456789abcdef0123456789abcdef", ClusterName: "prod", Version: version, Binary: "/opt/kube/v" + minor + "/kube",
		UID: 1234567890, Generation: 3, Ports: Ports{APIServer: 20001, ControllerManager: 20002, Scheduler: 20003},
		ServiceCIDR: "10.100.0.0/16", Issuer: "https://localhost:4567/id/0123456789abcdef0123456789abcdef",
		Keys:     []EncryptionKey{{Name: "key1", Secret: bytes.Repeat([]byte{7}, encryptionKeySize)}},
		Settings: Settings{Advertise: []string{"localhost"}, TLSPort: 4567, HookPort: 20004, EtcdEndpoints: []string{"https://127.0.0.1:2379"}, VPCs: true},
		Dir:      "/run/minato/x/clusters/0123456789abcdef0123456789abcdef", LogDir: "/var/log/minato/x",
	}
}

func (p plan) specs() []supervisor.Spec {
	return []supervisor.Spec{p.apiServer(), p.controllerManager(), p.scheduler()}
}

// TestGolden shows what a generation is made of. The other minors differ in what TestMinors says only.
func TestGolden(t *testing.T) {
	t.Parallel()
	p := testPlan(t, "1.35")
	files := p.configFiles()
	for _, spec := range p.specs() {
		b, err := json.MarshalIndent(spec, "", "  ")
		must(t, err)
		files = append(files, file{spec.Args[0] + ".json", append(b, '\n')})
	}
	for _, f := range files {
		path := filepath.Join("testdata", f.Name)
		if *update {
			must(t, os.WriteFile(path, f.Content, 0o644))
		}
		want, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Equal(f.Content, want) {
			t.Errorf("%s differs from its golden file (go test -update writes it):\n%s", f.Name, f.Content)
		}
	}
}

func TestMinors(t *testing.T) {
	t.Parallel()
	for minor, want := range map[string]struct{ authentication, authorization, gates string }{
		"1.31": {"v1beta1", "v1beta1", "--feature-gates=AnonymousAuthConfigurableEndpoints=true"},
		"1.32": {"v1beta1", "v1", ""},
		"1.33": {"v1beta1", "v1", ""},
		"1.34": {"v1", "v1", ""},
		"1.35": {"v1", "v1", ""},
		"1.36": {"v1", "v1", ""},
		"1.37": {"v1", "v1", ""},
	} {
		p := testPlan(t, minor)
		if got := p.authentication()["apiVersion"]; got != "apiserver.config.k8s.io/"+want.authentication {
			t.Errorf("%s: AuthenticationConfiguration %s, want %s", minor, got, want.authentication)
		}
		if got := p.authorization()["apiVersion"]; got != "apiserver.config.k8s.io/"+want.authorization {
			t.Errorf("%s: AuthorizationConfiguration %s, want %s", minor, got, want.authorization)
		}
		webhook := p.accessPolicies()
		if _, switched := webhook["cacheAuthorizedRequests"]; switched != (minor >= "1.34") {
			t.Errorf("%s: access policies' webhook %v: only 1.34 and later can switch its cache off", minor, webhook)
		}
		if ttl := webhook["authorizedTTL"]; (ttl == "1ns") != (minor < "1.34") {
			t.Errorf("%s: access policies' webhook has the TTL %v: before 1.34 it must be 1ns", minor, ttl)
		}
		args := p.apiServer().Args
		i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "--feature-gates=") })
		if (i < 0) != (want.gates == "") || i >= 0 && args[i] != want.gates {
			t.Errorf("%s: arguments %v, want gates %q", minor, args, want.gates)
		}
	}
}

// TestFlagsExist asks every Kubernetes that is built here whether it knows the flags that we give it.
func TestFlagsExist(t *testing.T) {
	t.Parallel()
	flagName := regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z0-9-]+)`)
	for _, v := range builtKube(t).Built() {
		path, _ := builtKube(t).Path(v.Minor)
		for _, spec := range testPlan(t, v.Minor).specs() {
			help, err := exec.Command(path, spec.Args[0], "--help").Output()
			must(t, err)
			known := map[string]bool{"--v": true}
			for _, m := range flagName.FindAllSubmatch(help, -1) {
				known[string(m[1])] = true
			}
			for _, arg := range spec.Args[1:] {
				if name, _, _ := strings.Cut(arg, "="); !known[name] {
					t.Errorf("%s %s has no flag %s", spec.Args[0], v.Minor, name)
				}
			}
		}
	}
}

// TestFingerprint: only what a running generation cannot take up by itself asks for a new one.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	base := testPlan(t, "1.35")
	for name, c := range map[string]struct {
		change func(*plan)
		same   bool
	}{
		"generation":      {func(p *plan) { p.Generation = 4 }, true},
		"ports":           {func(p *plan) { p.Ports.APIServer = 20009 }, true},
		"advertise":       {func(p *plan) { p.Settings.Advertise = []string{"example.com"} }, true}, // in the certificate, read again
		"version":         {func(p *plan) { p.Version, _ = kube.Lookup("1.36") }, false},
		"patch":           {func(p *plan) { p.Version.Patch = "v1.35.9" }, false},
		"binary":          {func(p *plan) { p.Binary = "/elsewhere/kube" }, false},
		"webhook":         {func(p *plan) { p.Settings.HookPort = 20010 }, false},
		"etcd":            {func(p *plan) { p.Settings.EtcdEndpoints = []string{"https://10.0.0.1:2379"} }, false},
		"VPCs":            {func(p *plan) { p.Settings.VPCs = false }, false},
		"encryption keys": {func(p *plan) { p.Keys = append([]EncryptionKey{{"key2", []byte("x")}}, p.Keys...) }, false},
	} {
		p := base
		c.change(&p)
		if same := p.fingerprint() == base.fingerprint(); same != c.same {
			t.Errorf("%s: same fingerprint is %v, want %v", name, same, c.same)
		}
	}
}
