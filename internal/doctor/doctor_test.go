package doctor

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// machine is a host with everything in place; tests take things away.
func machine(t *testing.T) host {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"proc/meminfo":                           "MemTotal: 16000000 kB\nMemAvailable:    8388608 kB\n",
		"proc/filesystems":                       "nodev\tproc\nnodev\toverlay\n\text4\n",
		"proc/sys/fs/inotify/max_user_instances": "1024\n",
		"proc/sys/fs/inotify/max_user_watches":   "192536\n",
		"sys/fs/cgroup/cgroup.controllers":       "cpuset cpu io memory pids\n",
		"dev/loop-control":                       "",
		"dev/kmsg":                               "",
		"dev/fuse":                               "",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return host{
		root:     root,
		lookPath: func(name string) (string, error) { return "/usr/bin/" + name, nil },
		output: func(_ context.Context, name string, _ ...string) ([]byte, error) {
			return []byte(map[string]string{"aws": "aws-cli/2.13.0 Python/3.11\n", "kubectl": "Client Version: v1.35.4\nmore\n"}[filepath.Base(name)]), nil
		},
		disk:  func(string) (uint64, error) { return 10 << 30, nil },
		links: func() error { return nil },
	}
}

func config(t *testing.T) Config {
	t.Helper()
	return Config{Home: filepath.Join(t.TempDir(), "not", "yet"), Minors: []string{"1.31", "1.35"}, DefaultMinor: "1.35", Executable: "/opt/minato"}
}

