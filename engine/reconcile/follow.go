package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"minato.dev/minato/engine/store"
)

// listPage is how many records are read at once.
const listPage = 500

var errWatchEnded = errors.New("the watch ended without saying why")

// follower enqueues the key of every record of one source that is there at the start or changes later.
type follower struct {
	store   store.Store
	source  Source
	enqueue func(key string)
	log     *slog.Logger

	known    map[string]bool // store keys, so that a new list shows what was deleted meanwhile
	revision store.Revision
	failures int
}

// run lists, watches, and lists again when the watch has lost its place, until ctx ends.
func (f *follower) run(ctx context.Context) {
	listed := false
	for {
		var err error
		if !listed {
			err = f.list(ctx)
			listed = err == nil
		}
		if listed {
			err = f.watch(ctx)
			listed = !errors.Is(err, store.ErrCompacted)
		}
		if ctx.Err() != nil {
			return
		}
		f.failures++
		wait := retries.Delay(f.failures)
		f.log.WarnContext(ctx, "records cannot be followed", "prefix", f.source.Prefix, "error", err, "retry_in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// list enqueues all records that there are, and those that were there before and are not any more.
func (f *follower) list(ctx context.Context) error {
	found := map[string]bool{}
	opts := store.ListOptions{Limit: listPage}
	for {
		l, err := f.store.List(ctx, f.source.Prefix, opts)
		if err != nil {
			return err
		}
		for _, e := range l.Entries {
			found[e.Key] = true
			opts.After = e.Key
		}
		opts.At = l.Revision
		if !l.More {
			break
		}
	}
	for key := range f.known {
		if !found[key] {
			f.changed(key)
		}
	}
	f.known, f.revision = found, opts.At
	for key := range found {
		f.changed(key)
	}
	return nil
}

// watch enqueues what changes after the revision that has been seen. It returns with what ended the watch.
func (f *follower) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for batch := range f.store.Watch(ctx, f.source.Prefix, f.revision) {
		if batch.Err != nil {
			return batch.Err
		}
		f.failures = 0
		for _, e := range batch.Events {
			if e.Deleted {
				delete(f.known, e.Key)
			} else {
				f.known[e.Key] = true
			}
			f.changed(e.Key)
		}
		f.revision = batch.Revision
	}
	return errWatchEnded
}

func (f *follower) changed(storeKey string) {
	key := strings.TrimPrefix(storeKey, f.source.Prefix)
	if f.source.Key != nil {
		key = f.source.Key(key)
	}
	if key != "" {
		f.enqueue(key)
	}
}
