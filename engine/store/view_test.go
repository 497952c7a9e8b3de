package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
)

// boat is a record.
type boat struct {
	Name string `json:"name"`
	Crew int    `json:"crew"`
}

const boats = "/minato/boats/"

// harbour is a collection of boats with a running view of it.
type harbour struct {
	*testing.T
	mem   *memstore.Store
	boats *store.Collection[boat]
	view  *store.View[boat]
}

// newHarbour must be called in a synctest bubble. s is mem itself or something in front of it.
func newHarbour(t *testing.T, mem *memstore.Store, s store.Store) *harbour {
	c := store.NewCollection[boat](s, boats)
	return &harbour{T: t, mem: mem, boats: c, view: store.NewView(c)}
}

// run keeps the view until the test ends.
func (h *harbour) run() {
	ctx, cancel := context.WithCancel(h.Context())
	ended := make(chan error)
	go func() { ended <- h.view.Run(ctx) }()
	h.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			h.Errorf("Run: %v, want nil when its context ends", err)
		}
	})
}

func (h *harbour) commit(ops ...store.Op) store.Revision {
	h.Helper()
	rev, err := h.mem.Commit(h.Context(), ops...)
	if err != nil {
		h.Fatal(err)
	}
	return rev
}

// want waits for a revision and compares what the view shows: "id:crew …".
func (h *harbour) want(rev store.Revision, want string) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), time.Hour)
	defer cancel()
	if err := h.view.WaitFor(ctx, rev); err != nil {
		h.Fatal(err)
	}
	if got := h.show(); got != want {
		h.Fatalf("the view shows %q, want %q", got, want)
	}
}

func (h *harbour) show() string {
	var all []string
	for item := range h.view.All() {
		all = append(all, fmt.Sprintf("%s:%d", item.ID, item.Value.Crew))
	}
	return strings.Join(all, " ")
}

func TestViewFollows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New()
		h := newHarbour(t, mem, mem)
		var told []string
		h.view.Subscribe(func(id string) {
			item, ok := h.view.Get(id)
			told = append(told, fmt.Sprintf("%s:%d:%v", id, item.Value.Crew, ok))
		})
		for i := range 1200 { // more than two pages
			h.commit(h.boats.CreateOp(fmt.Sprintf("b%04d", i), boat{Crew: i}))
		}
		select {
		case <-h.view.Ready():
			t.Fatal("ready before Run")
		default:
		}
		h.run()
		<-h.view.Ready()
		if n := len(slices.Collect(h.view.All())); n != 1200 || len(told) != 1200 {
			t.Fatalf("the first list shows %d records and told of %d, want 1200", n, len(told))
		}
		var ops []store.Op
		for item := range h.view.All() {
			if item.Value.Crew >= 100 {
				ops = append(ops, h.boats.DeleteOp(item))
			}
		}
		h.commit(ops...)
		for i := range 98 {
			item, _ := h.view.Get(fmt.Sprintf("b%04d", i))
			h.commit(h.boats.DeleteOp(item))
		}
		synctest.Wait()
		told = nil

		last, _ := h.view.Get("b0099")
		last.Value.Crew = 7
		rev := h.commit(h.boats.UpdateOp(last), h.boats.CreateOp("c/1", boat{Crew: 1}))
		h.want(rev, "b0098:98 b0099:7 c/1:1")
		if got := fmt.Sprint(told); got != "[b0099:7:true c/1:1:true]" {
			t.Errorf("subscribers were told %s", got)
		}
		if item, ok := h.view.Get("b0099"); !ok || item.Revision != rev || item.Created >= rev {
			t.Errorf("got %+v, %v", item, ok)
		}
		// Revisions of others are seen too.
		elsewhere := h.commit(store.Create("/elsewhere", nil))
		h.want(elsewhere, "b0098:98 b0099:7 c/1:1")
		if h.view.Revision() < elsewhere {
			t.Errorf("revision %d after waiting for %d", h.view.Revision(), elsewhere)
		}
		// A late subscriber is told of what is there.
		var late []string
		h.view.Subscribe(func(id string) { late = append(late, id) })
		h.want(h.commit(store.Delete(boats+"c/1", store.AnyRevision)), "b0098:98 b0099:7")
		if got := fmt.Sprint(late); got != "[b0098 b0099 c/1 c/1]" {
			t.Errorf("the late subscriber was told %s", got)
		}
	})
}

func TestViewWaitsAndGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New()
		h := newHarbour(t, mem, mem)
		h.run()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := h.view.WaitFor(ctx, 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("waiting for a revision that does not come: %v after %v", err, time.Since(began))
		}
		seen := make(chan error)
		go func() { seen <- h.view.WaitFor(t.Context(), 1) }()
		synctest.Wait()
		h.commit(h.boats.CreateOp("a", boat{}))
		if err := <-seen; err != nil {
			t.Error(err)
		}
	})
}

