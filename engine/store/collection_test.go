package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
)

func TestCollection(t *testing.T) {
	t.Parallel()
	c := store.NewCollection[boat](memstore.New(), boats)
	if _, err := c.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("%v, want ErrNotFound", err)
	}
	made, err := c.Create(t.Context(), "a", boat{Name: "Ada", Crew: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), "a", boat{}); !errors.Is(err, store.ErrExists) {
		t.Fatalf("%v, want ErrExists", err)
	}
	got, err := c.Get(t.Context(), "a")
	if err != nil || got != made {
		t.Fatalf("got %+v, %v; want %+v", got, err, made)
	}
	got.Value.Crew = 2
	put, err := c.Put(t.Context(), got)
	if err != nil || put.Created != made.Created || put.Revision <= made.Revision {
		t.Fatalf("put %+v, %v", put, err)
	}
	if _, err := c.Put(t.Context(), made); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("putting over an old one: %v, want ErrConflict", err)
	}
	if err := c.Delete(t.Context(), "a", made.Revision); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("deleting an old one: %v, want ErrConflict", err)
	}
	if err := c.Delete(t.Context(), "a", put.Revision); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(t.Context(), put); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("putting one that is gone: %v, want ErrNotFound", err)
	}
}

func TestModifyRepeats(t *testing.T) {
	t.Parallel()
	c := store.NewCollection[boat](memstore.New(), boats)
	if _, err := c.Create(t.Context(), "a", boat{}); err != nil {
		t.Fatal(err)
	}
	var sailors sync.WaitGroup
	for range 8 {
		sailors.Go(func() {
			for range 25 {
				if _, err := c.Modify(t.Context(), "a", func(b *boat) error { b.Crew++; return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sailors.Wait()
	before, err := c.Get(t.Context(), "a")
	if err != nil || before.Value.Crew != 200 {
		t.Fatalf("%+v, %v; want a crew of 200", before, err)
	}
	mutiny := errors.New("mutiny")
	if _, err := c.Modify(t.Context(), "a", func(b *boat) error { b.Crew = 0; return mutiny }); !errors.Is(err, mutiny) {
		t.Errorf("%v, want the error of the change", err)
	}
	if after, err := c.Get(t.Context(), "a"); err != nil || after != before {
		t.Errorf("a change that failed was written: %+v, %v", after, err)
	}
	if _, err := c.Modify(t.Context(), "none", func(*boat) error { return nil }); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
}

// TestCorruptRecord: a record that cannot be read is an error of its own to Get, and hides nothing else from List.
func TestCorruptRecord(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	c := store.NewCollection[boat](s, boats)
	ops := []store.Op{c.CreateOp("a", boat{Name: "a"}), c.CreateOp("z", boat{Name: "z"})}
	bad := map[string]string{
		"empty":   ``,
		"garbage": "\x00\xff",
		"list":    `[]`,
		"newer":   `{"v":2,"data":{}}`,
		"naked":   `{"name":"x"}`,
		"no data": `{"v":1}`,
		"type":    `{"v":1,"data":{"crew":"many"}}`,
		"cut":     `{"v":1,"data":{"name":"x`,
	}
	for id, value := range bad {
		ops = append(ops, store.Create(boats+id, []byte(value)))
	}
	if _, err := s.Commit(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
	for id := range bad {
		_, err := c.Get(t.Context(), id)
		corrupt, ok := errors.AsType[*store.CorruptError](err)
		if !ok || corrupt.Key != boats+id || !strings.Contains(err.Error(), boats+id) {
			t.Errorf("%s: %v, want a CorruptError that names the key", id, err)
		}
		if _, err := c.Modify(t.Context(), id, func(*boat) error { t.Error("changed"); return nil }); !errors.As(err, &corrupt) {
			t.Errorf("modifying %s: %v, want a CorruptError", id, err)
		}
	}
	if _, err := c.Get(t.Context(), "newer"); !strings.Contains(err.Error(), "version 2") {
		t.Errorf("%v, want the version named", err)
	}
	page, err := c.List(t.Context(), "", "", 0)
	if err != nil || len(page.Items) != 2 || page.Items[0].ID != "a" || page.Items[1].ID != "z" || len(page.Corrupt) != len(bad) {
		t.Fatalf("%+v, %v; want a and z, and %d corrupt", page, err, len(bad))
	}
	// Pages count corrupt records, so that they end.
	var ids []string
	corrupt := 0
	for after := ""; ; {
		page, err := c.List(t.Context(), "", after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			ids = append(ids, item.ID)
		}
		corrupt += len(page.Corrupt)
		if after = page.Next; after == "" {
			break
		}
	}
	if fmt.Sprint(ids) != "[a z]" || corrupt != len(bad) {
		t.Errorf("in pages: %v and %d corrupt", ids, corrupt)
	}
	// A corrupt record can be removed.
	if err := c.Delete(t.Context(), "newer", store.AnyRevision); err != nil {
		t.Error(err)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	for _, parts := range [][]string{
		{"111122223333", "us-east-1", "prod"}, {"a/b", "c"}, {"", ""}, {"a%2Fb"}, {"é 漢", "\x00\xff"}, {"a", "", "b"}, {".."},
	} {
		id := store.ID(parts...)
		if got := store.Parts(id); !slices.Equal(got, parts) || strings.Count(id, "/") != len(parts)-1 {
			t.Errorf("%q: id %q, parts %q", parts, id, got)
		}
	}
	if !strings.HasPrefix(store.ID("a/b", "c", "d"), store.ID("a/b", "c")+"/") {
		t.Error("the first parts of an id are not its prefix")
	}
}

// FuzzDecode: whatever lies in the store is a record or a CorruptError, and a record survives being written again.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"v":1,"data":{"name":"x","crew":3}}`, `{"v":2}`, ``, `null`, `{"v":1,"data":null}`, `{"v":1.0,"data":{}}`} {
		f.Add([]byte(s))
	}
	c := store.NewCollection[boat](memstore.New(), boats)
	f.Fuzz(func(t *testing.T, value []byte) {
		item, err := c.Decode(store.Entry{Key: boats + "x", Value: value, Created: 1, Modified: 2})
		if err != nil {
			if _, ok := errors.AsType[*store.CorruptError](err); !ok {
				t.Fatalf("%v, want a CorruptError", err)
			}
			return
		}
		again, err := c.Decode(store.Entry{Key: boats + "x", Value: c.UpdateOp(item).Value, Created: 1, Modified: 2})
		if err != nil || again != item {
			t.Fatalf("%+v became %+v, %v", item, again, err)
		}
	})
}
