package machine

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
)

// TestRegistries: what comes with the password gets through the proxy, over TLS, to other machines.
func TestRegistries(t *testing.T) {
	t.Parallel()
	registry := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "layers") }))
	t.Cleanup(registry.Close)
	r := newRegistries(slog.New(slog.DiscardHandler))
	proxy := httptest.NewServer(r)
	t.Cleanup(proxy.Close)
	get := func(user *url.Userinfo) string {
		through, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		through.User = user
		transport := registry.Client().Transport.(*http.Transport).Clone()
		transport.Proxy = http.ProxyURL(through)
		defer transport.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, registry.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	right := url.UserPassword(registriesUser, r.password)
	if got := get(right); !strings.Contains(got, "127.0.0.1 is not the address of another machine") {
		t.Errorf("this machine's loopback: %s", got)
	}
	r.control = func(string, string, syscall.RawConn) error { return nil }
	if got := get(right); got != "layers" {
		t.Errorf("another machine: %s", got)
	}
	for _, user := range []*url.Userinfo{nil, url.UserPassword(registriesUser, "guess")} {
		if got := get(user); !strings.Contains(got, "Proxy Authentication Required") {
			t.Errorf("as %v: %s", user, got)
		}
	}
}

func TestOtherMachine(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"198.51.100.7:443": true, "[2001:db8::7]:443": true, "10.9.8.7:5000": true,
		"127.0.0.1:443": false, "[::1]:443": false, "[::ffff:127.0.0.1]:443": false, "169.254.169.254:443": false, "[fe80::1]:443": false,
		"0.0.0.0:443": false, "224.0.0.1:443": false, "nonsense": false,
	} {
		if err := otherMachine("tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}
