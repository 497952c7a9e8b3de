package doctor

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What an idle control plane takes, with room to work: about 220 MB of private memory measured, and its share of etcd.
const (
	wantMemory = 1 << 30
	wantDisk   = 2 << 30
	// Each kube-apiserver, controller-manager and scheduler watches a few certificate files.
	wantInotifyInstances = 128
	wantInotifyWatches   = 8192
)

func kubernetes(c Config) Check {
	check := Check{Name: "Kubernetes", Part: ControlPlanes, OK: slices.Contains(c.Minors, c.DefaultMinor)}
	check.Detail = "built: " + cmp.Or(strings.Join(c.Minors, " "), "none")
	if !check.OK {
		check.Detail += fmt.Sprintf("; the default, %s, is not", c.DefaultMinor)
		check.Fix = "make kube VERSION=" + c.DefaultMinor
	}
	return check
}

func (h host) memory() Check {
	check := Check{Name: "memory", Part: ControlPlanes}
	b, err := os.ReadFile(h.path("proc/meminfo"))
	if err != nil {
		check.Detail, check.Fix = err.Error(), "mount -t proc proc /proc"
		return check
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 2 || f[0] != "MemAvailable:" {
			continue
		}
		kib, err := strconv.ParseUint(f[1], 10, 54)
		if err != nil {
			break
		}
		check.OK = kib<<10 >= wantMemory
		check.Detail = fmt.Sprintf("%.1f GiB available", float64(kib)/(1<<20))
		if !check.OK {
			check.Detail += ", a control plane wants 1 GiB"
			check.Fix = "ps -eo rss,pid,args --sort=-rss | head    # what to end"
		}
		return check
	}
	check.Detail, check.Fix = "/proc/meminfo does not say what is available", "uname -r    # want Linux 3.14 or newer"
	return check
}

func (h host) diskSpace(home string) Check {
	check := Check{Name: "disk", Part: ControlPlanes}
	// The home may not be there yet: its nearest folder that is tells the file system.
	dir := home
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	free, err := h.disk(dir)
	if err != nil {
		check.Detail, check.Fix = err.Error(), "df -h "+dir
		return check
	}
	check.OK = free >= wantDisk
	check.Detail = fmt.Sprintf("%.1f GiB free for %s", float64(free)/(1<<30), home)
	if !check.OK {
		check.Detail += ", want 2 GiB"
		check.Fix = "minato up --home DIR    # on a file system with more room"
	}
	return check
}

