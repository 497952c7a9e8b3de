package storetest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"minato.dev/minato/engine/store"
)

// watching is a watch whose events the suite reads.
type watching struct {
	s       *suite
	batches <-chan store.Batch
	seen    store.Revision

	events    []string
	revisions []store.Revision // of the events
}

func (s *suite) watch(ctx context.Context, rev store.Revision) *watching {
	return &watching{s: s, batches: s.store.Watch(ctx, s.prefix, rev), seen: rev}
}

// next is one batch, held to the contract.
func (w *watching) next() store.Batch {
	w.s.Helper()
	select {
	case batch, ok := <-w.batches:
		if !ok {
			w.s.Fatal("the watch ended")
		}
		if batch.Err != nil {
			return batch
		}
		last := w.seen
		for _, e := range batch.Events {
			if e.Modified < last || e.Modified <= w.seen || e.Modified > batch.Revision {
				w.s.Fatalf("event of revision %d after %d in a batch up to %d, the watch has seen %d", e.Modified, last, batch.Revision, w.seen)
			}
			last = e.Modified
			w.events, w.revisions = append(w.events, w.s.event(e)), append(w.revisions, e.Modified)
		}
		if batch.Revision < w.seen {
			w.s.Fatalf("batch of revision %d after %d", batch.Revision, w.seen)
		}
		w.seen = batch.Revision
		return batch
	case <-w.s.ctx.Done():
		w.s.Fatalf("no batch came; seen up to %d: %q", w.seen, w.events)
	}
	return store.Batch{}
}

// until reads up to a revision and gives all events so far.
func (w *watching) until(rev store.Revision) string {
	w.s.Helper()
	for w.seen < rev {
		if batch := w.next(); batch.Err != nil {
			w.s.Fatalf("the watch ended: %v", batch.Err)
		}
	}
	return strings.Join(w.events, " ")
}

func (s *suite) event(e store.Event) string {
	name := strings.TrimPrefix(e.Key, s.prefix)
	switch {
	case e.Deleted:
		return "-" + name
	case e.Created == e.Modified:
		return "+" + name + "=" + string(e.Value)
	default:
		return name + "=" + string(e.Value)
	}
}

