package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato/engine/etcd/etcderr"
	"minato.dev/minato/engine/store"
)

// watchBackoff is the longest pause before a watch that etcd ended is begun again.
const watchBackoff = time.Second

// Watch delivers every change under prefix after rev. It outlives etcd's restarts and the loss of its leader: the client
// begins again where it was, and so does Watch when etcd ended the watch. It gives up only on compaction, when the identity
// may not read the prefix, and when the client has been closed.
func (s *Store) Watch(ctx context.Context, prefix string, rev store.Revision) <-chan store.Batch {
	out := make(chan store.Batch)
	go func() {
		defer close(out)
		w := watch{client: s.client, prefix: prefix, seen: rev, out: out}
		if err := w.run(ctx); err != nil {
			select {
			case out <- store.Batch{Err: err}:
			case <-ctx.Done():
			}
		}
	}()
	return out
}

// RequestProgress asks etcd to tell every watch how far it has come. The answer may fail to come while watches are behind.
func (s *Store) RequestProgress(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	// The client finds the watches' stream by the context's metadata, so it must be that of run.
	return etcderr.Wrap("asking watches for progress", s.client.RequestProgress(clientv3.WithRequireLeader(ctx)))
}

// watch is one Watch: it delivers all after seen, which moves with what was delivered.
type watch struct {
	client *clientv3.Client
	prefix string
	seen   store.Revision
	out    chan<- store.Batch
}

// run watches again and again until ctx ends (nil) or it cannot go on.
func (w *watch) run(ctx context.Context) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, watchBackoff) {
		before := w.seen
		err := w.once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // an ended context ends the watch, which is no error
		case errors.Is(err, store.ErrCompacted):
			return err
		case etcderr.Permanent(err):
			return etcderr.Wrap("watching "+w.prefix, err)
		case w.client.Ctx().Err() != nil:
			return fmt.Errorf("watching %s: the etcd client has been closed", w.prefix)
		}
		if w.seen > before {
			pause = 50 * time.Millisecond
		}
		select {
		case <-time.After(pause + rand.N(pause)):
		case <-ctx.Done():
			return nil
		}
	}
}

// once watches until etcd or ctx ends it.
func (w *watch) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	from, end := span(w.prefix)
	// Progress notes keep an idle watch's place ahead of the compaction, so that it needs no new list after an outage.
	responses := w.client.Watch(ctx, from, clientv3.WithRange(end), clientv3.WithRev(int64(w.seen)+1), clientv3.WithProgressNotify())
	for resp := range responses {
		if resp.CompactRevision != 0 {
			return fmt.Errorf("watching %s after revision %d: %w up to %d", w.prefix, w.seen, store.ErrCompacted, resp.CompactRevision)
		}
		if err := resp.Err(); err != nil {
			return err
		}
		batch, ok := w.batch(resp)
		if !ok {
			continue
		}
		select {
		case w.out <- batch:
			w.seen = batch.Revision
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// batch makes a Batch of a response; not ok when it tells nothing. That everything has been seen is worth telling again: whoever
// asked learns that the watch is alive.
func (w *watch) batch(resp clientv3.WatchResponse) (store.Batch, bool) {
	var batch store.Batch
	switch {
	case len(resp.Events) > 0:
		// The header's revision may be ahead of the events: a watch that catches up gets them in several responses.
		batch.Revision = store.Revision(resp.Events[len(resp.Events)-1].Kv.ModRevision)
	case resp.IsProgressNotify():
		batch.Revision = store.Revision(resp.Header.Revision)
	}
	for _, e := range resp.Events {
		batch.Events = append(batch.Events, store.Event{Entry: entry(e.Kv), Deleted: e.Type == mvccpb.Event_DELETE})
	}
	return batch, batch.Revision > w.seen || (resp.IsProgressNotify() && batch.Revision == w.seen)
}
