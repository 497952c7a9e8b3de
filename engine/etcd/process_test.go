package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/etcd/etcdtest"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/etcdstore"
)

// serveEnv makes the test binary an etcd process: the test's folder, as of etcdtest.Config, and the port.
const serveEnv = "MINATO_TEST_ETCD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveEnv); dir != "" {
		os.Exit(serveProcess(dir))
	}
	os.Exit(m.Run())
}

func serveProcess(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	port, _ := strconv.Atoi(os.Getenv(serveEnv + "_PORT"))
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := etcd.Serve(ctx, etcd.ServeConfig{Dir: filepath.Join(dir, "etcd"), PKI: etcd.PKI(filepath.Join(dir, "pki")), Port: port, Log: log}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process starts an etcd that can be killed.
func process(t *testing.T, c etcd.ServeConfig) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"="+filepath.Dir(c.Dir), serveEnv+"_PORT="+strconv.Itoa(c.Port))
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			kill(t, cmd)
		}
	})
	return cmd
}

// kill is kill -9.
func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	_ = cmd.Wait() // "signal: killed"
}

// ledger notes what was acknowledged, for etcd to be held to.
type ledger struct {
	mu    sync.Mutex
	acked map[string]store.Revision
	last  store.Revision

	enough  int // so many entries
	reached chan struct{}
}

func newLedger() *ledger { return &ledger{acked: map[string]store.Revision{}} }

func (l *ledger) note(key string, rev store.Revision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[key], l.last = rev, max(l.last, rev)
	if len(l.acked) == l.enough {
		close(l.reached)
	}
}

// more is closed once n more entries have been noted.
func (l *ledger) more(n int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enough, l.reached = len(l.acked)+n, make(chan struct{})
	return l.reached
}

// write writes new keys until the store does not take one any more.
func (l *ledger) write(ctx context.Context, s store.Store, name string) error {
	for i := 0; ; i++ {
		key := fmt.Sprintf("/minato/ledger/%s/%d", name, i)
		rev, err := s.Commit(ctx, store.Create(key, []byte(key)))
		if err != nil {
			return err
		}
		l.note(key, rev)
	}
}

// check holds a store to what was acknowledged.
func (l *ledger) check(t *testing.T, s store.Store) {
	t.Helper()
	listing, err := s.List(t.Context(), "/minato/ledger/", store.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if listing.Revision < l.last {
		t.Errorf("etcd is at revision %d, and %d was acknowledged", listing.Revision, l.last)
	}
	found := map[string]store.Revision{}
	for _, e := range listing.Entries {
		if string(e.Value) != e.Key {
			t.Errorf("%s holds %q", e.Key, e.Value)
		}
		found[e.Key] = e.Created
	}
	for key, rev := range l.acked {
		if found[key] != rev {
			t.Errorf("%s was acknowledged at revision %d and is there of revision %d (0: not at all)", key, rev, found[key])
		}
	}
}

// TestKillLosesNothing kills etcd in the middle of writes, again and again: every acknowledged write is there afterwards, and
// a watch that began before the first kill saw every one, once, in order.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	c := etcdtest.Config(t)
	cmd := process(t, c)
	server := etcdtest.Bootstrapped(t, c)
	s := etcdstore.New(server.Client)
	start, err := s.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	batches := s.Watch(t.Context(), "/minato/ledger/", start)

	book := newLedger()
	for round := range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		enough := book.more(60)
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() { _ = book.write(ctx, s, fmt.Sprintf("%d-%d", round, w)) })
		}
		select {
		case <-enough:
		case <-time.After(30 * time.Second):
			t.Fatal("60 writes took more than 30 s")
		}
		kill(t, cmd)
		cancel()
		writers.Wait()
		cmd = process(t, c)
		ready(t, server)
		book.check(t, s)
	}

	var seen []store.Revision
	deadline := time.After(30 * time.Second)
	for len(seen) == 0 || seen[len(seen)-1] < book.last {
		select {
		case b := <-batches:
			if b.Err != nil {
				t.Fatal(b.Err)
			}
			for _, e := range b.Events {
				seen = append(seen, e.Modified)
			}
		case <-deadline:
			t.Fatalf("the watch has seen up to %v of %d", seen[max(0, len(seen)-1):], book.last)
		}
	}
	if !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
		t.Errorf("the watch saw revisions out of order or twice: %v", seen)
	}
	for key, rev := range book.acked {
		if _, ok := slices.BinarySearch(seen, rev); !ok {
			t.Errorf("the watch did not see %s of revision %d", key, rev)
		}
	}
}

func ready(t *testing.T, s *etcdtest.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Admin.Ready(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestFullDisk lets etcd's files grow no further in the middle of writes, as a full disk does: writes fail as Unavailable,
// and nothing acknowledged is lost once there is space again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	c := etcdtest.Config(t)
	cmd := process(t, c)
	server := etcdtest.Bootstrapped(t, c)
	s := etcdstore.New(server.Client)
	full := unix.Rlimit{Cur: 4 << 20, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_FSIZE, &full, nil); err != nil {
		t.Fatal(err)
	}
	ballast := make([]byte, 100<<10)
	book := newLedger()
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		key := fmt.Sprintf("/minato/ledger/%d", i)
		var rev store.Revision
		rev, err = s.Commit(ctx, store.Create(key, []byte(key)), store.Create("/minato/ballast/"+strconv.Itoa(i), ballast))
		if err == nil {
			book.note(key, rev)
		}
		cancel()
	}
	if !minato.Is(err, minato.Unavailable) {
		t.Fatalf("writing to a full disk: %v, want an error of kind Unavailable", err)
	}
	t.Logf("%d writes of 100 KiB until: %v (%v)", len(book.acked), err, errors.Unwrap(err))
	kill(t, cmd)
	process(t, c)
	ready(t, server)
	book.check(t, s)
	if _, err := s.Commit(t.Context(), store.Create("/minato/after", nil)); err != nil {
		t.Fatal(err)
	}
}
