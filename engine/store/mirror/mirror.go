// Package mirror is a store.Store that answers for some prefixes from memory, for a process that reads the same few records with
// every request. What this process has written through it, it shows at once; what others have written, within staleAfter.
//
// It is a copy that follows the store by a watch, and takes a shortcut for its own commits: when the store has acknowledged one, the
// copy shows it before Commit returns. See docs/adr/0022-records-in-memory.md for why no read is older than that.
package mirror

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"minato.dev/minato/engine/store"
)

const (
	// staleAfter is how long the copy is believed after the watch last said that it has seen everything. Past it, reads go to the store.
	staleAfter = 3 * time.Second
	// askAfter is when the watch is asked again whether it has seen everything, if anybody reads.
	askAfter = time.Second
)

// Store is a store.Store with a copy of some of its records. Make it with New, and run Run: until then, and whenever the copy cannot
// be believed, it only passes on.
type Store struct {
	origin   store.Store
	prompter store.Prompter // nil for a store whose watches always tell
	root     string
	prefixes []string
	ask      chan struct{}

	mu      sync.RWMutex
	ready   bool           // there is a copy
	seen    store.Revision // the watch has delivered all up to here
	heard   time.Time      // when it last said so
	entries map[string]known
	gone    map[string]store.Revision // keys of entries that are deleted: since when
	doubts  map[string]int            // keys that somebody else may have written, by the number of the doubt
	doubted int
}

// known is a key as it is at a revision, and as far as we know since. Entry is zero when there is no such key.
type known struct {
	store.Entry
	at store.Revision
}

var (
	_ store.Store    = (*Store)(nil)
	_ store.Prompter = (*Store)(nil)
)

// New makes a mirror of what lies under the prefixes, all of them under root, which is watched as a whole: so the copy moves with every
// commit as one.
func New(origin store.Store, root string, prefixes ...string) *Store {
	for _, prefix := range prefixes {
		if !strings.HasPrefix(prefix, root) {
			panic(fmt.Sprintf("mirror: %s is not under %s", prefix, root))
		}
	}
	m := &Store{origin: origin, root: root, prefixes: prefixes, ask: make(chan struct{}, 1)}
	m.prompter, _ = origin.(store.Prompter)
	m.clear()
	return m
}

func (m *Store) clear() {
	m.entries, m.gone, m.doubts = map[string]known{}, map[string]store.Revision{}, map[string]int{}
}

// Get reads one key, from memory where it can.
func (m *Store) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := ctx.Err(); err != nil || !m.covers(key) {
		return m.origin.Get(ctx, key)
	}
	k, doubt, ok := m.lookup(key)
	switch {
	case !ok && doubt == 0:
		return m.origin.Get(ctx, key)
	case !ok:
		return m.resolve(ctx, key, doubt)
	case k.Key == "":
		return store.Entry{}, fmt.Errorf("%s: %w", key, store.ErrNotFound)
	}
	k.Value = bytes.Clone(k.Value)
	return k.Entry, nil
}

// lookup is what the copy knows of a key. If it is not ok the store must be asked, and doubt is why if it is not zero.
func (m *Store) lookup(key string) (k known, doubt int, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if !m.ready || !m.believed() {
		return k, 0, false
	}
	if doubt = m.doubts[key]; doubt != 0 {
		return k, doubt, false
	}
	return m.entries[key], 0, true
}

// believed is whether the watch is alive as far as we know, and asks it now and then.
func (m *Store) believed() bool {
	if m.prompter == nil {
		return true
	}
	silent := time.Since(m.heard)
	if silent > askAfter {
		select {
		case m.ask <- struct{}{}:
		default:
		}
	}
	return silent <= staleAfter
}

// resolve reads from the store a key that somebody else may have written, and ends the doubt.
func (m *Store) resolve(ctx context.Context, key string, doubt int) (store.Entry, error) {
	// Of all keys with this prefix the key itself comes first; a list tells its revision also when there is none.
	l, err := m.origin.List(ctx, key, store.ListOptions{Limit: 1})
	if err != nil {
		return store.Entry{}, err
	}
	k := known{at: l.Revision}
	if len(l.Entries) > 0 && l.Entries[0].Key == key {
		k.Entry = l.Entries[0]
	}
	m.mu.Lock()
	m.learn(key, k)
	if m.doubts[key] == doubt {
		delete(m.doubts, key)
	}
	m.mu.Unlock()
	if k.Key == "" {
		return store.Entry{}, fmt.Errorf("%s: %w", key, store.ErrNotFound)
	}
	k.Value = bytes.Clone(k.Value)
	return k.Entry, nil
}

// List reads keys with a prefix, from the store itself.
func (m *Store) List(ctx context.Context, prefix string, opts store.ListOptions) (store.Listing, error) {
	return m.origin.List(ctx, prefix, opts)
}

// Watch is the store's.
func (m *Store) Watch(ctx context.Context, prefix string, rev store.Revision) <-chan store.Batch {
	return m.origin.Watch(ctx, prefix, rev)
}

// RequestProgress asks the store's watches.
func (m *Store) RequestProgress(ctx context.Context) error {
	if m.prompter == nil {
		return nil
	}
	return m.prompter.RequestProgress(ctx)
}

// Commit applies all ops or none. Whoever reads after it has returned sees them.
func (m *Store) Commit(ctx context.Context, ops ...store.Op) (store.Revision, error) {
	rev, err := m.origin.Commit(ctx, ops...)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, op := range ops {
		if !m.covers(op.Key) {
			continue
		}
		if err != nil || !m.written(op, rev) {
			// Somebody else has written to one of the keys, or the store has not said whether it has written to all.
			m.doubted++
			m.doubts[op.Key] = m.doubted
		}
	}
	return rev, err
}

func (m *Store) covers(key string) bool {
	for _, prefix := range m.prefixes {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// written takes an op of a commit of our own into the copy. It is not ok if the op does not say all of what is known now.
func (m *Store) written(op store.Op, rev store.Revision) (ok bool) {
	k := known{at: rev}
	switch op.Verb {
	case store.VerbCheck: // which held: what is known must not be older
		return op.If == store.AnyRevision || m.entries[op.Key].Modified == op.If
	case store.VerbAbsent:
		return m.entries[op.Key].Key == ""
	case store.VerbCreate:
		k.Entry = store.Entry{Key: op.Key, Value: bytes.Clone(op.Value), Created: rev, Modified: rev}
	case store.VerbUpdate:
		before := m.entries[op.Key]
		if before.at < rev && (before.Modified != op.If || before.Key == "") {
			return false // when it was created is not known
		}
		k.Entry = store.Entry{Key: op.Key, Value: bytes.Clone(op.Value), Created: before.Created, Modified: rev}
	}
	m.learn(op.Key, k)
	return true
}

// learn takes in what is known of a key, unless the copy is newer.
func (m *Store) learn(key string, k known) {
	if k.at <= m.seen || k.at <= m.entries[key].at || k.at <= m.gone[key] {
		return
	}
	m.set(key, k)
}

func (m *Store) set(key string, k known) {
	if k.Key == "" {
		delete(m.entries, key)
		m.gone[key] = k.at
		return
	}
	delete(m.gone, key)
	m.entries[key] = k
}
