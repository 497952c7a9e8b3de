package insights

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

const (
	readPace   = 250 * time.Millisecond // between two looks at an audit log
	flushPace  = 5 * time.Second        // between two writes of what was counted
	reviewPace = 10 * time.Second       // between two looks at counts that went up
)

// cursor is the record of how far an audit log has been counted.
type cursor struct {
	Position position    `json:"position"`
	At       time.Time   `json:"at,omitzero"` // of the newest event, by the machine's clock
	Garbage  int64       `json:"garbage,omitempty"`
	Lost     int64       `json:"lost,omitempty"`
	Gaps     []gap       `json:"gaps,omitempty"`
	Errors   auditErrors `json:"errors,omitzero"`
}

func usageRecords(s store.Store) *store.Collection[usageRecord] {
	return store.NewCollection[usageRecord](s, eks.APIUsagePrefix)
}

func cursors(s store.Store) *store.Collection[cursor] {
	return store.NewCollection[cursor](s, eks.APIUsagePrefix)
}

func usageOf(clusterID string) string { return store.ID(clusterID, "api") + "/" }

func usageID(clusterID string, k apiKey) string {
	return store.ID(clusterID, "api", k.Group, k.Version, k.Resource)
}

func cursorID(clusterID string) string { return store.ID(clusterID, "cursor") }

// ingest counts the audit log of one cluster. Only its own goroutine, in run, writes to usage.
type ingest struct {
	deps       Deps
	clusterKey string // of the cluster's record
	clusterID  string
	usage      *usage
	tail       *tail
	saved      map[apiKey]bool // those that have a record
	hasCursor  bool
	written    cursor
	changed    func()        // calls were counted that an insight should tell of
	caughtUp   chan struct{} // is closed when the log that there was in the beginning has been counted
}

