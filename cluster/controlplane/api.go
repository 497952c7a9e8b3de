package controlplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"minato.dev/minato/internal/pki"
)

const (
	probeTimeout = 5 * time.Second
	// maxAnswer bounds what is read of an answer of a cluster.
	maxAnswer = 1 << 20
	// adminValidity is that of the certificate that one pass uses.
	adminValidity = time.Hour
)

// api is Minato as a client of one cluster: the few requests that bringing it up takes.
type api struct {
	base   string
	client *http.Client
}

// newAPI makes a client with a certificate of its own for the cluster's kube-apiserver at addr.
func newAPI(p *pass, addr string) (*api, error) {
	ca, err := pki.LoadAuthority(p.keys.ClusterCA)
	if err != nil {
		return nil, fmt.Errorf("loading cluster CA: %w", err)
	}
	pair, err := ca.Issue(pki.Request{CommonName: adminName, Organizations: []string{"system:masters"}, Client: true, Validity: adminValidity})
	if err != nil {
		return nil, err
	}
	cert, err := pair.TLS()
	if err != nil {
		return nil, err
	}
	return &api{base: "https://" + addr, client: tlsClient(&tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: ca.Pool(), Certificates: []tls.Certificate{cert},
	})}, nil
}

// tlsClient is a client for loopback, which no proxy settings of the environment concern.
func tlsClient(c *tls.Config) *http.Client {
	return &http.Client{Timeout: probeTimeout, Transport: &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}}
}

// answers is a readiness probe: whether a process answers 200 to a path that needs no credential.
func answers(p *pass, port int, path string) (func(context.Context) error, error) {
	ca, err := pki.LoadAuthority(p.keys.ClusterCA)
	if err != nil {
		return nil, fmt.Errorf("loading cluster CA: %w", err)
	}
	a := &api{base: "https://" + loopback(port), client: tlsClient(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca.Pool()})}
	return func(ctx context.Context) error {
		_, err := a.do(ctx, http.MethodGet, path, nil)
		return err
	}, nil
}

func (a *api) close() { a.client.CloseIdleConnections() }

// ready is nil when /readyz answers 200.
func (a *api) ready(ctx context.Context) error {
	_, err := a.do(ctx, http.MethodGet, "/readyz", nil)
	return err
}

// statusError is an answer other than 2xx.
type statusError struct {
	code int
	body string
}

func (e *statusError) Error() string { return fmt.Sprintf("%d: %s", e.code, e.body) }

// do makes one request with a JSON body, if any.
func (a *api) do(ctx context.Context, method, path string, in any) ([]byte, error) {
	return a.doAs(ctx, method, path, "application/json", in)
}

// doAs is do for an answer of a media type.
func (a *api) doAs(ctx context.Context, method, path, accept string, in any) ([]byte, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "minato")
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, &statusError{resp.StatusCode, string(answer[:min(len(answer), 500)])}
	}
	return answer, nil
}
