package mirror_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/engine/store/mirror"
	"minato.dev/minato/engine/store/storetest"
)

// compactable is a mirror of a store whose history can be compacted.
type compactable struct {
	*mirror.Store
	mem *memstore.Store
}

func (c compactable) Compact(ctx context.Context, rev store.Revision) error {
	return c.mem.Compact(ctx, rev)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Store {
		mem := memstore.New()
		m := mirror.New(mem, "/storetest/", "/storetest/")
		run(t, m)
		return compactable{m, mem}
	})
}

// run keeps a mirror until the test ends.
func run(t *testing.T, m *mirror.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v, want nil when its context ends", err)
		}
	})
}

// faulty is a store with a watch that can be held back or lost without a word, and commits whose answers get lost. It counts reads.
type faulty struct {
	*memstore.Store
	mu    sync.Mutex
	reads int
	away  bool                 // nothing is answered
	lose  func() bool          // whether the answer to a commit gets lost
	slow  func() time.Duration // how long the answer to a commit is under way
	held  chan struct{}        // not nil: batches wait until it is closed
	asked []chan struct{}      // a request for progress, for each watch
}

var errAway = errors.New("the store is away")

func (f *faulty) answer(reads int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads += reads
	if f.away {
		return errAway
	}
	return nil
}

func (f *faulty) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := f.answer(1); err != nil {
		return store.Entry{}, err
	}
	return f.Store.Get(ctx, key)
}

func (f *faulty) List(ctx context.Context, prefix string, opts store.ListOptions) (store.Listing, error) {
	if err := f.answer(1); err != nil {
		return store.Listing{}, err
	}
	return f.Store.List(ctx, prefix, opts)
}

func (f *faulty) Commit(ctx context.Context, ops ...store.Op) (store.Revision, error) {
	if err := f.answer(0); err != nil {
		return 0, err
	}
	rev, err := f.Store.Commit(ctx, ops...)
	if f.slow != nil {
		time.Sleep(f.slow())
	}
	if f.lose != nil && f.lose() {
		return 0, errAway
	}
	return rev, err
}

// Watch tells of progress when asked, and holds back what it has.
func (f *faulty) Watch(ctx context.Context, prefix string, rev store.Revision) <-chan store.Batch {
	asked := make(chan struct{}, 1)
	f.mu.Lock()
	f.asked = append(f.asked, asked)
	f.mu.Unlock()
	in, out := f.Store.Watch(ctx, prefix, rev), make(chan store.Batch)
	go func() {
		defer close(out)
		for {
			var batch store.Batch
			select {
			case b, ok := <-in:
				if !ok {
					return
				}
				batch, rev = b, b.Revision
			case <-asked:
				batch.Revision = rev
			}
			f.mu.Lock()
			held := f.held
			f.mu.Unlock()
			if held != nil {
				select {
				case <-held:
				case <-ctx.Done():
					return
				}
			}
			select {
			case out <- batch:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (f *faulty) RequestProgress(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, asked := range f.asked {
		select {
		case asked <- struct{}{}:
		default:
		}
	}
	return nil
}

func (f *faulty) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// hold holds the watches back until release is called.
func (f *faulty) hold() (release func()) {
	held := make(chan struct{})
	f.set(func() { f.held = held })
	return func() {
		f.set(func() { f.held = nil })
		close(held)
	}
}

func (f *faulty) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

func newFaulty(t *testing.T) (*faulty, *mirror.Store) {
	f := &faulty{Store: memstore.New()}
	m := mirror.New(f, "/m/", "/m/a/", "/m/b/")
	run(t, m)
	synctest.Wait()
	return f, m
}

// same is whether two answers of Get are one.
func same(a store.Entry, aErr error, b store.Entry, bErr error) bool {
	if aErr != nil || bErr != nil {
		return errors.Is(aErr, store.ErrNotFound) && errors.Is(bErr, store.ErrNotFound)
	}
	return a.Key == b.Key && bytes.Equal(a.Value, b.Value) && a.Created == b.Created && a.Modified == b.Modified
}

// TestReadsWhatWasWritten writes at random through the mirror, while its watch lags by any time, answers of commits get lost and
// others write: after each write of its own, whether it succeeded or was refused, the mirror shows what the store has for its keys, and
// once the watch has caught up for all keys.
func TestReadsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			f, m := newFaulty(t)
			f.lose = func() bool { return r.IntN(8) == 0 }
			release := func() {}
			compare := func(key string) {
				t.Helper()
				got, gotErr := m.Get(t.Context(), key)
				want, wantErr := f.Store.Get(t.Context(), key)
				if !same(got, gotErr, want, wantErr) {
					t.Fatalf("seed %d: the mirror has %+v, %v, the store %+v, %v", seed, got, gotErr, want, wantErr)
				}
			}
			for step := range 400 {
				switch r.IntN(8) {
				case 0:
					release()
					release = f.hold()
				case 1:
					release()
					release = func() {}
					synctest.Wait()
				case 2:
					time.Sleep(time.Duration(r.IntN(5)) * time.Second)
				case 3: // history is gone when the watch asks for it
					rev, _ := f.Store.Commit(t.Context())
					_ = f.Compact(t.Context(), rev)
				case 4: // somebody else
					_, _ = f.Store.Commit(t.Context(), randomOp(r, f.Store, anyKey(r), step))
				default:
					op, other := randomOp(r, m, anyKey(r), step), randomOp(r, m, anyKey(r), step)
					if op.Key == other.Key {
						other.Key = "/m/elsewhere"
					}
					_, _ = m.Commit(t.Context(), op, other)
					compare(op.Key)
					if other.Key != "/m/elsewhere" {
						compare(other.Key)
					}
				}
			}
			release()
			synctest.Wait()
			for _, key := range keys {
				compare(key)
			}
		})
	}
}

