package imds

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func newService(t *testing.T, optional bool) (*Service, *httptest.Server) {
	t.Helper()
	s, err := New(Config{
		Values: map[string]string{
			"meta-data/instance-id": "i-1", "meta-data/placement/region": "us-east-1", "meta-data/placement/availability-zone": "us-east-1a",
			"user-data": "hello",
		},
		Dynamic: map[string]func() (string, bool){
			"meta-data/iam/security-credentials/node": func() (string, bool) { return "{}", true },
			"meta-data/iam/info":                      func() (string, bool) { return "", false },
		},
		TokensOptional: optional,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server
}

func TestPaths(t *testing.T) {
	t.Parallel()
	_, server := newService(t, false)
	c := NewClient()
	c.base = server.URL
	for path, want := range map[string]string{
		"meta-data/instance-id":                   "i-1",
		"meta-data/placement/":                    "availability-zone\nregion",
		"meta-data":                               "iam/\ninstance-id\nplacement/",
		"meta-data/iam":                           "security-credentials/",
		"meta-data/iam/security-credentials/":     "node",
		"meta-data/iam/security-credentials/node": "{}",
		"user-data":                               "hello",
		"":                                        "meta-data/\nuser-data",
	} {
		if got, err := c.Get(t.Context(), path); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", path, got, err, want)
		}
	}
	for _, path := range []string{"meta-data/nothing", "meta-data/iam/info", "meta-data/instance-id/deeper"} {
		if got, err := c.Get(t.Context(), path); err == nil {
			t.Errorf("%q is there: %q", path, got)
		}
	}
}

// TestTokens is what is answered to requests without a token, with a bad one, and for one.
func TestTokens(t *testing.T) {
	t.Parallel()
	for _, optional := range []bool{false, true} {
		s, server := newService(t, optional)
		good := ask(t, server, http.MethodPut, tokenPath, ttlHeader, "60", http.StatusOK)
		without := http.StatusUnauthorized
		if optional {
			without = http.StatusOK
		}
		const path = "/latest/meta-data/instance-id"
		ask(t, server, http.MethodGet, path, "Accept", "*/*", without)
		ask(t, server, http.MethodGet, path, tokenHeader, good, http.StatusOK)
		ask(t, server, http.MethodGet, "/2021-07-15/meta-data/instance-id", tokenHeader, good, http.StatusOK)
		ask(t, server, http.MethodGet, "/newest/meta-data/instance-id", tokenHeader, good, http.StatusNotFound)
		ask(t, server, http.MethodGet, path, tokenHeader, "AAAA"+good[4:], http.StatusUnauthorized)
		ask(t, server, http.MethodGet, path, tokenHeader, "nonsense", http.StatusUnauthorized)
		ask(t, server, http.MethodPost, path, tokenHeader, good, http.StatusMethodNotAllowed)
		ask(t, server, http.MethodGet, tokenPath, ttlHeader, "60", http.StatusMethodNotAllowed)
		for _, ttl := range []string{"", "0", "-1", "21601", "soon"} {
			ask(t, server, http.MethodPut, tokenPath, ttlHeader, ttl, http.StatusBadRequest)
		}
		s.now = func() time.Time { return time.Now().Add(time.Minute + time.Second) }
		ask(t, server, http.MethodGet, path, tokenHeader, good, http.StatusUnauthorized)
	}
}

func TestNoTokenThroughProxies(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	r := httptest.NewRequest(http.MethodPut, tokenPath, nil)
	r.Header.Set(ttlHeader, "60")
	r.Header.Set("X-Forwarded-For", "10.0.0.1")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("a proxy gets %d", w.Code)
	}
}

func ask(t *testing.T, server *httptest.Server, method, path, header, value string, want int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(header, value)
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != want {
		t.Errorf("%s %s with %s %.20q: %d, want %d", method, path, header, value, resp.StatusCode, want)
	}
	b := make([]byte, 1024)
	n, _ := resp.Body.Read(b)
	return string(b[:n])
}
