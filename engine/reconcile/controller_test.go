package reconcile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
)

// world is a controller on a store in memory, in a bubble where time stands until nobody has anything to do.
type world struct {
	*Controller
	store *memstore.Store
	log   *bytes.Buffer
	calls *calls
	end   func() // stops the controller and waits for it
}

// calls are the keys that were reconciled, with the times.
type calls struct {
	mu   sync.Mutex
	keys []string
	at   []time.Time
}

func (c *calls) add(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys, c.at = append(c.keys, key), append(c.at, time.Now())
}

// take empties the list, once everything has come to rest.
func (c *calls) take() ([]string, []time.Time) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	keys, at := c.keys, c.at
	c.keys, c.at = nil, nil
	return keys, at
}

func (c *calls) mustBe(t *testing.T, want ...string) {
	t.Helper()
	keys, _ := c.take()
	slices.Sort(keys)
	if !slices.Equal(keys, want) {
		t.Fatalf("reconciled %q, want %q", keys, want)
	}
}

// lockedBuffer is a log that many may write.
type lockedBuffer struct {
	mu sync.Mutex
	*bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// inBubble runs a test with a controller of the records under /a/, whose work is do.
func inBubble(t *testing.T, do func(ctx context.Context, key string) (Result, error), test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{store: memstore.New(), calls: &calls{}, log: &bytes.Buffer{}}
		w.Controller = &Controller{
			Name:    "test",
			Store:   w.store,
			Sources: []Source{{Prefix: "/a/"}},
			Reconcile: func(ctx context.Context, key string) (Result, error) {
				w.calls.add(key)
				if do == nil {
					return Result{}, nil
				}
				return do(ctx, key)
			},
			Workers: 3,
			Log:     slog.New(slog.NewTextHandler(&lockedBuffer{Buffer: w.log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}
		test(t, w)
		if w.end != nil {
			w.end()
		}
	})
}

func (w *world) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func (w *world) create(t *testing.T, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if _, err := w.store.Commit(t.Context(), store.Create(k, []byte("1"))); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) update(t *testing.T, key string) {
	t.Helper()
	if _, err := w.store.Commit(t.Context(), store.Update(key, []byte("2"), store.AnyRevision)); err != nil {
		t.Fatal(err)
	}
}

func (w *world) delete(t *testing.T, key string) {
	t.Helper()
	if _, err := w.store.Commit(t.Context(), store.Delete(key, store.AnyRevision)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsThereAndWhatChanges(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.create(t, "/a/1", "/a/2", "/b/1")
		w.Enqueue("early")
		w.start(t)
		w.calls.mustBe(t, "1", "2", "early")
		w.update(t, "/a/2")
		w.calls.mustBe(t, "2")
		w.create(t, "/a/3")
		w.calls.mustBe(t, "3")
		w.delete(t, "/a/1")
		w.calls.mustBe(t, "1")
		w.Enqueue("outside")
		w.calls.mustBe(t, "outside")
		w.update(t, "/b/1")
		time.Sleep(time.Hour)
		w.calls.mustBe(t)
	})
}

func TestManyPagesOfRecords(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		n := 2*listPage + 1
		for i := range n {
			w.create(t, fmt.Sprintf("/a/%04d", i))
		}
		w.start(t)
		if keys, _ := w.calls.take(); len(keys) != n {
			t.Errorf("%d keys, want %d", len(keys), n)
		}
	})
}

func TestSourcesMapTheirKeys(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.Sources = append(w.Sources, Source{Prefix: "/updates/", Key: func(id string) string {
			owner, _, found := strings.Cut(id, "/")
			if !found {
				return ""
			}
			return owner
		}})
		w.create(t, "/updates/cluster/u1", "/updates/stray")
		w.start(t)
		w.calls.mustBe(t, "cluster")
	})
}

func TestOneKeyIsNeverWorkedOnTwiceAtOnce(t *testing.T) {
	var mu sync.Mutex
	working, most := map[string]int{}, 0
	inBubble(t, func(_ context.Context, key string) (Result, error) {
		mu.Lock()
		working[key]++
		most = max(most, len(working))
		if working[key] > 1 {
			t.Errorf("%s is worked on twice at once", key)
		}
		mu.Unlock()
		time.Sleep(time.Minute)
		mu.Lock()
		delete(working, key)
		mu.Unlock()
		return Result{}, nil
	}, func(t *testing.T, w *world) {
		w.create(t, "/a/1", "/a/2")
		w.start(t)
		w.calls.mustBe(t, "1", "2")
		for range 5 { // while 1 is being worked on: once more afterwards, and once only
			w.update(t, "/a/1")
			synctest.Wait()
		}
		w.calls.mustBe(t)
		time.Sleep(time.Minute)
		w.calls.mustBe(t, "1")
		time.Sleep(time.Hour)
		w.calls.mustBe(t)
		mu.Lock()
		defer mu.Unlock()
		if most != 2 {
			t.Errorf("%d keys were worked on at once, want both", most)
		}
	})
}