// TestAnswersOvertakeEachOther: many write the same keys at once, and the store's answers come in another order than it has written, or
// after the watch has told of it. Nobody then sees less than what he has written.
func TestAnswersOvertakeEachOther(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			f, m := newFaulty(t)
			f.slow = func() time.Duration { return time.Duration(rand.IntN(50)) * time.Millisecond }
			release := func() {}
			if seed%2 == 0 {
				release = f.hold() // else the watch is faster than the answers
			}
			var writers sync.WaitGroup
			for w := range uint64(8) {
				writers.Go(func() {
					r := rand.New(rand.NewPCG(seed, w))
					for step := range 50 {
						key := keys[r.IntN(2)]
						op := randomOp(r, f.Store, key, step)
						rev, err := m.Commit(t.Context(), op)
						e, gone := m.Get(t.Context(), key)
						if err == nil && gone == nil && op.Verb != store.VerbCheck && e.Modified < rev {
							t.Errorf("seed %d: written at revision %d, read as of %d", seed, rev, e.Modified)
						}
					}
				})
			}
			writers.Wait()
			for _, key := range keys {
				got, gotErr := m.Get(t.Context(), key)
				if want, wantErr := f.Store.Get(t.Context(), key); !same(got, gotErr, want, wantErr) {
					t.Errorf("seed %d: the mirror has %+v, %v, the store %+v, %v", seed, got, gotErr, want, wantErr)
				}
			}
			release()
		})
	}
}

// TestLateAnswer: the answer to a create comes when the key has been deleted and that is long known.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, m := newFaulty(t)
		f.slow = func() time.Duration { return time.Second }
		created := make(chan error)
		go func() {
			_, err := m.Commit(t.Context(), store.Create("/m/a/1", nil))
			created <- err
		}()
		synctest.Wait()
		if _, err := f.Store.Commit(t.Context(), store.Delete("/m/a/1", store.AnyRevision)); err != nil {
			t.Fatal(err)
		}
		if err := <-created; err != nil {
			t.Fatal(err)
		}
		if e, err := m.Get(t.Context(), "/m/a/1"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%+v, %v, want that it is not there", e, err)
		}
	})
}

var keys = []string{"/m/a/1", "/m/a/12", "/m/a/2", "/m/b/1", "/m/b/2"}

func anyKey(r *rand.Rand) string { return keys[r.IntN(len(keys))] }

