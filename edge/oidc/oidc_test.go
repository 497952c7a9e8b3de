package oidc_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/edge/oidc"
	"minato.dev/minato/internal/pki"
)

const (
	id     = "0123456789abcdef0123456789abcdef"
	issuer = "https://minato.example:4567/id/" + id
)

// serve publishes the keys of one issuer over TLS and returns a getter.
func serve(t *testing.T, keys ...crypto.PublicKey) func(method, path string) (*http.Response, string) {
	t.Helper()
	ca, err := pki.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(pki.Request{CommonName: "minato", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true, Validity: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	find := func(_ context.Context, asked string) (string, []crypto.PublicKey, bool) {
		return issuer, keys, asked == id
	}
	srv := httptest.NewUnstartedServer(oidc.Handler(find, slog.New(slog.NewTextHandler(t.Output(), nil))))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}}}
	t.Cleanup(client.CloseIdleConnections)
	return func(method, path string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequest(method, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(body)
	}
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	get := serve(t, rsaKey(t).Public())
	resp, body := get("GET", "/id/"+id+"/.well-known/openid-configuration")
	want := `{"issuer":"` + issuer + `","jwks_uri":"` + issuer + `/keys",` +
		`"authorization_endpoint":"urn:kubernetes:programmatic_authorization","response_types_supported":["id_token"],` +
		`"subject_types_supported":["public"],"claims_supported":["sub","iss"],"id_token_signing_alg_values_supported":["RS256"]}` + "\n"
	if resp.StatusCode != 200 || body != want {
		t.Errorf("discovery = %d\n%s\nwant\n%s", resp.StatusCode, body, want)
	}
	if h := resp.Header; h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "public, max-age=3600" {
		t.Errorf("headers = %v", h)
	}
}

type key struct{ Kty, Kid, Use, Alg, N, E, Crv, X, Y string }

func number(t *testing.T, s string) *big.Int {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return new(big.Int).SetBytes(b)
}

// TestKeysVerify reads the published keys as a verifier does and checks signatures with them.
func TestKeysVerify(t *testing.T) {
	t.Parallel()
	first, second := rsaKey(t), rsaKey(t)
	curves := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}
	publish := []crypto.PublicKey{first.Public(), second.Public()}
	ec := map[string]*ecdsa.PrivateKey{}
	for alg, curve := range curves {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		ec[alg] = k
		publish = append(publish, k.Public())
	}
	resp, body := serve(t, publish...)("GET", "/id/"+id+"/keys")
	if got := resp.Header.Get("Cache-Control"); got != "public, max-age=60" {
		t.Errorf("Cache-Control = %q", got)
	}
	var set struct{ Keys []key }
	if err := json.Unmarshal([]byte(body), &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != len(publish) {
		t.Fatalf("%d keys published, want %d", len(set.Keys), len(publish))
	}
	digest := sha256.Sum256([]byte("header.claims"))
	for i, private := range []*rsa.PrivateKey{first, second} {
		k := set.Keys[i]
		signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		public := &rsa.PublicKey{N: number(t, k.N), E: int(number(t, k.E).Int64())}
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
			t.Errorf("published RSA key %d: %v", i, err)
		}
		if k.Kty != "RSA" || k.Alg != "RS256" || k.Use != "sig" {
			t.Errorf("key %d = %+v", i, k)
		}
		if kid, err := oidc.KeyID(private.Public()); err != nil || k.Kid != kid || len(kid) != 43 {
			t.Errorf("kid = %q, want %q, %v", k.Kid, kid, err)
		}
	}
	for _, k := range set.Keys[2:] {
		signature, err := ecdsa.SignASN1(rand.Reader, ec[k.Alg], digest[:])
		if err != nil {
			t.Fatal(err)
		}
		size := (curves[k.Alg].Params().BitSize + 7) / 8 // RFC 7518 wants leading zeros kept
		x, y := number(t, k.X).FillBytes(make([]byte, size)), number(t, k.Y).FillBytes(make([]byte, size))
		if want := base64.RawURLEncoding.EncodedLen(size); len(k.X) != want || len(k.Y) != want {
			t.Errorf("%s: coordinates have %d and %d characters, want %d", k.Alg, len(k.X), len(k.Y), want)
		}
		public, err := ecdsa.ParseUncompressedPublicKey(curves[k.Alg], slices.Concat([]byte{4}, x, y))
		if err != nil {
			t.Fatal(err)
		}
		if !ecdsa.VerifyASN1(public, digest[:], signature) {
			t.Errorf("published key for %s does not verify", k.Alg)
		}
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	get := serve(t, rsaKey(t).Public())
	for _, path := range []string{
		"/", "/id", "/id/" + id, "/id/" + id + "/", "/id/" + id + "/keys/x", "/id/" + id + "/jwks",
		"/id/" + strings.Repeat("f", 32) + "/keys",
		"/id/" + strings.ToUpper(id) + "/keys",
		"/id/" + id[:31] + "/keys",
		"/id/" + id + "0/.well-known/openid-configuration",
		"/id/..%2f" + id + "/keys",
		"/.well-known/openid-configuration",
	} {
		if resp, _ := get("GET", path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, resp.StatusCode)
		}
	}
	if resp, _ := get("POST", "/id/"+id+"/keys"); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d, want 405", resp.StatusCode)
	}
	if resp, body := get("HEAD", "/id/"+id+"/keys"); resp.StatusCode != 200 || body != "" {
		t.Errorf("HEAD: %d %q", resp.StatusCode, body)
	}
}

func TestKeyThatCannotBePublished(t *testing.T) {
	t.Parallel()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if resp, body := serve(t, public)("GET", "/id/"+id+"/keys"); resp.StatusCode != http.StatusInternalServerError || strings.Contains(body, "ed25519") {
		t.Errorf("answer = %d %s", resp.StatusCode, body)
	}
}

func TestDiscoveryNamesTheAlgorithmsInUse(t *testing.T) {
	t.Parallel()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for want, keys := range map[string][]crypto.PublicKey{
		`["ES256","RS256"]`: {rsaKey(t).Public(), k.Public(), rsaKey(t).Public()},
		`["ES256"]`:         {k.Public()},
		`["RS256"]`:         {},
	} {
		if _, body := serve(t, keys...)("GET", "/id/"+id+oidc.DiscoveryPath); !strings.Contains(body, want) {
			t.Errorf("discovery = %s, want %s", body, want)
		}
	}
}
