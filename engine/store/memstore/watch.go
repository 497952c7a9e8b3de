package memstore

import (
	"context"
	"fmt"
	"strings"

	"minato.dev/minato/engine/store"
)

// Watch delivers every change under prefix after rev. Unlike etcd's, it also tells of every revision that changed nothing
// under the prefix, with an empty batch.
func (s *Store) Watch(ctx context.Context, prefix string, rev store.Revision) <-chan store.Batch {
	out := make(chan store.Batch)
	go func() {
		defer close(out)
		for seen := rev; ctx.Err() == nil; {
			batch, moved := s.since(prefix, seen)
			if batch.Revision > seen || batch.Err != nil {
				select {
				case out <- batch:
				case <-ctx.Done():
					return
				}
				if batch.Err != nil {
					return
				}
				seen = batch.Revision
				continue
			}
			select {
			case <-moved:
			case <-ctx.Done():
			}
		}
	}()
	return out
}

// since is all that changed under prefix after a revision, and a channel that is closed when there may be more.
func (s *Store) since(prefix string, rev store.Revision) (store.Batch, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rev < s.compacted {
		return store.Batch{Err: fmt.Errorf("watching after revision %d: %w up to %d", rev, store.ErrCompacted, s.compacted)}, nil
	}
	batch := store.Batch{Revision: s.revision}
	for _, c := range s.history[s.after(rev):] {
		if strings.HasPrefix(c.Key, prefix) {
			batch.Events = append(batch.Events, store.Event{Entry: clone(c.Entry), Deleted: c.Deleted})
		}
	}
	return batch, s.moved
}
