package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"minato.dev/minato/engine/store"
)

const (
	page  = 500         // entries in one page of a list
	retry = time.Second // between attempts when the store is away
)

// Run keeps the copy until ctx ends, and then returns nil. It never gives up on a store that is away. Call it once.
func (m *Store) Run(ctx context.Context) error {
	prompted := make(chan struct{})
	go func() {
		defer close(prompted)
		m.prompt(ctx)
	}()
	trouble := ""
	for ctx.Err() == nil {
		err := m.list(ctx)
		if err == nil {
			trouble = ""
			err = m.watch(ctx)
		}
		if ctx.Err() != nil || errors.Is(err, store.ErrCompacted) {
			continue // the end, or the list again at once
		}
		if err.Error() != trouble {
			trouble = err.Error()
			slog.WarnContext(ctx, "the copy of records is not kept up to date, and the store is asked instead; trying again", "root", m.root, "error", err)
		}
		select {
		case <-time.After(retry):
		case <-ctx.Done():
		}
	}
	<-prompted
	return nil
}

// prompt asks the watch how far it has seen when readers want to know.
func (m *Store) prompt(ctx context.Context) {
	for {
		select {
		case <-m.ask:
			// A request that fails shows as a watch that stays silent, and is made again.
			_ = m.RequestProgress(ctx)
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(askAfter / 4):
		case <-ctx.Done():
			return
		}
	}
}

// list replaces the whole copy with the records as they are now.
func (m *Store) list(ctx context.Context) error {
	m.mu.RLock()
	doubts := maps.Clone(m.doubts)
	m.mu.RUnlock()
	var at store.Revision
	now := map[string]known{}
	for _, prefix := range m.prefixes {
		for opts := (store.ListOptions{Limit: page, At: at}); ; {
			l, err := m.origin.List(ctx, prefix, opts)
			if err != nil {
				return err
			}
			at = l.Revision
			for _, e := range l.Entries {
				now[e.Key] = known{e, at}
			}
			if !l.More {
				break
			}
			opts.At, opts.After = at, l.Entries[len(l.Entries)-1].Key
		}
	}
	m.replace(now, at, doubts)
	return nil
}

// replace takes a list for the copy, and keeps what is newer than it. Doubts that are older than it are over.
func (m *Store) replace(now map[string]known, at store.Revision, doubts map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, k := range m.entries {
		if k.at > at {
			now[key] = k
		}
	}
	for key, since := range m.gone {
		if since > at {
			delete(now, key)
		}
	}
	for key, doubt := range doubts {
		if m.doubts[key] == doubt {
			delete(m.doubts, key)
		}
	}
	m.entries, m.ready = now, true
	m.moved(at)
	m.heard = time.Now()
}

// watch applies changes until the watch ends.
func (m *Store) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m.mu.RLock()
	from := m.seen
	m.mu.RUnlock()
	for batch := range m.origin.Watch(ctx, m.root, from) {
		if batch.Err != nil {
			return batch.Err
		}
		m.apply(batch)
	}
	return fmt.Errorf("the watch of %s ended", m.root)
}

func (m *Store) apply(batch store.Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range batch.Events {
		if !m.covers(e.Key) {
			continue
		}
		k := known{e.Entry, e.Modified}
		if e.Deleted {
			k.Entry = store.Entry{}
		}
		m.learn(e.Key, k)
	}
	m.moved(batch.Revision)
	if len(batch.Events) == 0 { // events alone may be old ones, of a watch that is behind
		m.heard = time.Now()
	}
}

// moved is that the watch has seen all up to a revision. Nothing older can come any more that a deleted key would have to be
// remembered for.
func (m *Store) moved(rev store.Revision) {
	m.seen = max(m.seen, rev)
	maps.DeleteFunc(m.gone, func(_ string, since store.Revision) bool { return since <= m.seen })
}