// moody is a store in front of another that can be made to fail.
type moody struct {
	store.Store
	mu      sync.Mutex
	trouble error
	cut     context.CancelCauseFunc
}

func (m *moody) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble = err
	if err != nil && m.cut != nil {
		m.cut(err)
	}
}

func (m *moody) List(ctx context.Context, prefix string, opts store.ListOptions) (store.Listing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.trouble != nil {
		return store.Listing{}, m.trouble
	}
	return m.Store.List(ctx, prefix, opts)
}

func (m *moody) Watch(ctx context.Context, prefix string, rev store.Revision) <-chan store.Batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	inner, cut := context.WithCancelCause(ctx)
	m.cut = cut
	out := make(chan store.Batch)
	go func() {
		defer close(out)
		for batch := range m.Store.Watch(inner, prefix, rev) {
			select {
			case out <- batch:
			case <-ctx.Done():
				return
			}
		}
		if ctx.Err() == nil {
			select {
			case out <- store.Batch{Err: context.Cause(inner)}:
			case <-ctx.Done():
			}
		}
	}()
	return out
}

// TestViewOutlivesItsStore: the view answers while the store is away, and catches up afterwards, also past a compaction.
func TestViewOutlivesItsStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New()
		m := &moody{Store: mem}
		h := newHarbour(t, mem, m)
		away := errors.New("the store is away")
		m.fail(away)
		h.run()
		time.Sleep(time.Minute)
		select {
		case <-h.view.Ready():
			t.Fatal("ready without a list")
		default:
		}
		m.fail(nil)
		h.want(h.commit(h.boats.CreateOp("a", boat{Crew: 1}), h.boats.CreateOp("b", boat{Crew: 1})), "a:1 b:1")

		m.fail(away)
		time.Sleep(time.Minute)
		a, _ := h.view.Get("a")
		a.Value.Crew = 2
		rev := h.commit(h.boats.UpdateOp(a), store.Delete(boats+"b", store.AnyRevision), h.boats.CreateOp("c", boat{Crew: 3}))
		time.Sleep(time.Minute)
		if got := h.show(); got != "a:1 b:1" {
			t.Errorf("while the store is away the view shows %q", got)
		}
		var told []string
		h.view.Subscribe(func(id string) { told = append(told, id) })
		told = nil
		if err := mem.Compact(t.Context(), h.commit(store.Create("/elsewhere", nil))); err != nil {
			t.Fatal(err)
		}
		m.fail(nil)
		h.want(rev, "a:2 c:3")
		if got := fmt.Sprint(told); got != "[a b c]" {
			t.Errorf("subscribers were told %s", got)
		}

		m.fail(store.ErrCompacted) // as when a watch was too far behind
		m.fail(nil)
		h.want(h.commit(h.boats.CreateOp("d", boat{Crew: 4})), "a:2 c:3 d:4")
	})
}

// TestViewSkipsCorruptRecords sets the default logger, so it is not parallel.
func TestViewSkipsCorruptRecords(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New()
		m := &moody{Store: mem}
		h := newHarbour(t, mem, m)
		h.commit(h.boats.CreateOp("a", boat{Crew: 1}), store.Create(boats+"bad", []byte("no JSON")))
		h.run()
		<-h.view.Ready()
		count := func(corrupt, logged int) {
			t.Helper()
			synctest.Wait()
			if h.view.Corrupt() != corrupt {
				t.Errorf("%d corrupt records, want %d", h.view.Corrupt(), corrupt)
			}
			if n := strings.Count(log.String(), "corrupt"); n != 2*logged { // the message and the error say so
				t.Errorf("logged %d times, want %d:\n%s", n/2, logged, log.String())
			}
		}
		count(1, 1)
		m.fail(errors.New("away")) // lists again
		m.fail(nil)
		time.Sleep(time.Minute)
		h.want(h.commit(h.boats.CreateOp("b", boat{Crew: 2})), "a:1 b:2")
		count(1, 1)
		// A good record that goes bad leaves the view; a bad one that is mended enters it.
		a, _ := h.view.Get("a")
		rev := h.commit(store.Update(boats+"a", []byte(`{"v":99,"data":{}}`), a.Revision), store.Update(boats+"bad", envelope(`{"crew":5}`), store.AnyRevision))
		h.want(rev, "b:2 bad:5")
		count(1, 2)
		h.want(h.commit(store.Delete(boats+"a", store.AnyRevision)), "b:2 bad:5")
		count(0, 2)
	})
}

func envelope(data string) []byte { return []byte(`{"v":1,"data":` + data + `}`) }
