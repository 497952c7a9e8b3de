package kubeapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Event is one change that a watch saw, as kube-apiserver writes it.
type Event struct {
	Type   string          `json:"type"` // ADDED, MODIFIED, DELETED, BOOKMARK, ERROR
	Object json.RawMessage `json:"object"`
}

// Watch lists the collection at path and follows it: each object that is there comes as an ADDED event, then a BOOKMARK once
// all have come, then every change. It returns when fn does with an error, when ctx ends or when the watch breaks; the caller
// starts it again, with a pause.
func (c *Client) Watch(ctx context.Context, path string, query url.Values, fn func(Event) error) error {
	list, err := c.listInto(ctx, path, query, fn)
	if err != nil {
		return err
	}
	q := clone(query)
	q.Set("watch", "1")
	q.Set("allowWatchBookmarks", "true")
	q.Set("resourceVersion", list)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "minato")
	// The client's timeout would end the watch: it is bounded by the server, which ends it after some minutes, and by ctx.
	streaming := &http.Client{Transport: c.client.Transport}
	resp, err := streaming.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return &StatusError{resp.StatusCode, string(b)}
	}
	decoder := json.NewDecoder(resp.Body)
	for {
		var e Event
		if err := decoder.Decode(&e); err != nil {
			return err
		}
		if e.Type == "ERROR" {
			return fmt.Errorf("watching %s: %s", path, e.Object)
		}
		if err := fn(e); err != nil {
			return err
		}
	}
}

// pageSize is how many objects one page of a list has.
const pageSize = "500"

// listInto sends each object to fn as ADDED, a BOOKMARK at the end, and answers the list's resource version.
func (c *Client) listInto(ctx context.Context, path string, query url.Values, fn func(Event) error) (string, error) {
	version := ""
	err := c.pages(ctx, path, query, func(rv string, items []json.RawMessage) error {
		version = rv
		for _, item := range items {
			if err := fn(Event{Type: "ADDED", Object: item}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return version, fn(Event{Type: "BOOKMARK"})
}

// List reads the whole collection at path.
func (c *Client) List(ctx context.Context, path string, query url.Values) (items []json.RawMessage, err error) {
	err = c.Each(ctx, path, query, func(item json.RawMessage) error {
		items = append(items, item)
		return nil
	})
	return items, err
}

// Each gives each object of the collection at path to fn, and holds one page of them at a time. A limit in the query is that of a page:
// what is large needs a small one.
func (c *Client) Each(ctx context.Context, path string, query url.Values, fn func(item json.RawMessage) error) error {
	return c.pages(ctx, path, query, func(_ string, page []json.RawMessage) error {
		for _, item := range page {
			if err := fn(item); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *Client) pages(ctx context.Context, path string, query url.Values, fn func(version string, items []json.RawMessage) error) error {
	if strings.Contains(path, "?") {
		return errors.New("kubeapi: the query of a list goes into its own argument")
	}
	q := clone(query)
	if !q.Has("limit") {
		q.Set("limit", pageSize)
	}
	for {
		var page struct {
			Metadata struct {
				ResourceVersion string `json:"resourceVersion"`
				Continue        string `json:"continue"`
			} `json:"metadata"`
			Items []json.RawMessage `json:"items"`
		}
		if err := c.Get(ctx, path+"?"+q.Encode(), &page); err != nil {
			return err
		}
		if err := fn(page.Metadata.ResourceVersion, page.Items); err != nil {
			return err
		}
		if page.Metadata.Continue == "" {
			return nil
		}
		q.Set("continue", page.Metadata.Continue)
	}
}

func clone(q url.Values) url.Values {
	c := url.Values{}
	for k, v := range q {
		c[k] = v
	}
	return c
}
