// Package storetest is the conformance suite of store.Store: what every implementation must do, to the last error.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/engine/store"
)

// Store is a store.Store whose history the suite can compact up to a revision.
type Store interface {
	store.Store
	Compact(ctx context.Context, rev store.Revision) error
}

// patience is how long the suite waits for something that must come.
const patience = 20 * time.Second

// Run holds a store to the contract. open may give a store of its own to every subtest or the same to all: each works under
// a prefix of its own, and they run one after the other.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, c := range []struct {
		name string
		test func(*suite)
	}{
		{"create and get", testCreate},
		{"update", testUpdate},
		{"delete", testDelete},
		{"check", testCheck},
		{"commit is all or nothing", testAtomic},
		{"commit refuses malformed ops", testMalformed},
		{"values are the store's own", testValuesAreCopied},
		{"revisions never go back", testRevisions},
		{"concurrent compare and swap", testConcurrentSwap},
		{"concurrent create has one winner", testConcurrentCreate},
		{"list in key order", testListOrder},
		{"list in pages", testListPages},
		{"list at a revision", testListAt},
		{"list at a compacted revision", testListCompacted},
		{"watch from a revision", testWatchFrom},
		{"watch shows a commit at once", testWatchAtomic},
		{"watch its prefix only", testWatchPrefix},
		{"watch while writing", testWatchConcurrent},
		{"watch after compaction", testWatchCompacted},
		{"watch ends with its context", testWatchEnds},
		{"watch tells of progress", testWatchProgress},
		{"cancelled context", testCancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c.test(&suite{T: t, ctx: ctx, store: open(t), prefix: "/storetest/" + t.Name() + "/"})
		})
	}
}

// suite is one subtest with its store and its prefix.
type suite struct {
	*testing.T
	ctx    context.Context
	store  Store
	prefix string
}

func (s *suite) key(name string) string { return s.prefix + name }

// commit applies ops that must succeed.
func (s *suite) commit(ops ...store.Op) store.Revision {
	s.Helper()
	rev, err := s.store.Commit(s.ctx, ops...)
	if err != nil {
		s.Fatalf("committing: %v", err)
	}
	return rev
}

// create writes a new key that must not exist.
func (s *suite) create(name, value string) store.Revision {
	s.Helper()
	return s.commit(store.Create(s.key(name), []byte(value)))
}

// refused is that ops fail with an error that wraps want and names the key.
func (s *suite) refused(want error, name string, ops ...store.Op) {
	s.Helper()
	_, err := s.store.Commit(s.ctx, ops...)
	if !errors.Is(err, want) {
		s.Fatalf("committing: %v, want an error that wraps %q", err, want)
	}
	if got := err.Error(); !strings.Contains(got, s.key(name)) {
		s.Fatalf("error %q does not name %s", got, s.key(name))
	}
}

// want is that a key is there with a value and its revisions.
func (s *suite) want(name, value string, created, modified store.Revision) {
	s.Helper()
	e, err := s.store.Get(s.ctx, s.key(name))
	if err != nil {
		s.Fatalf("getting %s: %v", name, err)
	}
	if got, want := describe(e), describe(store.Entry{Key: s.key(name), Value: []byte(value), Created: created, Modified: modified}); got != want {
		s.Fatalf("got  %s\nwant %s", got, want)
	}
}

func (s *suite) wantAbsent(name string) {
	s.Helper()
	if e, err := s.store.Get(s.ctx, s.key(name)); !errors.Is(err, store.ErrNotFound) {
		s.Fatalf("getting %s: %v, %v; want ErrNotFound", name, describe(e), err)
	}
}

func (s *suite) list(opts store.ListOptions) store.Listing {
	s.Helper()
	l, err := s.store.List(s.ctx, s.prefix, opts)
	if err != nil {
		s.Fatalf("listing: %v", err)
	}
	return l
}

func describe(e store.Entry) string {
	return fmt.Sprintf("%s=%q created %d modified %d", e.Key, e.Value, e.Created, e.Modified)
}
