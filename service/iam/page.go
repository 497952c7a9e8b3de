package iam

import (
	"context"
	"encoding/base64"
	"log/slog"
	"slices"
	"strings"

	"minato.dev/minato/engine/store"
)

// The number of items in a page, when the caller says nothing and at most.
const (
	defaultItems = 100
	maxItems     = 1000
)

// Page asks for part of a list. The zero Page is the first one.
type Page struct {
	Marker   string // where the page before ended, as List answered it
	MaxItems int    // 0 is the default
}

func (p Page) decode() (after string, limit int, err error) {
	limit = p.MaxItems
	if limit == 0 {
		limit = defaultItems
	}
	if limit < 1 || limit > maxItems {
		return "", 0, invalid("1 validation error detected: Value '%d' at 'maxItems' failed to satisfy constraint: "+
			"Member must have value between 1 and %d", p.MaxItems, maxItems)
	}
	b, err := base64.RawURLEncoding.DecodeString(p.Marker)
	if err != nil {
		return "", 0, badMarker(p.Marker)
	}
	return string(b), limit, nil
}

func badMarker(marker string) error {
	return invalid("Invalid Marker: %q is not one that this service gave", marker)
}

func marker(after string) string { return base64.RawURLEncoding.EncodeToString([]byte(after)) }

// list reads a page of an account's records, those that keep says yes to. The second result is the next page's marker, empty
// at the end.
func list[T any](ctx context.Context, c *store.Collection[T], account string, p Page, keep func(*T) bool) ([]T, string, error) {
	after, limit, err := p.decode()
	if err != nil {
		return nil, "", err
	}
	prefix := store.ID(account) + "/"
	if after != "" && !strings.HasPrefix(after, prefix) {
		return nil, "", badMarker(p.Marker)
	}
	var items []T
	last := ""
	for {
		page, err := c.List(ctx, prefix, after, maxItems)
		if err != nil {
			return nil, "", err
		}
		for _, corrupt := range page.Corrupt {
			slog.ErrorContext(ctx, "a record is corrupt and left out", "error", corrupt)
		}
		for _, item := range page.Items {
			if !keep(&item.Value) {
				continue
			}
			if len(items) == limit {
				return items, marker(last), nil
			}
			items, last = append(items, item.Value), item.ID
		}
		if page.Next == "" {
			return items, "", nil
		}
		after = page.Next
	}
}

// all reads an account's records.
func all[T any](ctx context.Context, c *store.Collection[T], account string, keep func(*T) bool) (items []T, err error) {
	for p := (Page{MaxItems: maxItems}); ; {
		page, next, err := list(ctx, c, account, p, keep)
		if err != nil {
			return nil, err
		}
		items = append(items, page...)
		if next == "" {
			return items, nil
		}
		p.Marker = next
	}
}

// slicePage is a page of a list that is all there. Items are in the order of their keys.
func slicePage[T any](items []T, p Page, key func(T) string) ([]T, string, error) {
	after, limit, err := p.decode()
	if err != nil {
		return nil, "", err
	}
	items = slices.DeleteFunc(slices.Clone(items), func(t T) bool { return after != "" && key(t) <= after })
	if len(items) <= limit {
		return items, "", nil
	}
	return items[:limit], marker(key(items[limit-1])), nil
}
