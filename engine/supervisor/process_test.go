package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// The tests of this file run the real keeper on processes that exist in memory only, in a bubble where time stands until
// nobody has anything to do.

// fakeChild is such a process.
type fakeChild struct {
	*child
	end      chan string
	signals  []unix.Signal
	stubborn bool // it does not mind SIGTERM
	released bool
}

func newFakeChild(pid int) *fakeChild {
	f := &fakeChild{end: make(chan string, 1)}
	f.child = &child{
		identity: identity{BootID: "boot", PID: pid, StartTime: uint64(pid)},
		started:  time.Now(),
		exited:   f.end,
		signal: func(sig unix.Signal) error {
			f.signals = append(f.signals, sig)
			if sig == unix.SIGKILL || !f.stubborn {
				f.end <- "signal: " + sig.String()
			}
			return nil
		},
		release: func() { f.released = true },
	}
	return f
}

// fakeMachine is where fake processes run.
type fakeMachine struct {
	mu        sync.Mutex
	launched  []*fakeChild
	at        []time.Time // of every launch, failed ones included
	fail      error
	stubborn  bool
	adoptable *fakeChild
	adoptErr  error
}

func (m *fakeMachine) last() *fakeChild {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.launched[len(m.launched)-1]
}

// failWith makes launches fail, or no longer.
func (m *fakeMachine) failWith(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// tries is when launches were tried.
func (m *fakeMachine) tries() []time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.at)
}

func fakeSupervisor(t *testing.T, dir string) (*Supervisor, *fakeMachine) {
	t.Helper()
	s, err := New(filepath.Join(dir, "processes"), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	m := &fakeMachine{}
	s.launch = func(Spec, string) (*child, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.at = append(m.at, time.Now())
		if m.fail != nil {
			return nil, m.fail
		}
		c := newFakeChild(100 + len(m.launched))
		c.stubborn = m.stubborn
		m.launched = append(m.launched, c)
		return c.child, nil
	}
	s.adopt = func(identity, time.Time) (*child, error) {
		if m.adoptable == nil || m.adoptErr != nil {
			return nil, m.adoptErr
		}
		m.adoptable.adopted = true
		return m.adoptable.child, nil
	}
	return s, m
}

var webSpec = Spec{Name: "web", Path: "/bin/web", Args: []string{"web"}, Log: "/nonexistent/log"}

func mustBe(t *testing.T, s *Supervisor, want State) Status {
	t.Helper()
	synctest.Wait()
	st, _ := s.Status("web")
	if st.State != want {
		t.Fatalf("web is %q, want %q: %+v", st.State, want, st)
	}
	return st
}

// bubble runs a test on a fake machine in a synctest bubble.
func bubble(t *testing.T, f func(t *testing.T, s *Supervisor, m *fakeMachine)) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, m := fakeSupervisor(t, dir)
		f(t, s, m)
	})
}

func TestCrashLoopBacksOff(t *testing.T) {
	t.Run("to half a minute", func(t *testing.T) { crashLoop(t, webSpec, 30*time.Second) })
	impatient := webSpec
	impatient.MaxPause = 3 * time.Second
	t.Run("to the spec's own limit", func(t *testing.T) { crashLoop(t, impatient, 3*time.Second) })
}

func crashLoop(t *testing.T, spec Spec, limit time.Duration) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		if err := s.Ensure(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 12; n++ {
			mustBe(t, s, Running)
			m.last().end <- "exit status 1"
			st := mustBe(t, s, Backoff)
			if st.PID != 0 || st.LastExit != "exit status 1" || st.Restarts != n-1 {
				t.Fatalf("status = %+v", st)
			}
			err := s.Ensure(t.Context(), spec) // must neither wait nor start it early
			if err == nil || !strings.Contains(err.Error(), "exit status 1") {
				t.Fatalf("Ensure in backoff: err = %v", err)
			}
			crashed := time.Now()
			if err := s.WaitReady(t.Context(), "web"); err != nil {
				t.Fatal(err)
			}
			full := min(200*time.Millisecond<<(n-1), limit)
			if waited := m.tries()[n].Sub(crashed); waited < full/2 || waited > full {
				t.Errorf("after crash %d it waited %s, want between %s and %s", n, waited, full/2, full)
			}
		}
	})
}

func TestAMinuteOfHealthForgives(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		if err := s.Ensure(t.Context(), webSpec); err != nil {
			t.Fatal(err)
		}
		crash := func() time.Duration {
			mustBe(t, s, Running)
			m.last().end <- "exit status 1"
			mustBe(t, s, Backoff)
			began := time.Now()
			if err := s.WaitReady(t.Context(), "web"); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		for range 8 {
			crash()
		}
		time.Sleep(healthyAfter - time.Second)
		if waited := crash(); waited < 15*time.Second {
			t.Errorf("waited %s after less than a minute of health", waited)
		}
		time.Sleep(healthyAfter)
		if waited := crash(); waited > restarts.Min {
			t.Errorf("waited %s after a minute of health", waited)
		}
	})
}

