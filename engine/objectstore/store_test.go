package objectstore_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"minato.dev/minato/engine/objectstore"
)

func open(t *testing.T, dir string) *objectstore.Store {
	t.Helper()
	s, err := objectstore.Open(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.CreateBucket("b"); err != nil {
		t.Fatal(err)
	}
	return s
}

// contents of n bytes, no two alike.
func contents(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7+i/251) + seed
	}
	return b
}

func etagOf(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

func finish(b []byte) objectstore.Finish {
	return func(size int64) (objectstore.Meta, error) {
		if size != int64(len(b)) {
			return objectstore.Meta{}, fmt.Errorf("%d bytes were read of %d", size, len(b))
		}
		return objectstore.Meta{ETag: etagOf(b), Header: map[string]string{"content-type": "x/y"}}, nil
	}
}

func put(t *testing.T, s *objectstore.Store, key string, b []byte) {
	t.Helper()
	if _, err := s.Put(t.Context(), "b", key, bytes.NewReader(b), finish(b), nil); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s *objectstore.Store, key string) []byte {
	t.Helper()
	o, c, err := s.Get("b", key)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got bytes.Buffer
	if err := c.WriteRange(&got, 0, o.Size); err != nil {
		t.Fatal(err)
	}
	return got.Bytes()
}

func blobs(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatIsPutIsThereAfterOpeningAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	sizes := []int{0, 1, 32 << 10, 32<<10 + 1, 3 << 20}
	for _, n := range sizes {
		put(t, s, fmt.Sprint("size-", n), contents(n, 1))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	for _, n := range sizes {
		if got := get(t, s, fmt.Sprint("size-", n)); !bytes.Equal(got, contents(n, 1)) {
			t.Errorf("%d bytes came back as %d, or others", n, len(got))
		}
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	b := contents(100_000, 3)
	put(t, s, "k", b)
	o, c, err := s.Get("b", "k")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, r := range [][2]int64{{0, 1}, {99_999, 1}, {500, 90_000}, {0, o.Size}} {
		var got bytes.Buffer
		if err := c.WriteRange(&got, r[0], r[1]); err != nil || !bytes.Equal(got.Bytes(), b[r[0]:r[0]+r[1]]) {
			t.Errorf("range %v: %d bytes, %v", r, got.Len(), err)
		}
	}
	if err := c.WriteRange(io.Discard, 99_999, 2); !errors.Is(err, objectstore.ErrContentsDiffer) {
		t.Errorf("past the end: %v", err)
	}
}

// TestAReaderKeepsWhatItHasOpened replaces and deletes an object that is being read.
func TestAReaderKeepsWhatItHasOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	old := contents(100_000, 1)
	put(t, s, "k", old)
	o, c, err := s.Get("b", "k")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", contents(200_000, 2))
	if err := s.Delete("b", "k", nil); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := c.WriteRange(&got, 0, o.Size); err != nil || !bytes.Equal(got.Bytes(), old) {
		t.Errorf("read %d bytes, %v", got.Len(), err)
	}
	c.Close()
	if n := blobs(t, dir); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
}

func TestNothingIsLeftOfWhatFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	b := contents(100_000, 1)
	refused := errors.New("refused")
	broken := io.MultiReader(bytes.NewReader(b), errorReader{refused})
	for name, err := range map[string]error{
		"a body that breaks off": second(s.Put(t.Context(), "b", "k", broken, finish(b), nil)),
		"a condition":            second(s.Put(t.Context(), "b", "k", bytes.NewReader(b), finish(b), func(*objectstore.Object) error { return refused })),
		"a wrong content": second(s.Put(t.Context(), "b", "k", bytes.NewReader(b),
			func(int64) (objectstore.Meta, error) { return objectstore.Meta{}, refused }, nil)),
	} {
		if !errors.Is(err, refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := second(s.Put(t.Context(), "other", "k", bytes.NewReader(b), finish(b), nil)); !errors.Is(err, objectstore.ErrNoBucket) {
		t.Errorf("no bucket: %v", err)
	}
	if _, err := s.Head("b", "k"); !errors.Is(err, objectstore.ErrNoObject) {
		t.Errorf("an object is there: %v", err)
	}
	if n := blobs(t, dir); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

func second[T any](_ T, err error) error { return err }

func TestList(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for _, key := range []string{"a", "a/b", "a/b/c", "a/d", "b/", "b/é", "c", "d/x/1", "d/x/2"} {
		put(t, s, key, nil)
	}
	for _, tt := range []struct {
		o        objectstore.ListOptions
		keys     string
		prefixes string
	}{
		{objectstore.ListOptions{Limit: 100}, "a a/b a/b/c a/d b/ b/é c d/x/1 d/x/2", ""},
		{objectstore.ListOptions{Limit: 100, Delimiter: "/"}, "a c", "a/ b/ d/"},
		{objectstore.ListOptions{Limit: 100, Delimiter: "/", Prefix: "a/"}, "a/b a/d", "a/b/"},
		{objectstore.ListOptions{Limit: 100, Delimiter: "/", Prefix: "b/"}, "b/ b/é", ""},
		{objectstore.ListOptions{Limit: 100, Delimiter: "/", After: "a/"}, "c", "b/ d/"},
		{objectstore.ListOptions{Limit: 100, After: "b/"}, "b/é c d/x/1 d/x/2", ""},
		{objectstore.ListOptions{Limit: 100, After: "b/", Prefix: "a/"}, "", ""},
		{objectstore.ListOptions{Limit: 100, After: "a", Prefix: "d/"}, "d/x/1 d/x/2", ""},
		{objectstore.ListOptions{Limit: 100, Delimiter: "x/", Prefix: "d"}, "", "d/x/"},
		{objectstore.ListOptions{Limit: 100, Prefix: "nothing"}, "", ""},
	} {
		for _, limit := range []int{100, 1, 2} { // page by page too
			tt.o.Limit = limit
			keys, prefixes := all(t, s, tt.o)
			if strings.Join(keys, " ") != tt.keys || strings.Join(prefixes, " ") != tt.prefixes {
				t.Errorf("%+v: keys %q, prefixes %q", tt.o, keys, prefixes)
			}
		}
	}
}

func all(t *testing.T, s *objectstore.Store, o objectstore.ListOptions) (keys, prefixes []string) {
	t.Helper()
	for range 100 {
		l, err := s.List("b", o)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range l.Objects {
			keys = append(keys, object.Key)
		}
		prefixes = append(prefixes, l.Prefixes...)
		if !l.More {
			return keys, prefixes
		}
		o.After = l.Last
	}
	t.Fatal("the list has no end")
	return nil, nil
}

func TestUpload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	u, err := s.CreateUpload("b", objectstore.Upload{Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	first, last := contents(objectstore.MinPart, 1), contents(10, 2)
	part := func(n int, b []byte) objectstore.Named {
		p, err := s.PutPart(t.Context(), "b", "k", u.ID, n, bytes.NewReader(b), finish(b))
		if err != nil {
			t.Fatal(err)
		}
		return objectstore.Named{Number: n, ETag: p.ETag}
	}
	part(1, contents(50_000, 9)) // replaced
	one, three, five := part(1, first), part(3, last), part(5, contents(60_000, 1))
	_ = five // not named, so not in the object
	complete := func(named ...objectstore.Named) error {
		return second(s.Complete("b", "k", u.ID, named, func(p []objectstore.Part, _ objectstore.Upload) (objectstore.Meta, error) {
			return objectstore.Meta{ETag: fmt.Sprint("of-", len(p))}, nil
		}, nil))
	}
	if err := complete(three, one); !errors.Is(err, objectstore.ErrPartTooSmall) {
		t.Errorf("a small part in the middle: %v", err)
	}
	if err := complete(one, objectstore.Named{Number: 2, ETag: one.ETag}); !errors.Is(err, objectstore.ErrNoPart) {
		t.Errorf("a part that is not there: %v", err)
	}
	if err := complete(one, three); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "k"); !bytes.Equal(got, slices.Concat(first, last)) {
		t.Errorf("%d bytes came back, or others", len(got))
	}
	if n := blobs(t, dir); n != 1 {
		t.Errorf("%d blobs, want that of the first part", n)
	}
	if err := complete(one, three); !errors.Is(err, objectstore.ErrNoUpload) {
		t.Errorf("completing again: %v", err)
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	u, err := s.CreateUpload("b", objectstore.Upload{Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	b := contents(100_000, 1)
	if _, err := s.PutPart(t.Context(), "b", "k", u.ID, 1, bytes.NewReader(b), finish(b)); err != nil {
		t.Fatal(err)
	}
	if err := s.Abort("b", "other", u.ID); !errors.Is(err, objectstore.ErrNoUpload) {
		t.Errorf("another key's upload: %v", err)
	}
	if err := s.Abort("b", "k", u.ID); err != nil || blobs(t, dir) != 0 {
		t.Errorf("%v, %d blobs", err, blobs(t, dir))
	}
}

func TestDeleteBucket(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	put(t, s, "k", nil)
	if err := s.DeleteBucket("b"); !errors.Is(err, objectstore.ErrNotEmpty) {
		t.Errorf("a bucket with an object: %v", err)
	}
	if err := errors.Join(s.Delete("b", "k", nil), s.DeleteBucket("b"), s.DeleteBucket("b")); err != nil {
		t.Error(err)
	}
}

// TestWritersAtOnce has many write one key with contents of their own under "only if it is not there": one does.
func TestWritersAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	taken := errors.New("taken")
	var group sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		group.Go(func() {
			b := contents(100_000, byte(i))
			errs[i] = second(s.Put(t.Context(), "b", "k", bytes.NewReader(b), finish(b), func(old *objectstore.Object) error {
				if old != nil {
					return taken
				}
				return nil
			}))
		})
	}
	group.Wait()
	winner := slices.Index(errs, nil)
	if winner < 0 || !bytes.Equal(get(t, s, "k"), contents(100_000, byte(winner))) {
		t.Fatalf("errors %v", errs)
	}
	for i, err := range errs {
		if i != winner && !errors.Is(err, taken) {
			t.Errorf("writer %d: %v", i, err)
		}
	}
}
