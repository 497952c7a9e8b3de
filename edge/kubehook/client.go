package kubehook

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/engine/store"
)

// appliedRetry is the time between two questions while the webhooks' process is away.
const appliedRetry = 50 * time.Millisecond

// Client asks a Server what is for Minato itself to know.
type Client struct {
	addr   string
	client *http.Client
}

// NewClient makes a Client of the Server at addr, host:port. The configuration holds the server's CA and the certificate whose
// common name is the server's Root.
func NewClient(addr string, c *tls.Config) *Client {
	return &Client{addr, &http.Client{
		Transport: &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true},
		Timeout:   appliedWait + 10*time.Second,
	}}
}

// Close ends the connections that are kept for the next question.
func (c *Client) Close() { c.client.CloseIdleConnections() }

// Applied waits until every decision is made by the records of revision rev or a later one: from then on a change of access
// holds for the very next request. It asks on, also while the server is restarting, until ctx ends; the error is then of kind
// Unavailable.
func (c *Client) Applied(ctx context.Context, rev store.Revision) error {
	for {
		err := c.ask(ctx, rev)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(appliedRetry):
		case <-ctx.Done():
			return minato.Errorf(minato.Unavailable, "the webhooks at %s have not applied revision %d: %w", c.addr, rev, err)
		}
	}
}

func (c *Client) ask(ctx context.Context, rev store.Revision) error {
	_, err := c.get(ctx, fmt.Sprintf("/applied?revision=%d", rev), 1<<10)
	return err
}

// maxInForce bounds what an aws-auth ConfigMap of a mebibyte is in JSON.
const maxInForce = 16 << 20

// AWSAuth is what decisions are made by of a cluster's aws-auth ConfigMap. An error is of kind Unavailable.
func (c *Client) AWSAuth(ctx context.Context, clusterID string) (in access.InForce, err error) {
	body, err := c.get(ctx, "/clusters/"+url.PathEscape(clusterID)+"/aws-auth", maxInForce)
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		return access.InForce{}, minato.Errorf(minato.Unavailable, "asking the webhooks at %s for the aws-auth that they go by: %w", c.addr, err)
	}
	return in, nil
}

// get is the body of an answer of status 200, up to a size.
func (c *Client) get(ctx context.Context, path string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.addr+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.1024s", resp.Status, body)
	}
	return body, err
}