func TestFailedStartsBackOff(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		noRoom := errors.New("no room")
		m.failWith(noRoom)
		if err := s.Ensure(t.Context(), webSpec); !errors.Is(err, noRoom) {
			t.Fatalf("err = %v", err)
		}
		if st := mustBe(t, s, Backoff); st.LastError != "no room" {
			t.Errorf("status = %+v", st)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(m.tries()); n < 6 || n > 11 {
			t.Errorf("%d tries in a minute", n)
		}
		m.failWith(nil)
		if err := s.WaitReady(t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		if st := mustBe(t, s, Running); st.LastError != "" || st.Restarts != 0 {
			t.Errorf("status = %+v", st)
		}
	})
}

func TestNewSpecDoesNotWaitForTheOldOnesBackoff(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		m.failWith(errors.New("no such option"))
		_ = s.Ensure(t.Context(), webSpec)
		time.Sleep(time.Minute)
		synctest.Wait()
		m.failWith(nil)
		fixed := webSpec
		fixed.Args = []string{"web", "--fixed"}
		began := time.Now()
		if err := s.Ensure(t.Context(), fixed); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %s", waited)
		}
		mustBe(t, s, Running)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(m.launched) != 1 {
			t.Errorf("%d processes launched", len(m.launched))
		}
	})
}

func TestNewSpecIsNotBlamedForTheOldOnesCrashes(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		if err := s.Ensure(t.Context(), webSpec); err != nil {
			t.Fatal(err)
		}
		crash := func() {
			mustBe(t, s, Running)
			m.last().end <- "exit status 1"
			mustBe(t, s, Backoff)
		}
		for range 8 {
			crash()
			if err := s.WaitReady(t.Context(), "web"); err != nil {
				t.Fatal(err)
			}
		}
		crash()
		fixed := webSpec
		fixed.Args = []string{"web", "--fixed"}
		if err := s.Ensure(t.Context(), fixed); err != nil {
			t.Fatal(err)
		}
		if st := mustBe(t, s, Running); st.Restarts != 0 {
			t.Errorf("a new process has %d restarts", st.Restarts)
		}
		crash()
		time.Sleep(restarts.Min)
		if st := mustBe(t, s, Running); st.Restarts != 1 {
			t.Errorf("status = %+v", st)
		}
	})
}

func TestReadiness(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		var answer atomic.Pointer[error]
		say := func(err error) { answer.Store(&err) }
		say(errors.New("not yet"))
		spec := webSpec
		spec.Ready = func(context.Context) error { return *answer.Load() }
		if err := s.Ensure(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if st := mustBe(t, s, Starting); st.LastError != "not yet" {
			t.Errorf("status = %+v", st)
		}
		say(nil)
		time.Sleep(startingPace)
		if st := mustBe(t, s, Running); st.LastError != "" {
			t.Errorf("status = %+v", st)
		}
		say(errors.New("hangs"))
		time.Sleep(runningPace + time.Millisecond)
		mustBe(t, s, Running) // one bad answer is no answer
		time.Sleep(2 * doubtPace)
		if st := mustBe(t, s, Starting); st.LastError != "hangs" {
			t.Errorf("status = %+v", st)
		}
		time.Sleep(time.Hour)
		mustBe(t, s, Starting)
		say(nil)
		time.Sleep(startingPace)
		mustBe(t, s, Running)
		if len(m.launched) != 1 || len(m.last().signals) != 0 {
			t.Errorf("lost readiness was answered with %d starts and signals %v", len(m.launched), m.last().signals)
		}
		replaced := spec
		replaced.Ready = func(context.Context) error { panic("oops") }
		if err := s.Ensure(t.Context(), replaced); err != nil {
			t.Fatal(err)
		}
		time.Sleep(runningPace + 3*doubtPace)
		if st := mustBe(t, s, Starting); !strings.Contains(st.LastError, "oops") {
			t.Errorf("status = %+v", st)
		}
	})
}

func TestProbeIsGivenASecond(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, _ *fakeMachine) {
		var asked atomic.Int32
		spec := webSpec
		spec.Ready = func(ctx context.Context) error {
			asked.Add(1)
			<-ctx.Done()
			return ctx.Err()
		}
		if err := s.Ensure(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if n := asked.Load(); n < 9 || n > 10 {
			t.Errorf("asked %d times in 10 s", n)
		}
	})
}