func testWatchFrom(s *suite) {
	zero := s.commit()
	a := s.create("a", "1")
	b := s.create("b", "1")
	s.commit(store.Update(s.key("a"), []byte("2"), a))
	early, middle := s.watch(s.ctx, zero), s.watch(s.ctx, b)
	s.commit(store.Delete(s.key("b"), b))
	last := s.create("b", "3")
	late := s.watch(s.ctx, last)
	end := s.create("end", "")
	for _, c := range []struct {
		w    *watching
		want string
	}{
		{early, "+a=1 +b=1 a=2 -b +b=3 +end="},
		{middle, "a=2 -b +b=3 +end="},
		{late, "+end="},
		{s.watch(s.ctx, last-1), "+b=3 +end="},
	} {
		if got := c.w.until(end); got != c.want {
			s.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func testWatchAtomic(s *suite) {
	w := s.watch(s.ctx, s.commit())
	var ops []store.Op
	for i := range 50 {
		ops = append(ops, store.Create(s.key(numbered(i)), nil))
	}
	rev := s.commit(ops...)
	for {
		batch := w.next()
		if len(batch.Events) == 0 {
			continue
		}
		if len(batch.Events) != 50 || batch.Revision != rev {
			s.Fatalf("a commit of 50 keys at %d came as %d events at %d", rev, len(batch.Events), batch.Revision)
		}
		return
	}
}

func testWatchPrefix(s *suite) {
	inner := &watching{s: s, batches: s.store.Watch(s.ctx, s.key("in/"), s.commit())}
	for _, name := range []string{"in", "in/a", "in0", "in/b", "out/in/c", "in.", "in/z"} {
		s.create(name, "")
	}
	if got, want := inner.until(s.commit(store.Update(s.key("in/z"), nil, store.AnyRevision))), "+in/a= +in/b= +in/z= in/z="; got != want {
		s.Fatalf("got  %s\nwant %s", got, want)
	}
}

// testWatchConcurrent begins watches at every revision that a listing shows while others write: nobody may lose or double
// an event, and all see one order.
func testWatchConcurrent(s *suite) {
	const writers, each, watches = 4, 40, 40
	all := s.watch(s.ctx, s.commit())
	written := make(chan error, 1)
	go func() { written <- together(writers, func(i int) error { return s.write(strconv.Itoa(i), each) }) }()
	var late []*watching
	for running := true; running; {
		select {
		case err := <-written:
			if err != nil {
				s.Fatal(err)
			}
			running = false
		default:
			if len(late) < watches {
				late = append(late, s.watch(s.ctx, s.list(store.ListOptions{Limit: 1}).Revision))
			}
		}
	}
	end := s.create("end", "")
	all.until(end)
	if len(all.events) != writers*each+1 {
		s.Fatalf("%d events of %d writes", len(all.events), writers*each+1)
	}
	for _, w := range late {
		from := w.seen
		w.until(end)
		missed := 0
		for all.revisions[missed] <= from {
			missed++
		}
		if got, want := w.events, all.events[missed:]; !slices.Equal(got, want) {
			s.Fatalf("the watch after revision %d saw\n%q, want\n%q", from, got, want)
		}
	}
}

// write creates a key and updates it until it was written n times.
func (s *suite) write(name string, n int) error {
	op := store.Create(s.key(name), []byte("0"))
	for i := range n {
		if i > 0 {
			op = store.Update(s.key(name), []byte(strconv.Itoa(i)), store.AnyRevision)
		}
		if _, err := s.store.Commit(s.ctx, op); err != nil {
			return err
		}
	}
	return nil
}

func testWatchCompacted(s *suite) {
	start := s.create("a", "1")
	for i := range 5 {
		s.commit(store.Update(s.key("a"), []byte(strconv.Itoa(i)), store.AnyRevision))
	}
	last := s.create("b", "1")
	s.compact(last)
	w := s.watch(s.ctx, start)
	for {
		batch := w.next()
		if batch.Err == nil {
			continue
		}
		if !errors.Is(batch.Err, store.ErrCompacted) || len(w.events) != 0 {
			s.Fatalf("watch of compacted history: %q, then %v; want ErrCompacted alone", w.events, batch.Err)
		}
		break
	}
	if _, open := <-w.batches; open {
		s.Fatal("a batch came after the last one")
	}
	l := s.list(store.ListOptions{})
	again := s.watch(s.ctx, l.Revision)
	if got, want := again.until(s.create("c", "1")), "+c=1"; got != want || s.names(l.Entries) != "a b" {
		s.Fatalf("after listing %q again: %q, want %q", s.names(l.Entries), got, want)
	}
	// A watch that was there before a compaction and has seen all goes on.
	s.compact(s.commit())
	if got, want := again.until(s.create("d", "1")), "+c=1 +d=1"; got != want {
		s.Fatalf("across a compaction: %q, want %q", got, want)
	}
}

func testWatchEnds(s *suite) {
	rev := s.create("a", "1")
	ctx, cancel := context.WithCancel(s.ctx)
	idle, unread := s.watch(ctx, rev), s.watch(ctx, rev-1)
	cancel()
	for name, w := range map[string]*watching{"idle": idle, "unread": unread} {
		for open := true; open; {
			var batch store.Batch
			select {
			case batch, open = <-w.batches:
				if batch.Err != nil {
					s.Errorf("%s watch: %v", name, batch.Err)
				}
			case <-s.ctx.Done():
				s.Fatalf("the %s watch did not end with its context", name)
			}
		}
	}
}

func testWatchProgress(s *suite) {
	w := s.watch(s.ctx, s.create("a", "1"))
	other, err := s.store.Commit(s.ctx, store.Create("/storetest-elsewhere/"+s.Name(), nil))
	if err != nil {
		s.Fatal(err)
	}
	if prompter, ok := s.store.(store.Prompter); ok {
		// The watch may not be set up yet, and then a request says nothing to it.
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		go prompt(ctx, prompter)
	}
	if got := w.until(other); got != "" {
		s.Fatalf("a write elsewhere shows as %q", got)
	}
}

// prompt asks for progress until ctx ends.
func prompt(ctx context.Context, p store.Prompter) {
	for ctx.Err() == nil && p.RequestProgress(ctx) == nil {
	}
}