// load reads what was counted before.
func (i *ingest) load(ctx context.Context) error {
	page, err := usageRecords(i.deps.Store).List(ctx, usageOf(i.clusterID), "", 0)
	if err != nil {
		return err
	}
	for _, corrupt := range page.Corrupt { // is counted anew
		if err := i.drop(ctx, corrupt); err != nil {
			return err
		}
	}
	i.usage.mu.Lock()
	defer i.usage.mu.Unlock()
	for _, item := range page.Items {
		i.usage.apis[item.Value.API] = item.Value.usage()
		i.saved[item.Value.API] = true
	}
	item, err := cursors(i.deps.Store).Get(ctx, cursorID(i.clusterID))
	corrupt, is := errors.AsType[*store.CorruptError](err)
	switch {
	case err == nil:
		i.hasCursor, i.written = true, item.Value
		i.usage.garbage, i.usage.lost, i.usage.gaps, i.usage.errors = item.Value.Garbage, item.Value.Lost, item.Value.Gaps, item.Value.Errors
	case is: // the log is counted from its beginning: some of it twice
		if err := i.drop(ctx, corrupt); err != nil {
			return err
		}
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	i.tail = newTail(i.deps.AuditLog(i.clusterID), i.written.Position)
	i.tail.at = i.written.At
	return nil
}

// drop removes a record that cannot be read, so that another can be written in its place.
func (i *ingest) drop(ctx context.Context, corrupt *store.CorruptError) error {
	i.deps.Log.ErrorContext(ctx, "a record is corrupt", "key", corrupt.Key, "error", corrupt.Err)
	_, err := i.deps.Store.Commit(ctx, store.Delete(corrupt.Key, store.AnyRevision))
	return err
}

// run counts until ctx ends. What was counted and not written then is counted again from the log.
func (i *ingest) run(ctx context.Context) {
	tick := time.NewTicker(readPace)
	defer tick.Stop()
	var flushed, reviewed time.Time
	var counted bool
	var trouble string
	caughtUp := sync.OnceFunc(func() { close(i.caughtUp) })
	defer caughtUp()
	var asking sync.WaitGroup
	defer asking.Wait()
	asking.Go(func() { i.watchErrors(ctx) })
	for {
		news, any, err := i.read(ctx)
		caughtUp()
		counted = counted || any
		if now := time.Now(); news || counted && now.Sub(reviewed) > reviewPace {
			reviewed, counted = now, false
			i.changed()
		}
		if err == nil && time.Since(flushed) > flushPace {
			flushed = time.Now()
			err = i.flush(ctx)
		}
		if err != nil && ctx.Err() == nil && err.Error() != trouble {
			trouble = err.Error()
			i.deps.Log.WarnContext(ctx, "the audit log cannot be counted", "cluster", i.clusterID, "error", err)
		} else if err == nil {
			trouble = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// read counts what is new in the log. news is whether there are clients that were not known or that had been quiet, or calls that are
// missing.
func (i *ingest) read(ctx context.Context) (news, counted bool, err error) {
	var missing *gap
	ends := func(at time.Time) {
		missing.To = at
		i.usage.missing(*missing)
		missing, news = nil, true
	}
	begins := func(why string) {
		if missing == nil {
			missing = &gap{From: i.showed(i.tail.at), Why: why}
		}
	}
	err = i.tail.next(ctx, func(line []byte) {
		c, counts, err := parseLine(line)
		if err != nil {
			i.usage.garbage++
			begins(garbageLog)
			return
		}
		if missing != nil {
			if at := eventTime(line); !at.IsZero() {
				ends(i.showed(at))
			}
		}
		if counts {
			c.at = i.showed(c.at)
			counted = true
			news = i.usage.add(c) || news
		}
	}, func() {
		i.usage.lost++
		begins(lostLog)
		i.deps.Log.WarnContext(ctx, "a part of an audit log was gone before it was counted", "cluster", i.clusterID)
	})
	if missing != nil {
		ends(i.deps.Clock.Now().UTC())
	}
	return news, counted, err
}

// showed is what Minato's clock showed at a moment of the log. A moment ahead of it is now, or the days until then would count for nothing.
func (i *ingest) showed(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	at = i.deps.Clock.Showed(at).UTC()
	if now := i.deps.Clock.Now().UTC(); at.After(now) {
		return now
	}
	return at
}

// Bounds of one commit: etcd takes 128 operations and 1.5 MiB.
const (
	maxFlushOps   = 64
	maxFlushBytes = 1 << 20
)

// cursor is the record of how far the log has been counted now.
func (i *ingest) cursor() cursor {
	i.usage.mu.Lock()
	defer i.usage.mu.Unlock()
	c := cursor{Position: i.tail.pos, At: i.tail.at.UTC(), Garbage: i.usage.garbage, Lost: i.usage.lost, Gaps: i.usage.gaps, Errors: i.usage.errors}
	if c.Errors.Count == i.written.Errors.Count && c.Errors.Began == i.written.Errors.Began { // that it was looked at is not worth a write
		c.Errors.At = i.written.Errors.At
	}
	return c
}

// flush writes what was counted, together with how far. Only if it is too much for one commit, a crash between two of them has a part
// counted twice.
func (i *ingest) flush(ctx context.Context) error {
	next := i.cursor()
	if i.hasCursor && reflect.DeepEqual(next, i.written) {
		return nil
	}
	cluster, err := eks.Clusters(i.deps.Store).Get(ctx, i.clusterKey)
	if err != nil || cluster.Value.ID != i.clusterID || cluster.Value.Status.Status == eks.ClusterDeleting {
		return ignoreGone(err)
	}
	// Nothing is written for a cluster that begins to be deleted meanwhile.
	guard := store.Check(eks.Clusters(i.deps.Store).Key(cluster.ID), cluster.Revision)
	ops, size := []store.Op{guard}, 0
	var keys []apiKey
	commit := func() error {
		if _, err := i.deps.Store.Commit(ctx, ops...); err != nil {
			return i.resume(ctx, err)
		}
		for _, k := range keys {
			i.flushed(k)
		}
		ops, size, keys = []store.Op{guard}, 0, nil
		return nil
	}
	i.usage.mu.Lock()
	defer i.usage.mu.Unlock()
	for key, api := range i.usage.apis {
		if len(api.agents) == 0 && !i.saved[key] {
			delete(i.usage.apis, key)
		}
		if !api.dirty || i.usage.apis[key] == nil {
			continue
		}
		op := i.usageOp(key, api)
		if len(ops) >= maxFlushOps || size+len(op.Value) > maxFlushBytes {
			if err := commit(); err != nil {
				return ignoreConflict(err)
			}
		}
		ops, size, keys = append(ops, op), size+len(op.Value), append(keys, key)
	}
	ops = append(ops, put(cursors(i.deps.Store), cursorID(i.clusterID), next, i.hasCursor))
	if err := commit(); err != nil {
		return ignoreConflict(err)
	}
	i.hasCursor, i.written = true, next
	return nil
}

// flushed notes that what there is of an API is in its record.
func (i *ingest) flushed(key apiKey) {
	api := i.usage.apis[key]
	i.saved[key], api.dirty = true, false
	if len(api.agents) == 0 { // there is no record
		delete(i.saved, key)
		delete(i.usage.apis, key)
	}
}

// resume notes which records there are after a commit that found others: an earlier one was written although its answer was an error.
func (i *ingest) resume(ctx context.Context, failed error) error {
	if !errors.Is(failed, store.ErrExists) && !errors.Is(failed, store.ErrNotFound) {
		return failed
	}
	page, err := usageRecords(i.deps.Store).List(ctx, usageOf(i.clusterID), "", 0)
	if err != nil {
		return errors.Join(failed, err)
	}
	clear(i.saved)
	for _, item := range page.Items {
		i.saved[item.Value.API] = true
	}
	if _, err := cursors(i.deps.Store).Get(ctx, cursorID(i.clusterID)); err == nil {
		i.hasCursor = true
	}
	return failed
}

// usageOp writes the record of an API, or removes that of one that nobody calls any more.
func (i *ingest) usageOp(key apiKey, api *apiUsage) store.Op {
	if len(api.agents) == 0 && i.saved[key] {
		return store.Delete(usageRecords(i.deps.Store).Key(usageID(i.clusterID, key)), store.AnyRevision)
	}
	return put(usageRecords(i.deps.Store), usageID(i.clusterID, key), api.record(key), i.saved[key])
}

// put writes a record that nobody else writes.
func put[T any](c *store.Collection[T], id string, v T, exists bool) store.Op {
	if exists {
		return c.UpdateOp(store.Item[T]{ID: id, Value: v, Revision: store.AnyRevision})
	}
	return c.CreateOp(id, v)
}

// ignoreGone takes a cluster that is gone for nothing to do.
func ignoreGone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// ignoreConflict takes a cluster that has changed meanwhile for another try, at the next flush.
func ignoreConflict(err error) error {
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("writing what was counted: %w", err)
}
