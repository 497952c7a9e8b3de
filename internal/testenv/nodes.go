package testenv

import (
	"os"
	"testing"
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
