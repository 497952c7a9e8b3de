// Package memstore is a store.Store in memory: a working fake of etcdstore for tests, with revisions, history, compaction
// and watches that behave like etcd's. It uses no clock and no I/O, so it works inside testing/synctest; there, make it
// inside the bubble that uses it.
package memstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"minato.dev/minato/engine/store"
)

// historyLimit is how many revisions are kept before the oldest are compacted away.
const historyLimit = 10_000

// Store keeps everything in memory. Make it with New.
type Store struct {
	mu        sync.Mutex
	revision  store.Revision
	compacted store.Revision // history up to here, included, is gone
	entries   map[string]store.Entry
	history   []change
	moved     chan struct{} // closed at the next commit or compaction
}

var _ store.Store = (*Store)(nil)

// change is what one op of a commit did to a key.
type change struct {
	store.Event
	before  store.Entry
	existed bool
}

// New makes an empty store.
func New() *Store {
	return &Store{entries: map[string]store.Entry{}, moved: make(chan struct{})}
}

// Get reads one key.
func (s *Store) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := ctx.Err(); err != nil {
		return store.Entry{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[key]
	if !ok {
		return store.Entry{}, fmt.Errorf("%s: %w", key, store.ErrNotFound)
	}
	return clone(e), nil
}

// List reads keys with a prefix.
func (s *Store) List(ctx context.Context, prefix string, opts store.ListOptions) (store.Listing, error) {
	if err := ctx.Err(); err != nil {
		return store.Listing{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := store.Listing{Revision: s.revision}
	if opts.At != 0 {
		l.Revision = opts.At
	}
	entries, err := s.at(l.Revision)
	if err != nil {
		return store.Listing{}, err
	}
	for key, e := range entries {
		if strings.HasPrefix(key, prefix) && key > opts.After {
			l.Entries = append(l.Entries, clone(e))
		}
	}
	slices.SortFunc(l.Entries, func(a, b store.Entry) int { return strings.Compare(a.Key, b.Key) })
	if opts.Limit > 0 && len(l.Entries) > opts.Limit {
		l.Entries, l.More = l.Entries[:opts.Limit], true
	}
	return l, nil
}

// at is the entries as they were at a revision: those of now with the changes after it undone.
func (s *Store) at(rev store.Revision) (map[string]store.Entry, error) {
	switch {
	case rev == s.revision:
		return s.entries, nil
	case rev > s.revision:
		return nil, fmt.Errorf("revision %d is in the future, the store is at %d", rev, s.revision)
	case rev < s.compacted:
		return nil, fmt.Errorf("revision %d: %w up to %d", rev, store.ErrCompacted, s.compacted)
	}
	entries := make(map[string]store.Entry, len(s.entries))
	for k, e := range s.entries {
		entries[k] = e
	}
	for _, c := range slices.Backward(s.history) {
		if c.Modified <= rev {
			break
		}
		if c.existed {
			entries[c.Key] = c.before
		} else {
			delete(entries, c.Key)
		}
	}
	return entries, nil
}

// Commit applies all ops or none.
func (s *Store) Commit(ctx context.Context, ops ...store.Op) (store.Revision, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := store.CheckOps(ops); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range ops {
		if err := s.check(op); err != nil {
			return 0, err
		}
	}
	next := s.revision + 1
	for _, op := range ops {
		s.apply(op, next)
	}
	if len(s.history) > 0 && s.history[len(s.history)-1].Modified == next {
		s.revision = next
		s.forget(next - historyLimit)
		s.wake()
	}
	return s.revision, nil
}

func (s *Store) check(op store.Op) error {
	e, exists := s.entries[op.Key]
	return op.Violation(e.Modified, exists)
}

func (s *Store) apply(op store.Op, rev store.Revision) {
	before, existed := s.entries[op.Key]
	c := change{before: before, existed: existed}
	c.Key, c.Modified = op.Key, rev
	switch op.Verb {
	case store.VerbCheck, store.VerbAbsent:
		return
	case store.VerbDelete:
		c.Deleted = true
		delete(s.entries, op.Key)
	default:
		c.Value, c.Created = bytes.Clone(op.Value), rev
		if existed {
			c.Created = before.Created
		}
		s.entries[op.Key] = c.Entry
	}
	s.history = append(s.history, c)
}

// Compact forgets the history up to a revision: it can be listed at and watched after, nothing before it can.
func (s *Store) Compact(_ context.Context, rev store.Revision) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rev > s.revision {
		return fmt.Errorf("compacting up to %d, the store is at %d", rev, s.revision)
	}
	s.forget(rev)
	s.wake()
	return nil
}

func (s *Store) forget(rev store.Revision) {
	if rev <= s.compacted {
		return
	}
	s.compacted = rev
	s.history = s.history[s.after(rev):]
}

// after is where in the history the changes after a revision begin.
func (s *Store) after(rev store.Revision) int {
	return sort.Search(len(s.history), func(i int) bool { return s.history[i].Modified > rev })
}

func (s *Store) wake() {
	close(s.moved)
	s.moved = make(chan struct{})
}

func clone(e store.Entry) store.Entry {
	e.Value = bytes.Clone(e.Value)
	return e
}
