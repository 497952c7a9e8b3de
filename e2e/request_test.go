package e2e

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go/aws-http-auth/sigv4"

	"minato.dev/minato/internal/testenv"
)

// TestBadRequests sends what no AWS client sends by itself.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	admin := testenv.Shared(t).Admin(t)
	const createBody = `{"name":"raw","roleArn":"arn:aws:iam::111122223333:role/x","resourcesVpcConfig":{}}`
	for _, tt := range []struct {
		name   string
		req    *http.Request
		status int
		code   string
	}{
		{"unsigned", request(t, admin, http.MethodGet, "/clusters", ""), 403, "MissingAuthenticationTokenException"},
		{"expired", signed(t, admin, request(t, admin, http.MethodGet, "/clusters", ""), time.Now().Add(-20*time.Minute)), 403, "InvalidSignatureException"},
		{"early", signed(t, admin, request(t, admin, http.MethodGet, "/clusters", ""), time.Now().Add(20*time.Minute)), 403, "InvalidSignatureException"},
		{"body altered", alter(signed(t, admin, request(t, admin, http.MethodPost, "/clusters", createBody), time.Now())), 403, "InvalidSignatureException"},
		{"path altered", repath(signed(t, admin, request(t, admin, http.MethodGet, "/clusters/a", ""), time.Now()), "/clusters/b"), 403, "InvalidSignatureException"},
		{"query added", query(signed(t, admin, request(t, admin, http.MethodGet, "/clusters", ""), time.Now()), "maxResults=1"), 403, "InvalidSignatureException"},
		{"not JSON", signed(t, admin, request(t, admin, http.MethodPost, "/clusters", "{"), time.Now()), 400, "SerializationException"},
		{"no such operation", signed(t, admin, request(t, admin, http.MethodPut, "/clusters", ""), time.Now()), 404, "UnknownOperationException"},
	} {
		t.Run(tt.name, func(t *testing.T) { // not in parallel: a signature is good for five minutes only
			resp, body := answerTo(t, tt.req)
			if code := resp.Header.Get("X-Amzn-Errortype"); resp.StatusCode != tt.status || !strings.HasPrefix(code, tt.code) {
				t.Errorf("got %d %q %s, want %d %s", resp.StatusCode, code, body, tt.status, tt.code)
			}
		})
	}
}

// TestHugeBody sends 100 MB. The server refuses it without reading it all.
func TestHugeBody(t *testing.T) {
	t.Parallel()
	admin := testenv.Shared(t).Admin(t)
	const size = 100 << 20
	req := signed(t, admin, request(t, admin, http.MethodPost, "/clusters", strings.Repeat(" ", size)), time.Now())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		// The server may close the connection while we still write; it must not have been there all along.
		if !strings.Contains(err.Error(), "connection reset") && !strings.Contains(err.Error(), "broken pipe") {
			t.Fatal(err)
		}
	} else {
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("got %s, want 413", resp.Status)
		}
	}
	admin.AWS(t, "eks", "list-clusters")
}

func request(t *testing.T, c *testenv.Client, method, path, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.Getenv("AWS_ENDPOINT_URL")+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// answerTo is the answer to a request, and its body.
func answerTo(t *testing.T, req *http.Request) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

// signed signs a request for EKS, dated at a moment.
func signed(t *testing.T, c *testenv.Client, req *http.Request, at time.Time) *http.Request {
	t.Helper()
	return signedFor(t, c, "eks", req, at)
}

// signedFor signs a request for a service, dated at a moment.
func signedFor(t *testing.T, c *testenv.Client, service string, req *http.Request, at time.Time) *http.Request {
	t.Helper()
	body, err := req.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, body); err != nil {
		t.Fatal(err)
	}
	err = sigv4.New().SignRequest(&sigv4.SignRequestInput{
		Request: req, PayloadHash: hash.Sum(nil), Credentials: keysOf(c), Service: service, Region: c.Getenv("AWS_REGION"), Time: at,
	})
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// alter changes the body to another of the same length.
func alter(req *http.Request) *http.Request {
	body, _ := io.ReadAll(req.Body)
	body = bytes.Replace(body, []byte("raw"), []byte("war"), 1)
	req.Body = io.NopCloser(bytes.NewReader(body))
	return req
}

func repath(req *http.Request, path string) *http.Request {
	req.URL.Path = path
	return req
}

func query(req *http.Request, raw string) *http.Request {
	req.URL.RawQuery = raw
	return req
}
