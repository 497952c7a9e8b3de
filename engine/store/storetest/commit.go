package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/engine/store"
)

func testCreate(s *suite) {
	s.wantAbsent("a")
	rev := s.create("a", "one")
	s.want("a", "one", rev, rev)
	s.refused(store.ErrExists, "a", store.Create(s.key("a"), []byte("two")))
	s.want("a", "one", rev, rev)
	empty := s.create("empty", "")
	s.want("empty", "", empty, empty)
}

func testUpdate(s *suite) {
	s.refused(store.ErrNotFound, "a", store.Update(s.key("a"), []byte("x"), 1))
	s.refused(store.ErrNotFound, "a", store.Update(s.key("a"), []byte("x"), 0))
	s.refused(store.ErrNotFound, "a", store.Update(s.key("a"), []byte("x"), store.AnyRevision))
	created := s.create("a", "one")
	second := s.commit(store.Update(s.key("a"), []byte("two"), created))
	s.want("a", "two", created, second)
	s.refused(store.ErrConflict, "a", store.Update(s.key("a"), []byte("x"), created))
	s.refused(store.ErrConflict, "a", store.Update(s.key("a"), []byte("x"), second+1))
	s.refused(store.ErrConflict, "a", store.Update(s.key("a"), []byte("x"), 0))
	s.want("a", "two", created, second)
	third := s.commit(store.Update(s.key("a"), []byte("three"), store.AnyRevision))
	s.want("a", "three", created, third)
}

func testDelete(s *suite) {
	s.refused(store.ErrNotFound, "a", store.Delete(s.key("a"), 1))
	s.refused(store.ErrNotFound, "a", store.Delete(s.key("a"), store.AnyRevision))
	created := s.create("a", "one")
	s.refused(store.ErrConflict, "a", store.Delete(s.key("a"), created+1))
	deleted := s.commit(store.Delete(s.key("a"), created))
	if deleted <= created {
		s.Fatalf("deleted at revision %d, created at %d", deleted, created)
	}
	s.wantAbsent("a")
	s.refused(store.ErrNotFound, "a", store.Delete(s.key("a"), created))
	again := s.create("a", "two")
	s.want("a", "two", again, again)
	s.refused(store.ErrConflict, "a", store.Delete(s.key("a"), created))
	s.commit(store.Delete(s.key("a"), store.AnyRevision))
	s.wantAbsent("a")
}

func testCheck(s *suite) {
	s.refused(store.ErrNotFound, "a", store.Check(s.key("a"), store.AnyRevision))
	rev := s.create("a", "one")
	if got := s.commit(store.Check(s.key("a"), rev)); got < rev {
		s.Fatalf("a check answers revision %d, after %d", got, rev)
	}
	s.want("a", "one", rev, rev)
	s.commit(store.Check(s.key("a"), store.AnyRevision))
	s.refused(store.ErrConflict, "a", store.Check(s.key("a"), rev+1))
	s.refused(store.ErrConflict, "a", store.Check(s.key("a"), rev+1), store.Create(s.key("b"), nil))
	s.wantAbsent("b")
	b := s.commit(store.Check(s.key("a"), rev), store.Create(s.key("b"), []byte("two")))
	s.want("b", "two", b, b)
	s.refused(store.ErrExists, "a", store.Absent(s.key("a")), store.Create(s.key("c"), nil))
	s.wantAbsent("c")
	c := s.commit(store.Absent(s.key("d")), store.Create(s.key("c"), []byte("three")))
	s.want("c", "three", c, c)
	s.wantAbsent("d")
}

func testAtomic(s *suite) {
	a, b := s.create("a", "1"), s.create("b", "1")
	ops := func(last store.Op) []store.Op {
		return []store.Op{
			store.Update(s.key("a"), []byte("2"), a),
			store.Delete(s.key("b"), b),
			store.Create(s.key("c"), []byte("2")),
			last,
		}
	}
	s.refused(store.ErrNotFound, "d", ops(store.Check(s.key("d"), store.AnyRevision))...)
	s.create("d", "1")
	s.refused(store.ErrExists, "d", ops(store.Create(s.key("d"), nil))...)
	s.refused(store.ErrConflict, "d", ops(store.Update(s.key("d"), nil, a))...)
	s.want("a", "1", a, a)
	s.want("b", "1", b, b)
	s.wantAbsent("c")
	rev := s.commit(ops(store.Check(s.key("d"), store.AnyRevision))...)
	s.want("a", "2", a, rev)
	s.wantAbsent("b")
	s.want("c", "2", rev, rev)
}

