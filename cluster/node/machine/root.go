package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// programsFolder is where, inside a node, the programs are that Minato brings.
const programsFolder = "/opt/minato/bin"

// runcFolder has runc in it. It is the host's folder as a whole: runc lays an overlay over the folder that it is in, which shows
// what lies below a file that is mounted alone.
const runcFolder = "/opt/minato/runc"

// guestPath is the search path inside.
const guestPath = programsFolder + ":" + runcFolder + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// fromHost are the parts of the host that a node sees, read-only: programs and what they need. Nothing with a secret in it is
// among them. Those that a distribution does not have are left out.
var fromHost = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
	"/etc/alternatives", "/etc/ca-certificates", "/etc/group", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
	"/etc/localtime", "/etc/mke2fs.conf", "/etc/nsswitch.conf", "/etc/os-release", "/etc/passwd", "/etc/pki/ca-trust",
	"/etc/pki/tls/certs", "/etc/protocols", "/etc/services", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/iproute2", "/etc/xattr.conf", "/etc/crypto-policies",
}

// folders are those of the node's own disk, by mode.
var folders = map[string]os.FileMode{
	"dev": 0o755, "etc": 0o755, "home": 0o755, "mnt": 0o755, "opt/cni/bin": 0o755, "opt/minato/bin": 0o755, "proc": 0o555, "root": 0o700,
	"run": 0o755, "srv": 0o755, "sys": 0o555, "tmp": 0o777 | os.ModeSticky, "var/lib/containerd": 0o710, "var/lib/kubelet": 0o750,
	"var/lib/cni": 0o755, "var/log/containers": 0o755, "var/log/pods": 0o755, "etc/cni/net.d": 0o755, "etc/containerd": 0o755,
	"etc/kubernetes/kubelet": 0o755, "etc/kubernetes/pki": 0o755, "etc/kubernetes/manifests": 0o755, "var/tmp": 0o777 | os.ModeSticky,
}

// enterDisk parts the calling process, whose mount namespace is new, from the host's mounts, and mounts the node's disk at the folder that becomes
// its root. forgot is whether the node has lost its containers to an end of the machine (beginWriting).
func enterDisk(g guestConfig) (forgot bool, err error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return false, fmt.Errorf("parting from the host's mounts: %w", err)
	}
	if err := mountDisk(g.Disk, g.Root); err != nil {
		return false, err
	}
	return beginWriting(g.Root)
}

// enterRoot makes the node's root file system and makes it the root of the calling process: the node's disk (enterDisk), with the host's
// programs on it read-only and file systems of the kernel that show this node. Mounts made inside later spread to the mount namespaces of its
// pods, and none of any spreads to the host.
func enterRoot(g guestConfig, groups cgroups) error {
	root := g.Root
	if g.Images != "" {
		if err := showImages(root, g.Images); err != nil {
			return err
		}
	}
	for path, mode := range folders {
		if err := makeFolder(filepath.Join(root, path), mode); err != nil {
			return err
		}
	}
	for _, path := range fromHost {
		if err := show(path, filepath.Join(root, path)); err != nil {
			return err
		}
	}
	for name, program := range g.programs() {
		if err := bindReadOnly(program, filepath.Join(root, programsFolder, name)); err != nil {
			return err
		}
	}
	if err := bindReadOnly(filepath.Dir(g.Spec.Programs.Runc), filepath.Join(root, runcFolder)); err != nil {
		return err
	}
	for _, m := range []func(string) error{mountDevices, mountKernel, func(root string) error { return groups.mount(filepath.Join(root, cgroupRoot)) }} {
		if err := m(root); err != nil {
			return err
		}
	}
	if err := showSize(root, g.Spec.Size); err != nil {
		return err
	}
	if err := keepSysctls(root); err != nil {
		return err
	}
	return changeRoot(root)
}

func makeFolder(path string, mode os.FileMode) error {
	if err := os.MkdirAll(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode) // whatever the umask
}

// show makes a file, folder or link of the host visible at another path.
func show(path, at string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() == fs.ModeSymlink { // /bin is usr/bin, /etc/localtime and os-release point into /usr
		to, err := os.Readlink(path)
		if err != nil {
			return err
		}
		if err := os.Symlink(to, at); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	}
	return bindReadOnly(path, at)
}

// bindReadOnly mounts a file or folder at a path that is made for it.
func bindReadOnly(path, at string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(at, 0o755)
	} else {
		err = touch(at)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(path, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("showing %s: %w", path, err)
	}
	if err := unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("showing %s read-only: %w", path, err)
	}
	return nil
}

func touch(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// mountKernel mounts the kernel's own file systems and the folders that live in memory.
func mountKernel(root string) error {
	const secure = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, m := range []struct {
		kind, at, options string
		flags             uintptr
	}{
		{"proc", "proc", "", secure},
		{"sysfs", "sys", "", secure},
		{"tmpfs", "run", "mode=755", unix.MS_NOSUID | unix.MS_NODEV},
		{"bpf", "sys/fs/bpf", "mode=700", secure},
		{"mqueue", "dev/mqueue", "", secure},
	} {
		err := unix.Mount(m.kind, filepath.Join(root, m.at), m.kind, m.flags, m.options)
		if err != nil && m.kind != "bpf" { // not every kernel has it
			return fmt.Errorf("mounting %s: %w", m.kind, err)
		}
	}
	return nil
}

// devices are the device files of a node. Its disk and the host's are not among them. /dev/kmsg is the host's kernel log,
// which kubelet watches for processes killed for want of memory.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty", "kmsg", "fuse"}

func mountDevices(root string) error {
	dev := filepath.Join(root, "dev")
	if err := unix.Mount("tmpfs", dev, "tmpfs", unix.MS_NOSUID, "mode=755,size=1m"); err != nil {
		return fmt.Errorf("mounting /dev: %w", err)
	}
	for _, name := range devices {
		info, err := os.Stat(filepath.Join("/dev", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := copyDevice(info, filepath.Join(dev, name)); err != nil {
			return fmt.Errorf("making /dev/%s: %w", name, err)
		}
	}
	for _, folder := range []string{"pts", "shm", "mqueue"} {
		if err := makeFolder(filepath.Join(dev, folder), 0o755); err != nil {
			return err
		}
	}
	for link, to := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx", "core": "/proc/kcore",
	} {
		if err := os.Symlink(to, filepath.Join(dev, link)); err != nil {
			return err
		}
	}
	if err := unix.Mount("devpts", filepath.Join(dev, "pts"), "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5"); err != nil {
		return fmt.Errorf("mounting /dev/pts: %w", err)
	}
	return unix.Mount("tmpfs", filepath.Join(dev, "shm"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
}

// changeRoot makes root the root, and puts the old one out of reach.
func changeRoot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil { // the old root lies on top of the new one
		return fmt.Errorf("leaving the host's root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("sharing mounts with pods: %w", err)
	}
	return nil
}
