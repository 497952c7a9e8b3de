// Package kubeapi is Minato as a client of one cluster's kube-apiserver: plain JSON requests, bounded in size and time. What
// reconcilers ask of a cluster is a handful of verbs on objects that they write themselves, so they need no generated client.
package kubeapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// Timeout bounds one request.
	Timeout = 5 * time.Second
	// maxAnswer bounds what is read of an answer; the longest are lists, read in pages.
	maxAnswer = 16 << 20
)

// Object is a Kubernetes object or another JSON document.
type Object = map[string]any

// Client asks one kube-apiserver.
type Client struct {
	base   string
	client *http.Client
}

// New makes a client of the kube-apiserver at addr (host:port).
func New(addr string, config *tls.Config) *Client {
	return &Client{base: "https://" + addr, client: HTTPClient(config)}
}

// HTTPClient is a client for loopback, bounded in time, which no proxy settings of the environment concern.
func HTTPClient(config *tls.Config) *http.Client {
	return &http.Client{Timeout: Timeout, Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
}

// Close gives back the connections.
func (c *Client) Close() { c.client.CloseIdleConnections() }

// StatusError is an answer other than 2xx.
type StatusError struct {
	Code int
	Body string // mostly a metav1.Status
}

// maxErrorBody is how much of a body goes into the text of an error.
const maxErrorBody = 2000

func (e *StatusError) Error() string {
	return fmt.Sprintf("%d: %s", e.Code, e.Body[:min(len(e.Body), maxErrorBody)])
}

// Status is the HTTP status code of an error of a Client, zero when there was no answer.
func Status(err error) int {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Code
	}
	return 0
}

// NotFound is whether an error says that there is no such object.
func NotFound(err error) bool { return Status(err) == http.StatusNotFound }

// Request is one request.
type Request struct {
	Method string
	Path   string // with the query
	Body   any    // marshalled to JSON unless it is []byte; nil for none
	// ContentType and Accept are application/json when empty.
	ContentType, Accept string
}

// Send makes a request and answers the body of its answer.
func (c *Client) Send(ctx context.Context, r Request) ([]byte, error) {
	var body io.Reader
	switch b := r.Body.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, c.base+r.Path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", orJSON(r.ContentType))
	req.Header.Set("Accept", orJSON(r.Accept))
	req.Header.Set("User-Agent", "minato")
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, &StatusError{resp.StatusCode, string(answer)}
	}
	return answer, nil
}

func orJSON(mediaType string) string {
	if mediaType == "" {
		return "application/json"
	}
	return mediaType
}

// Do makes a request with a JSON body, if any.
func (c *Client) Do(ctx context.Context, method, path string, in any) ([]byte, error) {
	return c.Send(ctx, Request{Method: method, Path: path, Body: in})
}

// Get reads an object into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	b, err := c.Do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}

// Patch merges a JSON merge patch into the object at path.
func (c *Client) Patch(ctx context.Context, path string, patch any) error {
	_, err := c.Send(ctx, Request{Method: http.MethodPatch, Path: path, Body: patch, ContentType: "application/merge-patch+json"})
	return err
}

// Apply is server-side apply of an object at its path as a field manager. Without force another manager's fields are an error
// with the status 409, see Conflicts.
func (c *Client) Apply(ctx context.Context, path, manager string, force bool, object any) error {
	return c.apply(ctx, path, manager, force, object, "")
}

// TryApply is what Apply would answer; it changes nothing.
func (c *Client) TryApply(ctx context.Context, path, manager string, force bool, object any) error {
	return c.apply(ctx, path, manager, force, object, "&dryRun=All")
}

func (c *Client) apply(ctx context.Context, path, manager string, force bool, object any, more string) error {
	query := "?fieldManager=" + manager + more
	if force {
		query += "&force=true"
	}
	_, err := c.Send(ctx, Request{Method: http.MethodPatch, Path: path + query, Body: object, ContentType: "application/apply-patch+yaml"})
	return err
}

// Delete deletes the object at path; one that is not there is deleted.
func (c *Client) Delete(ctx context.Context, path string) error {
	_, err := c.Do(ctx, http.MethodDelete, path, nil)
	if NotFound(err) {
		return nil
	}
	return err
}
