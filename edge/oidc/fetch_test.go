package oidc_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato"
	"minato.dev/minato/edge/oidc"
)

const fetchedID = "0123456789abcdef0123456789abcdef"

// issuerElsewhere serves one issuer over TLS, with a certificate that no authority signed, and counts what it is asked.
func issuerElsewhere(t *testing.T, key crypto.PublicKey, answer func(w http.ResponseWriter, r *http.Request) bool) (issuer, thumbprint string, asked *int) {
	t.Helper()
	asked = new(int)
	handler := oidc.Handler(func(context.Context, string) (string, []crypto.PublicKey, bool) {
		return issuer, []crypto.PublicKey{key}, true
	}, slog.New(slog.DiscardHandler))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked++
		if answer == nil || !answer(w, r) {
			handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	return server.URL + "/id/" + fetchedID, oidc.Thumbprint(server.Certificate()), asked
}

func TestFetchedKey(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	id, err := oidc.KeyID(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	issuer, thumbprint, asked := issuerElsewhere(t, private.Public(), nil)
	f := &oidc.Fetcher{}
	for range 2 {
		key, err := f.Key(t.Context(), issuer, []string{strings.ToUpper(thumbprint)}, id)
		if err != nil || !private.PublicKey.Equal(key) {
			t.Fatalf("key = %v, %v", key, err)
		}
	}
	if *asked != 2 {
		t.Errorf("the issuer was asked %d times, want once for each document", *asked)
	}
	if _, err := f.Key(t.Context(), issuer, []string{thumbprint}, "another"); !minato.Is(err, minato.NotFound) {
		t.Errorf("another key: %v", err)
	}
	if _, err := f.Key(t.Context(), issuer, []string{strings.Repeat("0", 40)}, id); !minato.Is(err, minato.Denied) || !strings.Contains(err.Error(), thumbprint) {
		t.Errorf("another thumbprint: %v", err)
	}
}

// TestFetchedTogether is that many who need an issuer's keys at once ask it once, also where it is slow.
func TestFetchedTogether(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	issuer, thumbprint, asked := issuerElsewhere(t, private.Public(), func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(50 * time.Millisecond)
		return false
	})
	f := &oidc.Fetcher{}
	var group errgroup.Group
	for range 20 {
		group.Go(func() error {
			if _, err := f.Key(t.Context(), issuer, []string{thumbprint}, "forged"); !minato.Is(err, minato.NotFound) {
				return fmt.Errorf("got %w, want that there is no such key", err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if *asked != 2 {
		t.Errorf("the issuer was asked %d times, want once for each document", *asked)
	}
}

// A certificate that has the thumbprint but not the name of the host is not trusted.
func TestThumbprintIsNoName(t *testing.T) {
	t.Parallel()
	issuer, thumbprint, _ := issuerElsewhere(t, nil, nil)
	issuer = strings.Replace(issuer, "127.0.0.1", "localhost", 1)
	if _, err := (&oidc.Fetcher{}).Key(t.Context(), issuer, []string{thumbprint}, "k"); !minato.Is(err, minato.Denied) && !minato.Is(err, minato.Unavailable) {
		t.Errorf("error = %v", err)
	}
}

func TestIssuerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"an error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"no JSON":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"another issuer": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"issuer":"https://example.com"}`))
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"too much": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) },
		"plain keys": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"issuer":"https://` + r.Host + "/id/" + fetchedID + `","jwks_uri":"http://` + r.Host + `/keys"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer, thumbprint, _ := issuerElsewhere(t, nil, func(w http.ResponseWriter, r *http.Request) bool { answer(w, r); return true })
			if _, err := (&oidc.Fetcher{}).Key(t.Context(), issuer, []string{thumbprint}, "k"); !minato.Is(err, minato.Unavailable) {
				t.Errorf("error = %v", err)
			}
		})
	}
	if _, err := (&oidc.Fetcher{}).Key(t.Context(), "https://127.0.0.1:1/id/x", nil, "k"); !minato.Is(err, minato.Unavailable) {
		t.Errorf("nobody there: %v", err)
	}
}
