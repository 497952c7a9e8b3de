package imds

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Address is where every instance finds its metadata service.
const Address = "169.254.169.254"

// Client reads the metadata of the instance that it runs on, with tokens.
type Client struct {
	client *http.Client
	base   string
	token  string
}

// NewClient makes a client, which asks no proxy and waits five seconds for each answer.
func NewClient() *Client {
	return &Client{client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}, base: "http://" + Address}
}

// Get is what lies at a path below /latest/.
func (c *Client) Get(ctx context.Context, path string) (string, error) {
	if c.token == "" {
		token, err := c.ask(ctx, http.MethodPut, "api/token", ttlHeader, "300")
		if err != nil {
			return "", fmt.Errorf("getting a token of the metadata service: %w", err)
		}
		c.token = token
	}
	answer, err := c.ask(ctx, http.MethodGet, path, tokenHeader, c.token)
	if err != nil {
		return "", fmt.Errorf("reading the metadata %s: %w", path, err)
	}
	return answer, nil
}

// List are the names in a folder.
func (c *Client) List(ctx context.Context, path string) ([]string, error) {
	answer, err := c.Get(ctx, path)
	return strings.Fields(answer), err
}

func (c *Client) ask(ctx context.Context, method, path, header, value string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/latest/"+path, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set(header, value)
	resp, err := c.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("it answers %s", resp.Status)
	}
	return string(b), nil
}