func testMalformed(s *suite) {
	rev := s.create("a", "1")
	for name, ops := range map[string][]store.Op{
		"empty key":      {store.Create("", []byte("x"))},
		"no verb":        {{Key: s.key("b")}},
		"unknown verb":   {{Verb: 99, Key: s.key("b")}},
		"one key, twice": {store.Check(s.key("a"), rev), store.Update(s.key("a"), []byte("2"), rev)},
	} {
		_, err := s.store.Commit(s.ctx, ops...)
		if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) {
			s.Errorf("%s: %v, want an error of its own", name, err)
		}
	}
	s.want("a", "1", rev, rev)
	if got := s.commit(); got < rev {
		s.Errorf("an empty commit answers revision %d, after %d", got, rev)
	}
}

func testValuesAreCopied(s *suite) {
	value := []byte("one")
	rev := s.commit(store.Create(s.key("a"), value))
	value[0] = 'X'
	s.want("a", "one", rev, rev)
	e, err := s.store.Get(s.ctx, s.key("a"))
	if err != nil {
		s.Fatal(err)
	}
	e.Value[0] = 'X'
	s.list(store.ListOptions{}).Entries[0].Value[0] = 'X'
	s.want("a", "one", rev, rev)
}

func testRevisions(s *suite) {
	var last store.Revision
	moves := func(what string, rev store.Revision, least store.Revision) {
		s.Helper()
		if rev < least {
			s.Fatalf("%s is revision %d, want at least %d", what, rev, least)
		}
		last = rev
	}
	for i := range 20 {
		name := strconv.Itoa(i)
		moves("create", s.create(name, "1"), last+1)
		moves("list", s.list(store.ListOptions{Limit: 1}).Revision, last)
		moves("update", s.commit(store.Update(s.key(name), []byte("2"), last)), last+1)
		moves("check", s.commit(store.Check(s.key(name), last)), last)
		s.refused(store.ErrExists, name, store.Create(s.key(name), nil))
		moves("delete", s.commit(store.Delete(s.key(name), store.AnyRevision)), last+1)
	}
}

func testConcurrentSwap(s *suite) {
	const writers, each = 8, 15
	s.create("n", "0")
	err := together(writers, func(int) error {
		for range each {
			if err := s.increment("n"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	e, err := s.store.Get(s.ctx, s.key("n"))
	if err != nil || string(e.Value) != strconv.Itoa(writers*each) {
		s.Fatalf("counted to %s, %v; want %d", e.Value, err, writers*each)
	}
}

// increment adds one to a number, again and again until nobody else wrote in between.
func (s *suite) increment(name string) error {
	for {
		e, err := s.store.Get(s.ctx, s.key(name))
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(e.Value))
		if err != nil {
			return err
		}
		_, err = s.store.Commit(s.ctx, store.Update(e.Key, []byte(strconv.Itoa(n+1)), e.Modified))
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func testConcurrentCreate(s *suite) {
	var mu sync.Mutex
	winners := 0
	err := together(8, func(i int) error {
		_, err := s.store.Commit(s.ctx, store.Create(s.key("one"), []byte(strconv.Itoa(i))))
		if errors.Is(err, store.ErrExists) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		winners++
		return err
	})
	if err != nil || winners != 1 {
		s.Fatalf("%d creates of one key succeeded, %v", winners, err)
	}
}

// together runs n of a function at once and waits for all of them.
func together(n int, do func(i int) error) error {
	var group errgroup.Group
	for i := range n {
		group.Go(func() error { return do(i) })
	}
	return group.Wait()
}

func testCancelled(s *suite) {
	rev := s.create("a", "1")
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	_, get := s.store.Get(ctx, s.key("a"))
	_, list := s.store.List(ctx, s.prefix, store.ListOptions{})
	_, commit := s.store.Commit(ctx, store.Update(s.key("a"), []byte("2"), rev))
	for name, err := range map[string]error{"get": get, "list": list, "commit": commit} {
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	s.want("a", "1", rev, rev)
}

func numbered(i int) string { return fmt.Sprintf("%03d", i) }