func TestErrorsBackOffAndSuccessResets(t *testing.T) {
	var mu sync.Mutex
	broken := errors.New("it rains")
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		broken = err
	}
	inBubble(t, func(context.Context, string) (Result, error) {
		mu.Lock()
		defer mu.Unlock()
		return Result{}, broken
	}, func(t *testing.T, w *world) {
		w.create(t, "/a/1")
		w.start(t)
		mustBackOff := func() {
			t.Helper()
			time.Sleep(10 * time.Minute)
			_, at := w.calls.take()
			if len(at) < 15 {
				t.Fatalf("only %d tries in ten minutes", len(at))
			}
			for i := range at[1:] {
				full := min(retries.Min<<i, retries.Max)
				if gap := at[i+1].Sub(at[i]); gap < full/2 || gap > full {
					t.Errorf("try %d came after %s, want between %s and %s", i+2, gap, full/2, full)
				}
			}
		}
		mustBackOff()
		if n := strings.Count(w.log.String(), "level=WARN"); n != 1 {
			t.Errorf("the same error was logged %d times", n)
		}
		fail(nil)
		time.Sleep(time.Minute)
		w.calls.mustBe(t, "1")
		time.Sleep(time.Hour)
		w.calls.mustBe(t)
		fail(errors.New("it snows"))
		w.update(t, "/a/1")
		mustBackOff() // from the start again
		if n := strings.Count(w.log.String(), "level=WARN"); n != 2 {
			t.Errorf("two errors made %d warnings", n)
		}
	})
}

// A change is a reason to try a failing key early, but not to try it as fast as it can write its own failure down.
func TestChangesWakeAFailingKey(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		var selfish atomic.Bool
		w.Reconcile = func(ctx context.Context, key string) (Result, error) {
			w.calls.add(key)
			if selfish.Load() {
				note := store.Update("/a/1", []byte(time.Now().String()), store.AnyRevision)
				if _, err := w.store.Commit(ctx, note); err != nil {
					return Result{}, err
				}
			}
			return Result{}, errors.New("it rains")
		}
		w.create(t, "/a/1")
		w.start(t)
		time.Sleep(10 * time.Minute)
		w.calls.take()
		began := time.Now()
		w.update(t, "/a/1")
		time.Sleep(patience)
		if _, at := w.calls.take(); len(at) == 0 || at[0].Sub(began) > patience {
			t.Errorf("a change was looked at %v, it came at %s", at, began)
		}
		selfish.Store(true)
		time.Sleep(10 * time.Minute)
		if _, at := w.calls.take(); len(at) > 610 {
			t.Errorf("a reconcile that notes its failure was called %d times in ten minutes", len(at))
		}
	})
}

func TestTerminalErrorsRest(t *testing.T) {
	gone := errors.New("no such role")
	inBubble(t, func(context.Context, string) (Result, error) {
		return Result{RequeueAfter: time.Second}, fmt.Errorf("preparing: %w", Terminal(gone))
	}, func(t *testing.T, w *world) {
		w.create(t, "/a/1")
		w.start(t)
		time.Sleep(time.Hour)
		w.calls.mustBe(t, "1")
		w.update(t, "/a/1")
		time.Sleep(time.Second)
		w.calls.mustBe(t, "1")
		w.Enqueue("1")
		time.Sleep(time.Second)
		w.calls.mustBe(t, "1")
		if !strings.Contains(w.log.String(), "not tried again") {
			t.Error("the log does not say so")
		}
	})
	if err := Terminal(gone); !errors.Is(err, gone) || err.Error() != gone.Error() {
		t.Errorf("Terminal hides its cause: %v", err)
	}
	if Terminal(nil) != nil {
		t.Error("Terminal(nil) is an error")
	}
}

func TestRequeueAfter(t *testing.T) {
	inBubble(t, func(context.Context, string) (Result, error) {
		return Result{RequeueAfter: time.Minute}, nil
	}, func(t *testing.T, w *world) {
		w.create(t, "/a/1")
		w.start(t)
		time.Sleep(3*time.Minute + time.Second)
		w.calls.mustBe(t, "1", "1", "1", "1")
		w.update(t, "/a/1") // looked at now, and a minute from now, and no second time before that
		w.calls.mustBe(t, "1")
		time.Sleep(59 * time.Second)
		w.calls.mustBe(t)
		time.Sleep(time.Second)
		w.calls.mustBe(t, "1")
	})
}

