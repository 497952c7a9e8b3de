package eks

import (
	"context"
	"time"

	"minato.dev/minato/engine/store"
)

// await holds an item back, for a client that waits, until it is not transient any more or gone, for as long as hold at most. The
// error is store.ErrNotFound if it is gone, or that of reading it.
func await[T any](ctx context.Context, records *store.Collection[T], item store.Item[T], hold time.Duration, transient func(*T) bool) (store.Item[T], error) {
	if !transient(&item.Value) {
		return item, nil
	}
	ctx, cancel := context.WithTimeout(ctx, hold)
	defer cancel()
	key := records.Key(item.ID)
	for batch := range records.Store().Watch(ctx, key, item.Revision) {
		if batch.Err != nil {
			break
		}
		for _, e := range batch.Events {
			if e.Key != key { // "prod-2", while we wait for "prod"
				continue
			}
			if e.Deleted {
				return item, store.ErrNotFound
			}
			var err error
			if item, err = records.Decode(e.Entry); err != nil {
				return item, err
			}
		}
		if !transient(&item.Value) {
			break
		}
	}
	return item, nil
}
