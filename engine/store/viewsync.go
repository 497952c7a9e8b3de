package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	viewPage  = 500         // records in one page of a View's list
	viewRetry = time.Second // between attempts when the store is away
)

// Run keeps the View until ctx ends, and then returns nil. It never gives up on a store that is away. Call it once.
func (v *View[T]) Run(ctx context.Context) error {
	trouble := ""
	for ctx.Err() == nil {
		err := v.list(ctx)
		if err == nil {
			trouble = ""
			err = v.watch(ctx)
		}
		if ctx.Err() != nil || errors.Is(err, ErrCompacted) {
			continue // the end, or the list again at once
		}
		if err.Error() != trouble {
			trouble = err.Error()
			slog.WarnContext(ctx, "view of records is not kept up to date; trying again",
				"prefix", v.collection.prefix, "revision", v.Revision(), "error", err, "cause", errors.Unwrap(err))
		}
		select {
		case <-time.After(viewRetry):
		case <-ctx.Done():
		}
	}
	return nil
}

// list replaces the whole View with the collection as it is now.
func (v *View[T]) list(ctx context.Context) error {
	now := newRecords[T]()
	for opts := (ListOptions{Limit: viewPage}); ; {
		l, err := v.collection.store.List(ctx, v.collection.prefix, opts)
		if err != nil {
			return err
		}
		for _, e := range l.Entries {
			v.read(ctx, now, e)
		}
		if !l.More {
			v.replace(now, l.Revision)
			return nil
		}
		opts.At, opts.After = l.Revision, l.Entries[len(l.Entries)-1].Key
	}
}

// read puts an entry into records. Only Run's goroutine writes v.records, so it may read them here without the lock.
func (v *View[T]) read(ctx context.Context, into records[T], e Entry) {
	item, err := v.collection.decode(e)
	known := v.records.corrupt[item.ID] == e.Modified
	into.remove(item.ID)
	if err == nil {
		into.items[item.ID] = item
		return
	}
	into.corrupt[item.ID] = e.Modified
	if !known {
		slog.ErrorContext(ctx, "a record is corrupt and left out", "key", e.Key, "revision", e.Modified, "error", err)
	}
}

func (v *View[T]) replace(now records[T], rev Revision) {
	v.mu.Lock()
	changed := map[string]bool{}
	for id, item := range now.items {
		if v.records.items[id].Revision != item.Revision {
			changed[id] = true
		}
	}
	for id := range v.records.items {
		if _, kept := now.items[id]; !kept {
			changed[id] = true
		}
	}
	v.records = now
	v.mu.Unlock()
	v.advance(slices.Sorted(maps.Keys(changed)), rev)
	select {
	case <-v.ready:
	default:
		close(v.ready)
	}
}

// watch applies changes until the watch ends.
func (v *View[T]) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for batch := range v.collection.store.Watch(ctx, v.collection.prefix, v.Revision()) {
		if batch.Err != nil {
			return batch.Err
		}
		v.advance(v.apply(ctx, batch.Events), batch.Revision)
	}
	return fmt.Errorf("the watch of %s ended", v.collection.prefix)
}

// apply makes changes visible to Get, all of a batch at once.
func (v *View[T]) apply(ctx context.Context, events []Event) (ids []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range events {
		id := strings.TrimPrefix(e.Key, v.collection.prefix)
		if e.Deleted {
			v.records.remove(id)
		} else {
			v.read(ctx, v.records, e.Entry)
		}
		ids = append(ids, id)
	}
	return ids
}
