// Package testenv starts real Minato servers for tests, each in a home and on ports of its own, and drives them with the real
// aws and kubectl, as a user would. When a test ends, its server is stopped and purged, and the test fails if a process, a
// mount or a file of it is left.
package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minato.dev/minato/internal/home"
)

// Options say how a server is started.
type Options struct {
	Args   []string // further flags of `minato up`, the same at every start
	Minors []string // the Kubernetes minors that the server finds; none given is all that are built
	Disk   int64    // bytes of a file system of the home's own, which needs root; zero is the folder for temporary files
}

// Env is one home with its server.
type Env struct {
	Home   home.Dir
	Listen string // host:port of the AWS APIs

	binary string
	args   []string // of `minato up`
	dir    string   // everything of this Env, the home included
	server *server  // the running `minato up`; nil when down
	nodes  nodes
}

// How long the slowest machine may take. Nothing waits this long when all is well.
const (
	readyTimeout   = 3 * time.Minute
	stopTimeout    = 2 * time.Minute
	commandTimeout = 5 * time.Minute
	patience       = 3 * time.Minute
)

// Start starts a server and waits until it is ready. It is stopped and purged when the test ends.
func Start(t testing.TB, o Options) *Env {
	t.Helper()
	e := New(t, o)
	e.Up(t)
	return e
}

// New is Start without starting: call Up.
func New(t testing.TB, o Options) *Env {
	t.Helper()
	e, err := newEnv(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s", e.logs())
		}
		for _, problem := range e.close() {
			t.Error(problem)
		}
	})
	return e
}

func newEnv(o Options) (*Env, error) {
	binary, err := binary()
	if err != nil {
		return nil, err
	}
	sweepOnce()
	// A short path, because sockets in it must stay under 108 bytes.
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	e := &Env{Home: home.Dir(filepath.Join(dir, "disk", "home")), Listen: listen, binary: binary, dir: dir}
	if err := os.Mkdir(e.disk(), 0o711); err != nil {
		return nil, err
	}
	if o.Disk > 0 {
		if err := unix.Mount("tmpfs", e.disk(), "tmpfs", 0, fmt.Sprintf("size=%d", o.Disk)); err != nil {
			return nil, fmt.Errorf("mounting a small disk (this test must run as root): %w", err)
		}
	}
	if len(o.Minors) > 0 {
		if e.binary, err = copyBinary(binary, filepath.Join(dir, "bin"), o.Minors); err != nil {
			return nil, err
		}
	}
	e.args = append([]string{"up", "--home", string(e.Home), "--listen", listen}, o.Args...)
	return e, nil
}

// Up starts `minato up` with flags in addition to the Env's own and waits until it is ready.
func (e *Env) Up(t testing.TB, flags ...string) {
	t.Helper()
	start := time.Now()
	if err := e.up(flags); err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1fs minato up", time.Since(start).Seconds())
}

func (e *Env) up(flags []string) error {
	s, err := startServer(e.binary, append(e.args[:len(e.args):len(e.args)], flags...), e.serverLog())
	if err != nil {
		return err
	}
	e.server = s
	return e.waitReady()
}

// waitReady asks /readyz until it answers 200 or the server has ended.
func (e *Env) waitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	last := "no answer"
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.Listen+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			last = resp.Status
		}
		select {
		case <-again.C:
		case <-e.server.ended:
			return fmt.Errorf("minato up ended before it was ready: %w", e.server.err)
		case <-ctx.Done():
			return fmt.Errorf("minato up is not ready after %s: /readyz: %s", readyTimeout, last)
		}
	}
}

// Kill kills `minato up` with SIGKILL, as a crash would, and waits until it is gone. Its children live on.
func (e *Env) Kill(t testing.TB) {
	t.Helper()
	if err := e.server.signal(os.Kill, stopTimeout); err != nil {
		t.Fatal(err)
	}
	e.server = nil
}

