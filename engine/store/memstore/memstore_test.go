package memstore_test

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/engine/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Store { return memstore.New() })
}

// TestHistoryIsBounded writes more than the store remembers: a watch that is too far behind must list again.
func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	first, err := s.Commit(t.Context(), store.Create("/n", nil))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 11_000 {
		if _, err := s.Commit(t.Context(), store.Update("/n", []byte(strconv.Itoa(i)), store.AnyRevision)); err != nil {
			t.Fatal(err)
		}
	}
	if batch := <-s.Watch(t.Context(), "/", first); !errors.Is(batch.Err, store.ErrCompacted) {
		t.Fatalf("watch from long ago: %v, want ErrCompacted", batch.Err)
	}
}

// TestSynctest proves that an idle watch is durably blocked, so that virtual time moves on.
func TestSynctest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		w := s.Watch(t.Context(), "/", 0)
		synctest.Wait()
		select {
		case b := <-w:
			t.Fatalf("an empty store has a batch: %v", b)
		default:
		}
		if _, err := s.Commit(t.Context(), store.Create("/a", nil)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if b := <-w; len(b.Events) != 1 {
			t.Fatalf("batch %v, want the one event", b)
		}
	})
}
