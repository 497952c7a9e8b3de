package vpc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"minato.dev/minato/internal/home"
)

// folder holds a folder for each VPC, in the run folder.
const folder = "vpcs"

// Namespace is the file that a VPC's network namespace is pinned to.
func Namespace(h home.Dir, vpcID string) string { return h.Run(folder, vpcID, "netns") }

// In runs fn within the network namespace at path, which may be a pinned one or /proc/PID/ns/net. The sockets that fn opens
// belong to that namespace for good, wherever they are used. fn runs on a thread of its own, which ends with it; goroutines
// that it starts are elsewhere.
func In(path string, fn func() error) error {
	return onThread(func() error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the network namespace %s: %w", path, err)
		}
		return fn()
	})
}

// onThread runs fn on a thread that nothing else will run on, so that it may change the thread's namespaces.
func onThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		done <- fn()
	}()
	return <-done
}

// makeNamespace pins a new network namespace to a VPC's file, unless there is one.
func makeNamespace(h home.Dir, vpcID string) error {
	path := Namespace(h, vpcID)
	if isNamespace(path) {
		return nil
	}
	if err := h.MakeRun(folder, vpcID); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o400)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("pinning a network namespace to %s: %w", path, err)
		}
		return nil
	})
}

// isNamespace is whether a namespace is pinned to path. After a reboot the file may be there without one.
func isNamespace(path string) bool {
	var s unix.Statfs_t
	return unix.Statfs(path, &s) == nil && s.Type == unix.NSFS_MAGIC
}

// removeNamespace unpins a VPC's namespace. The kernel takes it down, and every link in it, once nothing is open in it.
func removeNamespace(h home.Dir, vpcID string) error {
	path := Namespace(h, vpcID)
	for isNamespace(path) {
		if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unpinning the network namespace %s: %w", path, err)
		}
	}
	return os.RemoveAll(filepath.Dir(path))
}

// made are the VPCs that have a folder.
func made(h home.Dir) ([]string, error) {
	entries, err := os.ReadDir(h.Run(folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	return ids, nil
}

// RemoveAll takes down every VPC of a home, for when everything in them has stopped.
func RemoveAll(h home.Dir) error {
	ids, err := made(h)
	for _, id := range ids {
		err = errors.Join(err, removeNamespace(h, id))
	}
	return err
}
