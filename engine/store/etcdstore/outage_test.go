package etcdstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/etcd/etcdtest"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/etcdstore"
	"minato.dev/minato/engine/store/mirror"
)

type boat struct {
	Crew int `json:"crew"`
}

// TestOutage: while etcd is away, requests fail as Unavailable and a view goes on answering; once it is back, the view
// catches up by itself.
func TestOutage(t *testing.T) {
	t.Parallel()
	c := etcdtest.Config(t)
	stop := etcdtest.Serve(t, c)
	server := etcdtest.Bootstrapped(t, c)
	s := etcdstore.New(server.Client)
	boats := store.NewCollection[boat](s, "/minato/boats/")
	// The hook's identity may read only, and that is enough for a view.
	view := store.NewView(store.NewCollection[boat](etcdstore.New(server.Connect(t, etcd.Hook)), "/minato/boats/"))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	go func() { _ = view.Run(ctx) }()
	want := func(rev store.Revision, want string) {
		t.Helper()
		if err := view.WaitFor(ctx, rev); err != nil {
			t.Fatal(err)
		}
		var got []string
		for item := range view.All() {
			got = append(got, fmt.Sprintf("%s:%d", item.ID, item.Value.Crew))
		}
		if strings.Join(got, " ") != want {
			t.Fatalf("the view shows %q, want %q", got, want)
		}
	}
	a, err := boats.Create(ctx, "a", boat{1})
	if err != nil {
		t.Fatal(err)
	}
	want(a.Revision, "a:1")

	stop()
	short, done := context.WithTimeout(ctx, 300*time.Millisecond)
	defer done()
	_, get := boats.Get(short, "a")
	_, list := boats.List(short, "", "", 0)
	_, create := boats.Create(short, "b", boat{})
	for what, err := range map[string]error{"get": get, "list": list, "create": create} {
		if !minato.Is(err, minato.Unavailable) {
			t.Errorf("%s without etcd: %v, want an error of kind Unavailable", what, err)
		}
	}
	if item, ok := view.Get("a"); !ok || item != a {
		t.Errorf("without etcd the view has %+v, %v", item, ok)
	}

	etcdtest.Serve(t, c)
	a.Value.Crew = 2
	if a, err = boats.Put(ctx, a); err != nil {
		t.Fatal(err)
	}
	want(a.Revision, "a:2")
	// A revision that changes no boat is seen as well, because the waiting view asks for it.
	elsewhere, err := s.Commit(ctx, store.Create("/minato/elsewhere", nil))
	if err != nil {
		t.Fatal(err)
	}
	want(elsewhere, "a:2")
}

// TestMirrorOutage: a mirror whose etcd is away says so before it is long out of date, and once etcd is back it shows what others have
// written, and answers from memory again.
func TestMirrorOutage(t *testing.T) {
	t.Parallel()
	c := etcdtest.Config(t)
	stop := etcdtest.Serve(t, c)
	server := etcdtest.Bootstrapped(t, c)
	others := etcdstore.New(server.Client)
	m := mirror.New(etcdstore.New(server.Connect(t, etcd.Root)), "/minato/", "/minato/boats/")
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	go func() { _ = m.Run(ctx) }()
	rev, err := m.Commit(ctx, store.Create("/minato/boats/a", []byte("1")))
	if err != nil {
		t.Fatal(err)
	}
	// until asks for a boat, as often as clients do, until the answer is one of these.
	until := func(want func(error) bool) {
		t.Helper()
		for range time.Tick(10 * time.Millisecond) {
			short, done := context.WithTimeout(ctx, 300*time.Millisecond)
			_, err := m.Get(short, "/minato/boats/a")
			done()
			if want(err) {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("the mirror goes on to answer %v", err)
			}
		}
	}
	until(func(err error) bool { return err == nil })
	stop()
	until(func(err error) bool { return minato.Is(err, minato.Unavailable) })

	etcdtest.Serve(t, c)
	if _, err := others.Commit(ctx, store.Delete("/minato/boats/a", rev)); err != nil {
		t.Fatal(err)
	}
	until(func(err error) bool { return errors.Is(err, store.ErrNotFound) })
	if _, err := m.Commit(ctx, store.Create("/minato/boats/a", []byte("2"))); err != nil {
		t.Fatal(err)
	}
	if e, err := m.Get(ctx, "/minato/boats/a"); err != nil || string(e.Value) != "2" {
		t.Errorf("after a commit of its own the mirror has %+v, %v", e, err)
	}
}

// TestForbidden: what an identity may not do fails at once and is not taken for an outage.
func TestForbidden(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	gate := etcdstore.New(server.Connect(t, etcd.Gate))
	_, get := gate.Get(t.Context(), "/minato/secret")
	_, commit := gate.Commit(t.Context(), store.Create("/minato/routes/r", nil))
	select {
	case batch := <-gate.Watch(t.Context(), "/minato/", 0):
		for what, err := range map[string]error{"get": get, "commit": commit, "watch": batch.Err} {
			if minato.KindOf(err) != minato.Internal || !strings.Contains(err.Error(), "permission denied") {
				t.Errorf("%s: %v, want that permission is denied", what, err)
			}
		}
	case <-time.After(20 * time.Second):
		t.Fatal("a watch that is not allowed is tried for ever")
	}
}

// TestClosedClient: a watch whose client was closed ends with an error, for nothing can come any more.
func TestClosedClient(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	client := server.Connect(t, etcd.Hook)
	batches := etcdstore.New(client).Watch(t.Context(), "/minato/", 0)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case batch := <-batches:
		if batch.Err == nil {
			t.Errorf("batch %+v, want an error", batch)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the watch of a closed client goes on")
	}
}

// TestLargeCommit: what etcd does not take in one transaction is refused whole, and is the caller's mistake.
func TestLargeCommit(t *testing.T) {
	t.Parallel()
	s := etcdstore.New(etcdtest.Start(t).Client)
	var ops []store.Op
	for i := range 129 {
		ops = append(ops, store.Create(fmt.Sprintf("/minato/many/%d", i), nil))
	}
	_, many := s.Commit(t.Context(), ops...)
	_, large := s.Commit(t.Context(), store.Create("/minato/many/large", slices.Repeat([]byte("x"), 3<<20)))
	for what, err := range map[string]error{"129 ops": many, "3 MiB": large} {
		if err == nil || minato.Is(err, minato.Unavailable) || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: %v, want an error that says it is too large", what, err)
		}
	}
	if _, err := s.Commit(t.Context(), ops[:128]...); err != nil {
		t.Errorf("128 ops: %v", err)
	}
	l, err := s.List(t.Context(), "/minato/many/", store.ListOptions{})
	if err != nil || len(l.Entries) != 128 {
		t.Errorf("%d entries, %v; want the 128 of the commit that was not too large", len(l.Entries), err)
	}
}