func TestPanicsAreErrors(t *testing.T) {
	var once sync.Once
	inBubble(t, func(_ context.Context, key string) (res Result, err error) {
		if key == "bad" {
			once.Do(func() { panic("unthinkable") })
		}
		return Result{}, nil
	}, func(t *testing.T, w *world) {
		w.Workers = 1
		w.create(t, "/a/bad", "/a/good")
		w.start(t)
		time.Sleep(time.Second)
		w.calls.mustBe(t, "bad", "bad", "good")
		for _, want := range []string{"unthinkable", "controller_test.go", "key=bad"} {
			if !strings.Contains(w.log.String(), want) {
				t.Errorf("the log does not contain %q", want)
			}
		}
	})
}

func TestWorkUnderWayEndsByItself(t *testing.T) {
	var mu sync.Mutex
	var ended []string
	inBubble(t, func(ctx context.Context, key string) (Result, error) {
		took := map[string]time.Duration{"short": drainTime / 2, "long": time.Hour}[key]
		select {
		case <-time.After(took):
		case <-ctx.Done():
			key += " cut short"
		}
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, key)
		return Result{RequeueAfter: time.Second}, nil
	}, func(t *testing.T, w *world) {
		w.create(t, "/a/short", "/a/long")
		w.start(t)
		w.calls.mustBe(t, "long", "short")
		began := time.Now()
		w.end()
		if took := time.Since(began); took != drainTime {
			t.Errorf("it ended after %s, want %s", took, drainTime)
		}
		w.Enqueue("late")
		time.Sleep(time.Hour)
		w.calls.mustBe(t)
		if !slices.Equal(ended, []string{"short", "long cut short"}) {
			t.Errorf("ended: %q", ended)
		}
	})
}

// flaky is a store whose lists and watches can be made to fail.
type flaky struct {
	*memstore.Store
	mu       sync.Mutex
	listErr  error
	watchErr error
	cut      chan struct{} // closed to end the watches under way
}

func (s *flaky) List(ctx context.Context, prefix string, o store.ListOptions) (store.Listing, error) {
	s.mu.Lock()
	err := s.listErr
	s.mu.Unlock()
	if err != nil {
		return store.Listing{}, err
	}
	return s.Store.List(ctx, prefix, o)
}

func (s *flaky) Watch(ctx context.Context, prefix string, rev store.Revision) <-chan store.Batch {
	s.mu.Lock()
	err, cut := s.watchErr, s.cut
	s.mu.Unlock()
	out := make(chan store.Batch)
	go func() {
		defer close(out)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		in := s.Store.Watch(ctx, prefix, rev)
		for err == nil {
			select {
			case b, ok := <-in:
				if !ok {
					return
				}
				select {
				case out <- b:
				case <-ctx.Done():
					return
				}
			case <-cut:
				err = errors.New("connection lost")
			}
		}
		select {
		case out <- store.Batch{Err: err}:
		case <-ctx.Done():
		}
	}()
	return out
}

// breakDown ends all watches and lets nothing work until mend.
func (s *flaky) breakDown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listErr, s.watchErr = errors.New("no route"), errors.New("no route")
	close(s.cut)
	s.cut = make(chan struct{})
}

func (s *flaky) mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listErr, s.watchErr = nil, nil
}

func TestStoreTroubleIsWaitedOut(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		s := &flaky{Store: w.store, cut: make(chan struct{})}
		w.Store = s
		s.breakDown()
		w.create(t, "/a/1", "/a/2")
		w.start(t)
		time.Sleep(time.Minute)
		w.calls.mustBe(t)
		s.mend()
		time.Sleep(time.Minute)
		w.calls.mustBe(t, "1", "2")

		s.breakDown()
		w.update(t, "/a/1")
		w.delete(t, "/a/2")
		time.Sleep(time.Minute)
		w.calls.mustBe(t)
		s.mend()
		time.Sleep(time.Minute)
		w.calls.mustBe(t, "1", "2") // resumed where it was: each change seen, and nothing else
		if n := strings.Count(w.log.String(), "records cannot be followed"); n < 4 || n > 30 {
			t.Errorf("the trouble was logged %d times", n)
		}
	})
}

// After a compaction the changes in between cannot be had any more: everything is looked at again, and so is what was
// deleted.
func TestCompactionListsAgain(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		s := &flaky{Store: w.store, cut: make(chan struct{})}
		w.Store = s
		w.create(t, "/a/1", "/a/2")
		w.start(t)
		w.calls.mustBe(t, "1", "2")
		s.breakDown()
		w.delete(t, "/a/2")
		w.create(t, "/a/3")
		l, err := w.store.List(t.Context(), "/a/", store.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.store.Compact(t.Context(), l.Revision); err != nil {
			t.Fatal(err)
		}
		s.mend()
		time.Sleep(time.Minute)
		w.calls.mustBe(t, "1", "2", "3")
		w.update(t, "/a/3")
		w.calls.mustBe(t, "3")
	})
}
