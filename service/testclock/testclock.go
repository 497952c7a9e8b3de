// Package testclock keeps how far a server's clock has been moved as a record, so that all processes of a home tell the same
// time: `minato hook` decides by it when credentials expire, as `minato up` does. Without --test-clock it is zero.
package testclock

import (
	"context"
	"errors"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/clock"
)

// Prefix is where the record lies.
const Prefix = "/minato/clock/"

// id is that of the one record.
const id = "offset"

// Setting is where the clock stands.
type Setting struct {
	Offset time.Duration `json:"offset"` // ahead of the machine's clock
}

// Limit is how far a clock may be ahead: far beyond every date that a rule goes by, and within what JSON times can say.
const Limit = 100 * 365 * 24 * time.Hour

func records(s store.Store) *store.Collection[Setting] {
	return store.NewCollection[Setting](s, Prefix)
}

// Set writes the offset, unless it is what the record says, and returns the revision that followers must have seen.
func Set(ctx context.Context, s store.Store, offset time.Duration) (store.Revision, error) {
	if offset > Limit {
		return 0, minato.Errorf(minato.Invalid, "the clock can be moved to %d years from now at most", int(Limit/(365*24*time.Hour)))
	}
	item, err := records(s).Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		item, err = records(s).Create(ctx, id, Setting{offset})
	case err == nil && item.Value.Offset != offset:
		item.Value.Offset = offset
		item, err = records(s).Put(ctx, item)
	}
	if err != nil {
		return 0, minato.Errorf(minato.Internal, "writing the clock's offset: %w", err)
	}
	return item.Revision, nil
}

// Follow makes a view that moves c as the record says. The caller runs it.
func Follow(s store.Store, c *clock.Clock) *store.View[Setting] {
	view := store.NewView(records(s))
	view.Subscribe(func(changed string) {
		if item, ok := view.Get(changed); ok {
			c.SetOffset(item.Value.Offset)
		}
	})
	return view
}