func TestStopWaitsAndKills(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		m.stubborn = true
		spec := webSpec
		spec.StopTimeout = 7 * time.Second
		if err := s.Ensure(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := s.Stop(t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != spec.StopTimeout {
			t.Errorf("killed after %s, want %s", waited, spec.StopTimeout)
		}
		if sigs := m.last().signals; len(sigs) != 2 || sigs[0] != unix.SIGTERM || sigs[1] != unix.SIGKILL {
			t.Errorf("signals: %v", sigs)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(m.launched) != 1 {
			t.Error("a stopped process was started again")
		}
	})
}

func TestStopGoesOnWithoutItsCaller(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		m.stubborn = true
		if err := s.Ensure(t.Context(), webSpec); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Stop(ctx, "web"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("err = %v", err)
		}
		mustBe(t, s, Stopping)
		time.Sleep(defaultStopTimeout)
		synctest.Wait()
		if st, ok := s.Status("web"); ok {
			t.Errorf("status = %+v, want none", st)
		}
	})
}

func TestStopInBackoff(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		m.failWith(errors.New("no room"))
		_ = s.Ensure(t.Context(), webSpec)
		if err := s.Stop(t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(m.tries()) != 1 {
			t.Errorf("%d tries", len(m.tries()))
		}
	})
}

func TestEnsureDuringStop(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		m.stubborn = true
		if err := s.Ensure(t.Context(), webSpec); err != nil {
			t.Fatal(err)
		}
		stopped := make(chan error, 1)
		go func() { stopped <- s.Stop(t.Context(), "web") }()
		mustBe(t, s, Stopping)
		if err := s.Ensure(t.Context(), webSpec); err != nil {
			t.Fatal(err)
		}
		if err := <-stopped; err != nil {
			t.Errorf("Stop: %v", err)
		}
		mustBe(t, s, Running)
		if len(m.launched) != 2 {
			t.Errorf("%d processes launched, want a second after the stop", len(m.launched))
		}
	})
}

// Of those who want different things, the last one gets it, and the others are told.
func TestLaterRequestOvertakes(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		m.stubborn = true
		if err := s.Ensure(t.Context(), webSpec); err != nil {
			t.Fatal(err)
		}
		second, third := webSpec, webSpec
		second.Args, third.Args = []string{"web", "2"}, []string{"web", "3"}
		answers := make(chan error, 2)
		go func() { answers <- s.Ensure(t.Context(), second) }()
		mustBe(t, s, Stopping)
		go func() { answers <- s.Ensure(t.Context(), third) }()
		if err := <-answers; !errors.Is(err, errSuperseded) {
			t.Errorf("the second: err = %v", err)
		}
		synctest.Wait()
		if err := s.Stop(t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		if err := <-answers; !errors.Is(err, errStopped) {
			t.Errorf("the third: err = %v", err)
		}
		if len(m.launched) != 1 {
			t.Errorf("%d processes launched", len(m.launched))
		}
	})
}

// If it cannot be told whether an earlier supervisor's process lives, no second one is started.
func TestDoubtfulAdoptionStartsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		m.adoptErr = errors.New("too many open files")
		s.onFile["web"] = newRecord(webSpec)
		for range 2 {
			if err := s.Ensure(t.Context(), webSpec); !errors.Is(err, m.adoptErr) {
				t.Errorf("Ensure: err = %v", err)
			}
			if err := s.Stop(t.Context(), "web"); !errors.Is(err, m.adoptErr) {
				t.Errorf("Stop: err = %v", err)
			}
		}
		if len(m.launched) != 0 {
			t.Error("a second process was started")
		}
		m.adoptErr, m.adoptable = nil, newFakeChild(77)
		if err := s.Ensure(t.Context(), webSpec); err != nil {
			t.Fatal(err)
		}
		if st := mustBe(t, s, Running); !st.Adopted || st.PID != 77 {
			t.Errorf("status = %+v", st)
		}
	})
}

func TestAdoptedProcessThatEndsBeforeItIsAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		m.adoptable = newFakeChild(77)
		m.adoptable.end <- unknownExit
		s.onFile["web"] = newRecord(webSpec)
		_ = s.Ensure(t.Context(), webSpec) // an error if it saw the exit
		if err := s.WaitReady(t.Context(), "web"); err != nil && s.Ensure(t.Context(), webSpec) != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if st := mustBe(t, s, Running); st.Adopted || len(m.launched) != 1 {
			t.Errorf("status = %+v, %d launched", st, len(m.launched))
		}
	})
}

func TestCloseEndsWaitsAndLeavesChildren(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, m *fakeMachine) {
		m.stubborn = true
		spec := webSpec
		spec.Ready = func(context.Context) error { return errors.New("never") }
		if err := s.Ensure(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		answers := make(chan error, 2)
		go func() { answers <- s.WaitReady(t.Context(), "web") }()
		go func() { answers <- s.Stop(t.Context(), "web") }()
		mustBe(t, s, Stopping)
		s.Close()
		for range 2 {
			if err := <-answers; !errors.Is(err, ErrClosed) {
				t.Errorf("err = %v, want ErrClosed", err)
			}
		}
		if c := m.last(); !c.released || len(c.signals) != 1 {
			t.Errorf("released %t, signals %v", c.released, c.signals)
		}
	})
}
