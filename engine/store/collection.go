package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// recordVersion is the version of the envelope around every record. A record of a newer one is refused, not guessed at.
const recordVersion = 1

// Collection keeps records of one type under one prefix, as versioned JSON.
type Collection[T any] struct {
	store  Store
	prefix string
}

// Item is one record with the revision it was last modified at.
type Item[T any] struct {
	ID       string
	Value    T
	Created  Revision
	Revision Revision
}

// CorruptError is a record that is there and cannot be read: not JSON, not our envelope, or a newer version's.
type CorruptError struct {
	Key string
	Err error
}

func (e *CorruptError) Error() string { return fmt.Sprintf("record %s is corrupt: %v", e.Key, e.Err) }

// Unwrap is what is wrong with the record.
func (e *CorruptError) Unwrap() error { return e.Err }

// NewCollection keeps records of type T under prefix, which ends in a slash.
func NewCollection[T any](s Store, prefix string) *Collection[T] {
	if !strings.HasSuffix(prefix, "/") {
		panic("store: collection prefix must end in a slash: " + prefix)
	}
	return &Collection[T]{store: s, prefix: prefix}
}

// ID joins parts to a record id, escaping what a part may hold: ID("111122223333", "us-east-1", "prod"). A prefix of the
// parts, with a slash after it, is a prefix of the id.
func ID(parts ...string) string {
	escaped := make([]string, len(parts))
	for i, p := range parts {
		escaped[i] = url.PathEscape(p)
	}
	return strings.Join(escaped, "/")
}

// Parts splits what ID joined.
func Parts(id string) []string {
	parts := strings.Split(id, "/")
	for i, p := range parts {
		if u, err := url.PathUnescape(p); err == nil {
			parts[i] = u
		}
	}
	return parts
}

// Key is where a record lies in the store.
func (c *Collection[T]) Key(id string) string { return c.prefix + id }

// Prefix is where all records of the collection lie.
func (c *Collection[T]) Prefix() string { return c.prefix }

// Store is the store that the collection is kept in.
func (c *Collection[T]) Store() Store { return c.store }

// Get reads a record. Errors: ErrNotFound, *CorruptError, the store's trouble.
func (c *Collection[T]) Get(ctx context.Context, id string) (Item[T], error) {
	e, err := c.store.Get(ctx, c.Key(id))
	if err != nil {
		return Item[T]{}, err
	}
	return c.decode(e)
}

// Page is one page of a collection. Corrupt holds the records of the page that could not be read, so that one bad record
// never hides the good ones.
type Page[T any] struct {
	Items    []Item[T]
	Corrupt  []*CorruptError
	Next     string // pass as After to go on; empty at the end
	Revision Revision
}

// List reads the records whose ids start with idPrefix (whole parts, ending in a slash, or empty for all), in id order,
// at most limit of them (0 is all), after the id given.
func (c *Collection[T]) List(ctx context.Context, idPrefix, after string, limit int) (Page[T], error) {
	opts := ListOptions{Limit: limit}
	if after != "" {
		opts.After = c.Key(after)
	}
	l, err := c.store.List(ctx, c.prefix+idPrefix, opts)
	if err != nil {
		return Page[T]{}, err
	}
	page := Page[T]{Revision: l.Revision}
	for _, e := range l.Entries {
		item, err := c.decode(e)
		if corrupt, ok := errors.AsType[*CorruptError](err); ok {
			page.Corrupt = append(page.Corrupt, corrupt)
			continue
		}
		page.Items = append(page.Items, item)
	}
	if l.More && len(l.Entries) > 0 {
		page.Next = strings.TrimPrefix(l.Entries[len(l.Entries)-1].Key, c.prefix)
	}
	return page, nil
}

// Create writes a new record: ErrExists if the id is taken.
func (c *Collection[T]) Create(ctx context.Context, id string, v T) (Item[T], error) {
	rev, err := c.store.Commit(ctx, c.CreateOp(id, v))
	if err != nil {
		return Item[T]{}, err
	}
	return Item[T]{ID: id, Value: v, Created: rev, Revision: rev}, nil
}

// Put writes a record over the one read as item: ErrConflict if somebody else wrote in between, ErrNotFound if it is gone.
func (c *Collection[T]) Put(ctx context.Context, item Item[T]) (Item[T], error) {
	rev, err := c.store.Commit(ctx, c.UpdateOp(item))
	if err != nil {
		return Item[T]{}, err
	}
	item.Revision = rev
	return item, nil
}

// Modify reads a record, lets change work on it and writes it back, again from the start whenever somebody else wrote in
// between. An error from change ends it with nothing written; so does ErrNotFound.
func (c *Collection[T]) Modify(ctx context.Context, id string, change func(*T) error) (Item[T], error) {
	for {
		item, err := c.Get(ctx, id)
		if err != nil {
			return item, err
		}
		if err := change(&item.Value); err != nil {
			return item, err
		}
		item, err = c.Put(ctx, item)
		if errors.Is(err, ErrConflict) && ctx.Err() == nil {
			continue
		}
		return item, err
	}
}

// Delete removes a record that was last modified at rev, or at any revision (AnyRevision).
func (c *Collection[T]) Delete(ctx context.Context, id string, rev Revision) error {
	_, err := c.store.Commit(ctx, Delete(c.Key(id), rev))
	return err
}

// CreateOp is Create as part of a larger Commit.
func (c *Collection[T]) CreateOp(id string, v T) Op { return Create(c.Key(id), encode(v)) }

// UpdateOp is Put as part of a larger Commit.
func (c *Collection[T]) UpdateOp(item Item[T]) Op {
	return Update(c.Key(item.ID), encode(item.Value), item.Revision)
}

// DeleteOp is Delete as part of a larger Commit.
func (c *Collection[T]) DeleteOp(item Item[T]) Op { return Delete(c.Key(item.ID), item.Revision) }

// Decode reads a record from an entry that a watch or a list of this collection's prefix delivered.
func (c *Collection[T]) Decode(e Entry) (Item[T], error) { return c.decode(e) }

type envelope struct {
	Version int             `json:"v"`
	Data    json.RawMessage `json:"data"`
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: record of type %T does not marshal: %v", v, err)) // a programming error
	}
	b, _ := json.Marshal(envelope{recordVersion, data})
	return b
}

func (c *Collection[T]) decode(e Entry) (Item[T], error) {
	item := Item[T]{ID: strings.TrimPrefix(e.Key, c.prefix), Created: e.Created, Revision: e.Modified}
	var env envelope
	err := json.Unmarshal(e.Value, &env)
	if err == nil && env.Version != recordVersion {
		err = fmt.Errorf("it has version %d, this Minato reads version %d", env.Version, recordVersion)
	}
	if err == nil {
		err = json.Unmarshal(env.Data, &item.Value)
	}
	if err != nil {
		return item, &CorruptError{Key: e.Key, Err: err}
	}
	return item, nil
}