func freeBytes(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, fmt.Errorf("asking for free space of %s: %w", path, err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

func (h host) inotify() Check {
	check := Check{Name: "inotify", Part: ControlPlanes}
	instances, err1 := h.number("proc/sys/fs/inotify/max_user_instances")
	watches, err2 := h.number("proc/sys/fs/inotify/max_user_watches")
	if err := errors.Join(err1, err2); err != nil {
		check.Detail, check.Fix = oneLine(err), "mount -t proc proc /proc"
		return check
	}
	check.OK = instances >= wantInotifyInstances && watches >= wantInotifyWatches
	check.Detail = fmt.Sprintf("%d instances and %d watches a user", instances, watches)
	if !check.OK {
		check.Detail += fmt.Sprintf(", want %d and %d", wantInotifyInstances, wantInotifyWatches)
		check.Fix = fmt.Sprintf("sysctl -w fs.inotify.max_user_instances=%d fs.inotify.max_user_watches=%d",
			max(instances, wantInotifyInstances), max(watches, wantInotifyWatches))
	}
	return check
}

func port(ctx context.Context, address string, running bool) Check {
	check := Check{Name: "port " + address, Part: ControlPlanes, OK: true, Detail: "free"}
	if running {
		check.Detail = "held by the server of this home, which runs"
		return check
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		_, number, _ := net.SplitHostPort(address)
		check.OK, check.Detail = false, oneLine(err)
		check.Fix = fmt.Sprintf("ss -ltnp 'sport = :%s'    # who has it; or minato up --listen 127.0.0.1:PORT", number)
	}
	return check
}

func (h host) rootUser() Check {
	check := Check{Name: "root", Part: Isolation, OK: h.euid == 0, Detail: "yes; also needed for nodes"}
	if !check.OK {
		check.Detail = fmt.Sprintf("no, uid %d: clusters run under this user, and there can be no nodes", h.euid)
		check.Fix = "sudo -E minato up"
	}
	return check
}

// installAWS puts a current AWS CLI on PATH. Debian 12's own package is too old: see oldAWS.
const installAWS = "apt-get install -y pipx && PIPX_BIN_DIR=/usr/local/bin pipx install awscli"

func (h host) awsClient(ctx context.Context) Check {
	check := h.client(ctx, Check{Name: "aws", Part: Clients, Fix: installAWS}, "--version")
	if check.OK && oldAWS(check.Detail) {
		check.OK, check.Fix = false, installAWS
		check.Detail += "; want 1.29, 2.13 or newer, which heed AWS_ENDPOINT_URL"
	}
	return check
}

// oldAWS is whether an AWS CLI does not know AWS_ENDPOINT_URL, so that what is meant for Minato would go to AWS. It came with
// 1.29.0 and 2.13.0. The version is what `aws --version` prints: "aws-cli/2.9.19 Python/…".
func oldAWS(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "aws-cli/%d.%d.", &major, &minor); err != nil {
		return false // not a form that we know: newer, if anything
	}
	return major < 1 || major == 1 && minor < 29 || major == 2 && minor < 13
}

func (h host) kubectlClient(ctx context.Context) Check {
	return h.client(ctx, Check{Name: "kubectl", Part: Clients, Fix: "apt-get install -y kubernetes-client"}, "version", "--client")
}

// client looks for a program and asks it for its version.
func (h host) client(ctx context.Context, check Check, args ...string) Check {
	path, err := h.lookPath(check.Name)
	if err != nil {
		check.Detail = "not found on PATH"
		return check
	}
	out, err := h.output(ctx, path, args...)
	if err != nil {
		check.Detail = fmt.Sprintf("%s does not run: %s", path, oneLine(err))
		return check
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	check.OK, check.Detail, check.Fix = true, first, ""
	return check
}

// program looks for a program that Debian packages as pkg.
func (h host) program(name, pkg string, part Part, use string) Check {
	check := Check{Name: name, Part: part, OK: true}
	path, err := h.lookPath(name)
	if err != nil {
		check.OK, check.Detail, check.Fix = false, "not found on PATH ("+use+")", "apt-get install -y "+pkg
		return check
	}
	check.Detail = path
	return check
}

func (h host) filesystem(name string, part Part, use string) Check {
	check := Check{Name: name, Part: part, Detail: "the kernel has it"}
	b, err := os.ReadFile(h.path("proc/filesystems"))
	check.OK = err == nil && slices.Contains(strings.Fields(string(b)), name)
	if !check.OK {
		check.Detail, check.Fix = "the kernel has not loaded it ("+use+")", "modprobe "+name
	}
	return check
}

func (h host) fuse() Check {
	check := Check{Name: "FUSE", Part: S3CSI, OK: true, Detail: "/dev/fuse"}
	if _, err := os.Stat(h.path("dev/fuse")); errors.Is(err, fs.ErrNotExist) {
		check.OK, check.Detail, check.Fix = false, "there is no /dev/fuse", "modprobe fuse"
	} else if err != nil {
		check.OK, check.Detail, check.Fix = false, oneLine(err), "ls -l /dev/fuse"
	}
	return check
}

func (h host) path(name string) string { return filepath.Join(h.root, name) }

func (h host) number(name string) (uint64, error) {
	b, err := os.ReadFile(h.path(name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
