package storetest

import (
	"errors"
	"slices"
	"strings"

	"minato.dev/minato/engine/store"
)

// names are the entries' keys without the prefix, joined.
func (s *suite) names(entries []store.Entry) string {
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimPrefix(e.Key, s.prefix))
	}
	return strings.Join(names, " ")
}

func testListOrder(s *suite) {
	if l := s.list(store.ListOptions{}); len(l.Entries) != 0 || l.More {
		s.Fatalf("an empty prefix lists %q, more %v", s.names(l.Entries), l.More)
	}
	for _, name := range []string{"b/2", "a", "c", "b/10", "b", "é", "b0", "B"} {
		s.create(name, "v-"+name)
	}
	rev := s.commit()
	l := s.list(store.ListOptions{})
	if got, want := s.names(l.Entries), "B a b b/10 b/2 b0 c é"; got != want || l.More || l.Revision < rev {
		s.Fatalf("got %q, more %v, revision %d; want %q, no more, at least %d", got, l.More, l.Revision, want, rev)
	}
	if got := string(l.Entries[3].Value); got != "v-b/10" {
		s.Fatalf("value %q beside key %s", got, l.Entries[3].Key)
	}
	narrow, err := s.store.List(s.ctx, s.key("b/"), store.ListOptions{})
	if err != nil || s.names(narrow.Entries) != "b/10 b/2" {
		s.Fatalf("under b/: %q, %v", s.names(narrow.Entries), err)
	}
}

func testListPages(s *suite) {
	var want []string
	for i := range 25 {
		want = append(want, numbered(i))
		s.create(numbered(i), "v")
	}
	for _, size := range []int{1, 7, 24, 25, 26} {
		var got []string
		opts := store.ListOptions{Limit: size}
		for pages := 1; ; pages++ {
			l := s.list(opts)
			if len(l.Entries) > size {
				s.Fatalf("page of %d with %d entries", size, len(l.Entries))
			}
			if names := s.names(l.Entries); names != "" {
				got = append(got, strings.Fields(names)...)
			}
			if !l.More {
				break
			}
			if pages > 25 || len(l.Entries) == 0 {
				s.Fatalf("pages of %d do not end", size)
			}
			opts.After, opts.At = l.Entries[len(l.Entries)-1].Key, l.Revision
		}
		if !slices.Equal(got, want) {
			s.Fatalf("in pages of %d: %q", size, got)
		}
	}
	for after, want := range map[string]string{s.key("023"): "024", s.key("0235"): "024", s.key("024"): "", s.key("zzz"): "", s.prefix + "\xff\xff": ""} {
		if l := s.list(store.ListOptions{After: after}); s.names(l.Entries) != want || l.More || l.Revision == 0 {
			s.Errorf("after %q: %q, more %v, revision %d; want %q", after, s.names(l.Entries), l.More, l.Revision, want)
		}
	}
	if l := s.list(store.ListOptions{After: "/", Limit: 1}); s.names(l.Entries) != "000" {
		s.Errorf("after a key before the prefix: %q", s.names(l.Entries))
	}
	if l := s.list(store.ListOptions{After: "\xff"}); len(l.Entries) != 0 {
		s.Errorf("after a key behind the prefix: %q", s.names(l.Entries))
	}
}

func testListAt(s *suite) {
	a := s.create("a", "1")
	b := s.create("b", "1")
	s.commit(store.Update(s.key("a"), []byte("2"), a), store.Delete(s.key("b"), b), store.Create(s.key("c"), nil))
	s.create("d", "1")
	old := s.list(store.ListOptions{At: b})
	if s.names(old.Entries) != "a b" || old.Revision != b || string(old.Entries[0].Value) != "1" || old.Entries[0].Modified != a {
		s.Fatalf("at %d: %q at revision %d, first %s", b, s.names(old.Entries), old.Revision, describe(old.Entries[0]))
	}
	if one := s.list(store.ListOptions{At: a}); s.names(one.Entries) != "a" {
		s.Fatalf("at %d: %q", a, s.names(one.Entries))
	}
	if now := s.list(store.ListOptions{}); s.names(now.Entries) != "a c d" {
		s.Fatalf("now: %q", s.names(now.Entries))
	}
	_, err := s.store.List(s.ctx, s.prefix, store.ListOptions{At: s.commit() + 1000})
	if err == nil || errors.Is(err, store.ErrCompacted) {
		s.Fatalf("listing the future: %v, want an error that is not ErrCompacted", err)
	}
}

func testListCompacted(s *suite) {
	a := s.create("a", "1")
	b := s.commit(store.Update(s.key("a"), []byte("2"), a))
	c := s.commit(store.Update(s.key("a"), []byte("3"), b))
	s.compact(b)
	if _, err := s.store.List(s.ctx, s.prefix, store.ListOptions{At: a}); !errors.Is(err, store.ErrCompacted) {
		s.Fatalf("listing at a compacted revision: %v, want ErrCompacted", err)
	}
	if l := s.list(store.ListOptions{At: b}); string(l.Entries[0].Value) != "2" {
		s.Fatalf("at the compaction's own revision: %q", l.Entries[0].Value)
	}
	if l := s.list(store.ListOptions{}); string(l.Entries[0].Value) != "3" || l.Entries[0].Modified != c {
		s.Fatalf("now: %s", describe(l.Entries[0]))
	}
	s.want("a", "3", a, c)
}

func (s *suite) compact(rev store.Revision) {
	s.Helper()
	if err := s.store.Compact(s.ctx, rev); err != nil {
		s.Fatalf("compacting to %d: %v", rev, err)
	}
}
