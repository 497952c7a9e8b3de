package store

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

// Prompter is a Store whose watches tell of revisions that changed nothing under their prefix only when asked.
type Prompter interface {
	// RequestProgress asks every watch of this Store for an empty Batch that says how far it has seen. A watch that is
	// behind may give none: ask again.
	RequestProgress(ctx context.Context) error
}

// progressPeriod is the time between requests for progress while somebody waits for a revision.
const progressPeriod = 100 * time.Millisecond

// View is a copy of a Collection in memory, kept true by list and watch, for readers that must answer at once and also
// while the store is away. Records that cannot be read are left out of it, counted, and logged once.
//
// Values are shared with every reader: treat them as read-only.
type View[T any] struct {
	collection *Collection[T]
	ready      chan struct{}

	mu       sync.RWMutex
	records  records[T]
	revision Revision
	moved    chan struct{} // closed when revision moves

	telling     sync.Mutex // held while subscribers are told
	subscribers []func(id string)
}

// records are a collection's, by id: those that could be read, and the revisions of those that could not.
type records[T any] struct {
	items   map[string]Item[T]
	corrupt map[string]Revision
}

func newRecords[T any]() records[T] {
	return records[T]{items: map[string]Item[T]{}, corrupt: map[string]Revision{}}
}

func (r records[T]) remove(id string) {
	delete(r.items, id)
	delete(r.corrupt, id)
}

// NewView makes the View of a collection. It is empty until Run has read the first list.
func NewView[T any](c *Collection[T]) *View[T] {
	return &View[T]{collection: c, ready: make(chan struct{}), records: newRecords[T](), moved: make(chan struct{})}
}

// Ready is closed once the first list is in the View and the subscribers have been told of it.
func (v *View[T]) Ready() <-chan struct{} { return v.ready }

// Get is a record of the View.
func (v *View[T]) Get(id string) (Item[T], bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	item, ok := v.records.items[id]
	return item, ok
}

// All is every record of the View as it was when the iteration began, in id order.
func (v *View[T]) All() iter.Seq[Item[T]] {
	return func(yield func(Item[T]) bool) {
		v.mu.RLock()
		items := slices.Collect(maps.Values(v.records.items))
		v.mu.RUnlock()
		slices.SortFunc(items, func(a, b Item[T]) int { return cmp.Compare(a.ID, b.ID) })
		for _, item := range items {
			if !yield(item) {
				return
			}
		}
	}
}

// Corrupt is how many records of the collection cannot be read.
func (v *View[T]) Corrupt() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.records.corrupt)
}

// Revision is how much of the store's writes the View and its subscribers have seen.
func (v *View[T]) Revision() Revision {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.revision
}

// WaitFor waits until the View and its subscribers have seen a revision. The error wraps that of ctx.
func (v *View[T]) WaitFor(ctx context.Context, rev Revision) error {
	prompter, _ := v.collection.store.(Prompter)
	ask := time.NewTimer(0) // at once: what was written is most often under another prefix, so nothing else will come
	defer ask.Stop()
	for {
		v.mu.RLock()
		seen, moved := v.revision, v.moved
		v.mu.RUnlock()
		if seen >= rev {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("waiting for revision %d of %s, seen %d: %w", rev, v.collection.prefix, seen, ctx.Err())
		case <-ask.C:
			ask.Reset(progressPeriod)
			if prompter != nil {
				// A request that fails shows as a revision that does not come, and is made again.
				_ = prompter.RequestProgress(ctx)
			}
		}
	}
}

// Subscribe has fn called for every record now in the View, and from then on for every id that changed, appeared or went
// away, after Get shows it and before Revision does. Calls come one at a time; fn must not block nor call Subscribe.
func (v *View[T]) Subscribe(fn func(id string)) {
	v.telling.Lock()
	defer v.telling.Unlock()
	v.subscribers = append(v.subscribers, fn)
	for item := range v.All() {
		fn(item.ID)
	}
}

// advance tells the subscribers, then the waiters.
func (v *View[T]) advance(ids []string, rev Revision) {
	v.telling.Lock()
	defer v.telling.Unlock()
	for _, id := range ids {
		for _, fn := range v.subscribers {
			fn(id)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.revision = rev
	close(v.moved)
	v.moved = make(chan struct{})
}
