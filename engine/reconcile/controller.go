package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/backoff"
)

// retries is how long a key that failed waits for its next try.
var retries = backoff.Policy{Min: 100 * time.Millisecond, Max: time.Minute}

const (
	// patience is how long a key that failed is held back even when its record changes, unless its next try comes earlier: the
	// change may be the failure itself, noted in the record, and must not drive the next failure.
	patience = time.Second
	// drainTime is what work under way has to come to an end by itself when Run's context ends.
	drainTime = 2 * time.Second
)

// Result is what a reconcile that had no error says.
type Result struct {
	// RequeueAfter is when to look at the key again even if nothing changes; zero is not at all.
	RequeueAfter time.Duration
}

// Source is records that a Controller watches.
type Source struct {
	// Prefix is where they lie in the store.
	Prefix string
	// Key is the key to reconcile when the record with this id (its store key without Prefix) has changed; empty is none. Nil
	// stands for the id itself.
	Key func(id string) string
}

// Controller calls Reconcile with the keys of records that have changed. Its fields are set before Run and not changed after;
// a Controller is run once.
type Controller struct {
	Name    string
	Store   store.Store
	Sources []Source
	// Reconcile makes the record with this key true, or finds it gone. An error is logged when it is another one than the last
	// time, and the key is tried again, the first time after 100 ms, at most every minute; see also Terminal. A panic is
	// an error. When the controller stops it has two seconds to end, then ctx is cancelled.
	Reconcile func(ctx context.Context, key string) (Result, error)
	Workers   int // keys worked on at once; zero is one
	Log       *slog.Logger

	makeQueue sync.Once
	queue     *queue
}

func (c *Controller) keys() *queue {
	c.makeQueue.Do(func() { c.queue = newQueue() })
	return c.queue
}

// Enqueue asks for a look at a key because of something outside the store, such as the end of a process. It may be called at
// any time, before Run too, and never blocks.
func (c *Controller) Enqueue(key string) { c.keys().add(key) }

// Run works until ctx ends, then lets work under way end. Trouble with the store is logged and waited out; the error is nil.
func (c *Controller) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		drained := time.AfterFunc(drainTime, cancel)
		<-work.Done()
		drained.Stop()
	})()

	keys := c.keys()
	defer keys.stop()
	var running sync.WaitGroup
	for _, src := range c.Sources {
		f := follower{store: c.Store, source: src, enqueue: c.Enqueue, log: c.log()}
		running.Go(func() { f.run(ctx) })
	}
	for range max(1, c.Workers) {
		running.Go(func() {
			for {
				key, ok := keys.next(ctx)
				if !ok {
					return
				}
				c.process(work, key)
			}
		})
	}
	running.Wait()
	return nil
}

func (c *Controller) log() *slog.Logger { return c.Log.With("controller", c.Name) }

// process works on one key.
func (c *Controller) process(ctx context.Context, key string) {
	res, err := c.reconcile(ctx, key)
	_, final := errors.AsType[*terminalError](err)
	in, failures, news := c.keys().done(key, outcome{err, res.RequeueAfter, final})
	if err == nil || ctx.Err() != nil {
		return
	}
	level := slog.LevelDebug
	if news {
		level = slog.LevelWarn
	}
	attrs := []any{"key", key, "error", err, "failures", failures}
	if final {
		c.log().Log(ctx, level, "reconcile failed, and is not tried again until something changes", attrs...)
	} else {
		c.log().Log(ctx, level, "reconcile failed", append(attrs, "retry_in", in)...)
	}
}

// reconcile is Reconcile with panics caught: one bad record must not stop the work on the others.
func (c *Controller) reconcile(ctx context.Context, key string) (res Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			c.log().ErrorContext(ctx, "reconcile panicked", "key", key, "panic", v, "stack", string(debug.Stack()))
			res, err = Result{}, fmt.Errorf("panic: %v", v)
		}
	}()
	return c.Reconcile(ctx, key)
}

// terminalError is an error that another try will not mend.
type terminalError struct{ err error }

func (e *terminalError) Error() string { return e.err.Error() }
func (e *terminalError) Unwrap() error { return e.err }

// Terminal marks an error of Reconcile as one that another try will not mend: the key rests until its record changes or it is
// enqueued. Terminal(nil) is nil.
func Terminal(err error) error {
	if err == nil {
		return nil
	}
	return &terminalError{err}
}