func TestEverythingThere(t *testing.T) {
	t.Parallel()
	checks := machine(t).run(t.Context(), config(t))
	for _, c := range checks {
		if !c.OK || c.Fix != "" || c.Detail == "" || c.Part == "" {
			t.Errorf("%+v: want OK with a detail, a part and no fix", c)
		}
	}
	if Failed(checks) {
		t.Error("Failed with nothing missing")
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	write := func(name, content string) func(*testing.T, *host, *Config) {
		return func(t *testing.T, h *host, _ *Config) {
			if err := os.WriteFile(h.path(name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(names ...string) func(*testing.T, *host, *Config) {
		return func(t *testing.T, h *host, _ *Config) {
			for _, name := range names {
				if err := os.RemoveAll(h.path(name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, tt := range []struct {
		check  string
		breaks func(*testing.T, *host, *Config)
		detail string // part of it
		fix    string // part of it
		fatal  bool   // no server without it
	}{
		{"Kubernetes", func(_ *testing.T, _ *host, c *Config) { c.Minors = nil }, "none", "make kube VERSION=1.35", true},
		{"Kubernetes", func(_ *testing.T, _ *host, c *Config) { c.Minors = []string{"1.31"} }, "the default, 1.35, is not", "make kube VERSION=1.35", true},
		{"memory", write("proc/meminfo", "MemAvailable: 524288 kB\n"), "0.5 GiB available", "ps ", true},
		{"memory", write("proc/meminfo", "MemTotal: 524288 kB\n"), "does not say", "uname", true},
		{"disk", func(_ *testing.T, h *host, _ *Config) { h.disk = func(string) (uint64, error) { return 1 << 30, nil } }, "1.0 GiB free", "--home", true},
		{"inotify", write("proc/sys/fs/inotify/max_user_instances", "64\n"), "64 instances", "max_user_instances=128 fs.inotify.max_user_watches=192536", true},
		{"inotify", remove("proc/sys"), "no such file", "mount", true},
		{"root", func(_ *testing.T, h *host, _ *Config) { h.euid = 1000 }, "uid 1000", "sudo", false},
		{"aws", func(_ *testing.T, h *host, _ *Config) { h.lookPath = without("aws") }, "not found", "pipx install awscli", false},
		{"aws", prints("aws-cli/2.9.19 Python/3.11.2 Linux/6.1"), "want 1.29, 2.13 or newer", "pipx install awscli", false},
		{"aws", prints("aws-cli/1.28.9 Python/3.8"), "want 1.29", "pipx install awscli", false},
		{"kubectl", func(_ *testing.T, h *host, _ *Config) {
			h.output = func(context.Context, string, ...string) ([]byte, error) { return nil, errors.New("exec format error") }
		}, "does not run: exec format error", "kubernetes-client", false},
		{"cgroups", remove("sys/fs/cgroup"), "none mounted", "cgroup2", false},
		{"cgroups", write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu pids\n"), "without the controllers memory", "/proc/cgroups", false},
		{"devices", remove("dev/loop-control"), "no /dev/loop-control", "modprobe loop", false},
		{"devices", remove("dev/kmsg"), "no /dev/kmsg", "mknod", false},
		{"nft", func(_ *testing.T, h *host, _ *Config) { h.lookPath = without("nft") }, "kube-proxy", "nftables", false},
		{"mkfs.ext4", func(_ *testing.T, h *host, _ *Config) { h.lookPath = without("mkfs.ext4") }, "disks", "e2fsprogs", false},
		{"programs of nodes", func(_ *testing.T, _ *host, c *Config) {
			c.NotBuilt, c.BuildCommand = []string{"runc"}, "make upstream-runc"
		}, "not built: runc", "make upstream-runc", false},
		{"networks", func(_ *testing.T, h *host, _ *Config) {
			h.links = func() error { return errors.New("a bridge: operation not supported") }
		}, "a bridge", "modprobe", false},
		{"inotify for nodes", write("proc/sys/fs/inotify/max_user_instances", "128\n"), "128 instances", "max_user_instances=1024", false},
		{"networks", func(_ *testing.T, h *host, _ *Config) { h.euid = 1000 }, "root", "sudo", false},
		{"overlay", write("proc/filesystems", "nodev\tproc\n"), "not loaded", "modprobe overlay", false},
		{"FUSE", remove("dev/fuse"), "no /dev/fuse", "modprobe fuse", false},
	} {
		t.Run(tt.check, func(t *testing.T) {
			t.Parallel()
			h, c := machine(t), config(t)
			tt.breaks(t, &h, &c)
			checks := h.run(t.Context(), c)
			i := slices.IndexFunc(checks, func(c Check) bool { return c.Name == tt.check })
			if i < 0 {
				t.Fatalf("no check %q", tt.check)
			}
			got := checks[i]
			if got.OK || !strings.Contains(got.Detail, tt.detail) || !strings.Contains(got.Fix, tt.fix) {
				t.Errorf("got %+v, want it failed, with %q in its detail and %q in its fix", got, tt.detail, tt.fix)
			}
			if Failed(checks) != tt.fatal {
				t.Errorf("Failed is %t, want %t", Failed(checks), tt.fatal)
			}
			var out bytes.Buffer
			if err := Print(&out, checks); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), "✗  "+tt.check) || !strings.Contains(out.String(), got.Fix) {
				t.Errorf("the table says neither what failed nor how to mend it:\n%s", out.String())
			}
		})
	}
}

func prints(version string) func(*testing.T, *host, *Config) {
	return func(_ *testing.T, h *host, _ *Config) {
		h.output = func(context.Context, string, ...string) ([]byte, error) { return []byte(version), nil }
	}
}

func without(missing string) func(string) (string, error) {
	return func(name string) (string, error) {
		if name == missing {
			return "", errors.New("executable file not found in $PATH")
		}
		return "/usr/bin/" + name, nil
	}
}

func TestCgroupVersions(t *testing.T) {
	t.Parallel()
	h := machine(t)
	if c := h.cgroups(); !c.OK || !strings.Contains(c.Detail, "version 2") || !strings.Contains(c.Detail, "not been tested") {
		t.Errorf("got %+v, want version 2 found and said to be untested", c)
	}
	if err := os.Remove(h.path("sys/fs/cgroup/cgroup.controllers")); err != nil {
		t.Fatal(err)
	}
	for _, controller := range controllersV1 {
		if err := os.Mkdir(h.path("sys/fs/cgroup/"+controller), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if c := h.cgroups(); !c.OK || !strings.Contains(c.Detail, "version 1") {
		t.Errorf("got %+v, want version 1 found", c)
	}
	if err := os.Remove(h.path("sys/fs/cgroup/pids")); err != nil {
		t.Fatal(err)
	}
	if c := h.cgroups(); c.OK || !strings.Contains(c.Detail, "without the controllers pids") {
		t.Errorf("got %+v, want the controller pids missed", c)
	}
}

func TestPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	if c := port(t.Context(), address, false); c.OK || !strings.Contains(c.Detail, "in use") || !strings.Contains(c.Fix, "ss -ltnp") {
		t.Errorf("a port that is taken: got %+v", c)
	}
	if c := port(t.Context(), address, true); !c.OK {
		t.Errorf("a port that the running server holds: got %+v", c)
	}
}

// TestThisMachine holds the checks to a machine that can run tests at all.
func TestThisMachine(t *testing.T) {
	t.Parallel()
	for _, c := range Run(t.Context(), config(t)) {
		if c.Detail == "" || c.OK != (c.Fix == "") {
			t.Errorf("%+v: want a detail, and a fix just when it failed", c)
		}
	}
}

func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	unit := SystemdUnit(Config{Executable: "/opt/minato/bin/minato", Home: "/srv/100% minato"})
	for _, want := range []string{"ExecStart=\"/opt/minato/bin/minato\" up --home \"/srv/100%% minato\"\n", "KillMode=process\n"} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit lacks %q:\n%s", want, unit)
		}
	}
}

// TestTryLinks asks this machine's own kernel.
func TestTryLinks(t *testing.T) {
	testenv.NeedNodes(t)
	if err := tryLinks(); err != nil {
		t.Error(err)
	}
}