// randomOp is one that mostly succeeds, as far as the store knows.
func randomOp(r *rand.Rand, s store.Store, key string, step int) store.Op {
	value := fmt.Append(nil, step)
	e, err := s.Get(context.Background(), key)
	switch {
	case err != nil && r.IntN(8) > 0:
		return store.Create(key, value)
	case r.IntN(8) == 0:
		return store.Update(key, value, store.AnyRevision)
	case r.IntN(8) == 0:
		return store.Check(key, e.Modified)
	case r.IntN(3) == 0:
		return store.Delete(key, e.Modified)
	}
	return store.Update(key, value, e.Modified)
}

// TestCheckTells: a check that holds tells that the copy is behind what somebody else has written.
func TestCheckTells(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, m := newFaulty(t)
		if _, err := m.Commit(t.Context(), store.Create("/m/a/1", []byte("old")), store.Create("/m/a/2", nil)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		release := f.hold()
		defer release()
		rev, err := f.Store.Commit(t.Context(), store.Update("/m/a/1", []byte("new"), store.AnyRevision), store.Delete("/m/a/2", store.AnyRevision))
		if err != nil {
			t.Fatal(err)
		}
		if e, err := m.Get(t.Context(), "/m/a/1"); err != nil || string(e.Value) != "old" {
			t.Fatalf("the watch is held, and the mirror has %s, %v", e.Value, err)
		}
		if _, err := m.Commit(t.Context(), store.Check("/m/a/1", rev), store.Absent("/m/a/2")); err != nil {
			t.Fatal(err)
		}
		if e, err := m.Get(t.Context(), "/m/a/1"); err != nil || string(e.Value) != "new" {
			t.Errorf("after the check the mirror has %s, %v", e.Value, err)
		}
		if e, err := m.Get(t.Context(), "/m/a/2"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after the check the mirror has %+v, %v", e, err)
		}
	})
}

// TestAnswersFromMemory: reads ask the store for nothing, of keys that are there and of those that are not, while the watch is alive.
func TestAnswersFromMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, m := newFaulty(t)
		if _, err := m.Commit(t.Context(), store.Create("/m/a/1", []byte("x"))); err != nil {
			t.Fatal(err)
		}
		before := f.count()
		for range 100 {
			e, err := m.Get(t.Context(), "/m/a/1")
			_, none := m.Get(t.Context(), "/m/b/none")
			if err != nil || string(e.Value) != "x" || !errors.Is(none, store.ErrNotFound) {
				t.Fatalf("%+v, %v; %v", e, err, none)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if asked := f.count() - before; asked != 0 {
			t.Errorf("200 reads in ten seconds asked the store %d times", asked)
		}
		if _, err := m.Get(t.Context(), "/m/elsewhere"); !errors.Is(err, store.ErrNotFound) || f.count() == before {
			t.Errorf("a key that is not mirrored: %v, want that the store is asked", err)
		}
	})
}

// TestLostWatch: what others write is seen after three seconds at the latest, also if the watch is dead and does not say so; and what
// cannot be known then is an error.
func TestLostWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, m := newFaulty(t)
		rev, err := m.Commit(t.Context(), store.Create("/m/a/role", []byte("1")))
		if err != nil {
			t.Fatal(err)
		}
		release := f.hold()
		if _, err := f.Store.Commit(t.Context(), store.Delete("/m/a/role", rev)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3*time.Second + time.Millisecond)
		if e, err := m.Get(t.Context(), "/m/a/role"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("three seconds after another one deleted it: %+v, %v", e, err)
		}
		f.set(func() { f.away = true })
		if e, err := m.Get(t.Context(), "/m/a/role"); !errors.Is(err, errAway) {
			t.Errorf("without watch and store: %+v, %v, want the store's trouble", e, err)
		}
		f.set(func() { f.away = false })
		release()
		_, _ = m.Get(t.Context(), "/m/a/role") // has the watch asked
		synctest.Wait()
		before := f.count()
		if _, err := m.Get(t.Context(), "/m/a/role"); !errors.Is(err, store.ErrNotFound) || f.count() != before {
			t.Errorf("with the watch back: %v, and the store was asked %d times", err, f.count()-before)
		}
	})
}