// Interrupt does what Ctrl-C does and waits until `minato up` has stopped everything; its exit code must be 0.
func (e *Env) Interrupt(t testing.TB) {
	t.Helper()
	s := e.server
	if err := s.signal(os.Interrupt, stopTimeout); err != nil {
		t.Fatal(err)
	}
	e.server = nil
	if s.err != nil {
		t.Fatalf("minato up after an interrupt: %v, want exit code 0", s.err)
	}
}

// disk is the folder that holds the home; with Options.Disk it is a file system of its own.
func (e *Env) disk() string { return filepath.Join(e.dir, "disk") }

// FillDisk takes all space that is left on the home's own file system and returns what gives it back.
func (e *Env) FillDisk(t testing.TB) (release func()) {
	t.Helper()
	path := filepath.Join(e.disk(), "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for block := make([]byte, 1<<16); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// PID is the process of `minato up`.
func (e *Env) PID() int { return e.server.pid }

// Binary is the minato program that the server was started from.
func (e *Env) Binary() string { return e.binary }

// Minato runs another `minato` command on this home; it must succeed. It returns its standard output.
func (e *Env) Minato(t testing.TB, args ...string) string {
	t.Helper()
	return e.TryMinato(t, args...).must(t)
}

// TryMinato is Minato for a command that may fail.
func (e *Env) TryMinato(t testing.TB, args ...string) Result {
	t.Helper()
	e.rememberNodes() // before they are stopped and purged
	return e.Anonymous(t).Run(t, e.binary, args...)
}

// Status is what `minato status -o json` says, as far as tests ask.
type Status struct {
	PID       int       `json:"pid"`
	Ready     bool      `json:"ready"`
	Processes []Process `json:"processes"` // Minato's own
	Clusters  []struct {
		Name      string    `json:"name"`
		ID        string    `json:"id"`
		Account   string    `json:"account"`
		Status    string    `json:"status"`
		Endpoint  string    `json:"endpoint"`
		EtcdKeys  int64     `json:"etcdKeys"`
		Processes []Process `json:"processes"`
	} `json:"clusters"`
}

// Process is one supervised process in a Status.
type Process struct {
	Name     string `json:"name"`
	State    string `json:"state"`
	PID      int    `json:"pid"`
	Restarts int    `json:"restarts"`
	Adopted  bool   `json:"adopted"`
}

// All is every supervised process by name.
func (s Status) All() map[string]Process {
	all := map[string]Process{}
	for _, p := range s.Processes {
		all[p.Name] = p
	}
	for _, c := range s.Clusters {
		for _, p := range c.Processes {
			all[p.Name] = p
		}
	}
	return all
}

// Status asks the running server.
func (e *Env) Status(t testing.TB) Status {
	t.Helper()
	var st Status
	out := e.Minato(t, "status", "-o", "json")
	if err := json.Unmarshal([]byte(out), &st); err != nil {
		t.Fatalf("minato status -o json: %v\n%s", err, out)
	}
	return st
}

// Eventually waits until what returns nil, and fails the test with its last error when it does not for patience, which is long:
// a test says that something happens, and a benchmark how soon. It is for what no client offers a waiter for.
func Eventually(t testing.TB, what func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		asked := time.Now()
		err := what()
		if err == nil {
			return
		}
		// As long a rest as the question took, so that asking does not keep from happening what it waits for.
		again := min(max(time.Since(asked), 100*time.Millisecond), 2*time.Second)
		select {
		case <-time.After(again):
		case <-deadline.C:
			t.Fatalf("still not after %s: %v", patience, err)
		}
	}
}

// freeAddress finds a loopback port that is free together with the next two, which `minato up` takes for TLS and for images. It
// looks below the range that the kernel hands out for outgoing connections.
func freeAddress() (string, error) {
	for range 100 {
		port := 20000 + 4*rand.IntN(3000)
		if portFree(port) && portFree(port+1) && portFree(port+2) {
			return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), nil
		}
	}
	return "", fmt.Errorf("found no three free ports in a row between 20000 and 32000")
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
