package testenv

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// Shared is one server for all tests of a package that need none of their own. The package's TestMain must call Main.
func Shared(t testing.TB) *Env {
	t.Helper()
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			sharedFailed.Store(true)
		}
	})
	return e
}

var (
	sharedOptions Options     // set by Main before any test runs
	sharedEnv     *Env        // what shared started, for Main to stop
	sharedFailed  atomic.Bool // a test that used it failed
)

var shared = sync.OnceValues(func() (*Env, error) {
	e, err := newEnv(sharedOptions)
	if err != nil {
		return nil, err
	}
	sharedEnv = e
	return e, e.up(nil)
})

// maxParallel is how many tests of a package run at once at the most: each may run a server with a control plane or two, and on a
// machine with many cores memory ends before they do.
const maxParallel = 6

// Main runs a package's tests, starting the shared server when the first test asks for it, and stops and purges it
// afterwards. It returns the exit code for os.Exit; leftovers make it a failure.
func Main(m *testing.M, o Options) int {
	sharedOptions = o
	flag.Parse()
	_ = flag.Set("test.parallel", strconv.Itoa(min(runtime.GOMAXPROCS(0), maxParallel)))
	code := m.Run()
	stopAWS()
	if sharedEnv != nil {
		if sharedFailed.Load() || sharedEnv.server == nil {
			fmt.Fprintln(os.Stderr, sharedEnv.logs())
		}
		for _, problem := range sharedEnv.close() {
			fmt.Fprintln(os.Stderr, "the shared server:", problem)
			code = 1
		}
	}
	if builtDir != "" {
		_ = os.RemoveAll(builtDir)
	}
	return code
}
