package testenv

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// NeedNodes ends a test of real network namespaces and nodes on a machine that says MINATO_TEST_NO_NODES=1, which is the only
// thing that skips such tests: one that says nothing and cannot run them fails.
func NeedNodes(t testing.TB) {
	t.Helper()
	if os.Getenv("MINATO_TEST_NO_NODES") == "1" {
		t.Skip("MINATO_TEST_NO_NODES=1")
	}
	if os.Geteuid() != 0 {
		t.Fatal("nodes need root: run the tests as root, or say MINATO_TEST_NO_NODES=1")
	}
}

// NewNamespace makes a network namespace that stands for a machine and is gone when the test ends. It is named by a path of this
// process's own.
func NewNamespace(t testing.TB) (path string) {
	t.Helper()
	var ns *os.File
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends here, the namespace stays open
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			ns, err = os.Open("/proc/thread-self/ns/net")
		}
		made <- err
	}()
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return "/proc/self/fd/" + strconv.Itoa(int(ns.Fd()))
}
