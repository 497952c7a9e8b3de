package oidc

import (
	"context"
	"crypto"
	"crypto/sha1" //nolint:gosec // thumbprints of IAM are SHA-1
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"minato.dev/minato"
	"minato.dev/minato/internal/jwks"
)

// Bounds of asking an issuer elsewhere.
const (
	fetchTimeout = 5 * time.Second
	maxDocument  = jwks.MaxBytes
	keysLast     = 5 * time.Minute  // before they are fetched again
	keysAsked    = 10 * time.Second // before they are fetched again for a key that is not among them
	failureLasts = 10 * time.Second // before an issuer that did not answer is asked again
	maxIssuers   = 256              // whose keys are remembered
)

// Fetcher finds the keys of issuers elsewhere, over HTTPS, and remembers them for some minutes, and for some seconds that there were none.
// Its zero value is ready.
type Fetcher struct {
	flights singleflight.Group
	mu      sync.Mutex
	sets    map[string]fetchedKeys
	fetch   func(ctx context.Context, issuer string, thumbprints []string) (map[string]crypto.PublicKey, error) // nil for fetch
}

// fetchedKeys is what an issuer has answered.
type fetchedKeys struct {
	keys  map[string]crypto.PublicKey
	at    time.Time
	tried time.Time // at last
	err   error     // of that try
}

// Key is an issuer's key with an id. The issuer's certificate must be of a certificate authority that this machine trusts or, as on AWS
// where it is not, the last one of the chain that its server sends must have one of the thumbprints: the SHA-1 of a certificate, in hex.
// Errors are of kind NotFound where the issuer has no such key, Denied where its certificate is not trusted, and Unavailable where it does
// not answer as an issuer should.
func (f *Fetcher) Key(ctx context.Context, issuer string, thumbprints []string, id string) (crypto.PublicKey, error) {
	name := issuer + " " + strings.Join(thumbprints, " ")
	set := f.known(name)
	key, ok := set.keys[id]
	if age := time.Since(set.at); age > keysLast || !ok && age > keysAsked {
		var err error
		if set, err = f.renew(ctx, name, set, issuer, thumbprints); err != nil {
			return nil, err
		}
		key, ok = set.keys[id]
	}
	if !ok {
		return nil, minato.Errorf(minato.NotFound, "%s has no key %.64q", issuer, id)
	}
	return key, nil
}

// renew asks an issuer, unless it has just been asked in vain. Who asks for the same issuer at the same time waits for one answer: tokens
// come without a signature, from anybody.
func (f *Fetcher) renew(ctx context.Context, name string, set fetchedKeys, issuer string, thumbprints []string) (fetchedKeys, error) {
	if set.err != nil && time.Since(set.tried) < failureLasts {
		return set, set.err
	}
	answer, _, _ := f.flights.Do(name, func() (any, error) {
		now := f.known(name)
		if now.tried.After(set.tried) {
			return now, nil
		}
		ask := fetch
		if f.fetch != nil {
			ask = f.fetch
		}
		keys, err := ask(context.WithoutCancel(ctx), issuer, thumbprints)
		now.tried, now.err = time.Now(), err
		if err == nil {
			now.keys, now.at = keys, now.tried
		}
		f.remember(name, now)
		return now, nil
	})
	set, _ = answer.(fetchedKeys)
	return set, set.err
}

func (f *Fetcher) known(name string) fetchedKeys {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sets[name]
}

func (f *Fetcher) remember(name string, set fetchedKeys) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sets == nil || len(f.sets) >= maxIssuers {
		f.sets = map[string]fetchedKeys{}
	}
	f.sets[name] = set
}

func fetch(ctx context.Context, issuer string, thumbprints []string) (map[string]crypto.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			InsecureSkipVerify: true, //nolint:gosec // trusted does it, by thumbprints too
			VerifyConnection:   func(c tls.ConnectionState) error { return trusted(c, thumbprints) },
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("an issuer may not redirect")
	}}
	document, err := get(ctx, client, issuer+DiscoveryPath)
	if err != nil {
		return nil, err
	}
	var found configuration
	if err := json.Unmarshal(document, &found); err != nil {
		return nil, unavailable("%s%s is not JSON: %w", issuer, DiscoveryPath, err)
	}
	if strings.TrimSuffix(found.Issuer, "/") != issuer {
		return nil, unavailable("the issuer %s calls itself %.256q", issuer, found.Issuer)
	}
	if u, err := url.Parse(found.JWKSURI); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, unavailable("the jwks_uri of %s is %.256q: want https://host/path", issuer, found.JWKSURI)
	}
	if document, err = get(ctx, client, found.JWKSURI); err != nil {
		return nil, err
	}
	keys, err := jwks.Parse(document)
	if err != nil {
		return nil, unavailable("%s: %w", found.JWKSURI, err)
	}
	return keys, nil
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, unavailable("asking %s: %w", url, err)
	}
	resp, err := client.Do(req)
	if e, ok := errors.AsType[*minato.Error](err); ok {
		return nil, e
	}
	if err != nil {
		return nil, unavailable("asking %s: %w", url, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, unavailable("%s answers %s", url, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, unavailable("reading %s: %w", url, err)
	}
	if len(b) > maxDocument {
		return nil, unavailable("%s has more than %d bytes", url, maxDocument)
	}
	return b, nil
}

func unavailable(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.Unavailable, format, args...)
}

// trusted is nil if a server is who it should be: by the machine's certificate authorities or by a thumbprint.
func trusted(c tls.ConnectionState, thumbprints []string) error {
	chain := c.PeerCertificates
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: c.ServerName, Intermediates: between})
	if err == nil {
		return nil
	}
	last := chain[len(chain)-1]
	for _, t := range thumbprints {
		if !strings.EqualFold(t, Thumbprint(last)) {
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(last)
		_, err := chain[0].Verify(x509.VerifyOptions{DNSName: c.ServerName, Intermediates: between, Roots: roots})
		if err == nil {
			return nil
		}
	}
	return minato.Errorf(minato.Denied, "%s: the last certificate that it sends has the thumbprint %s", err, Thumbprint(last))
}

// Thumbprint is how IAM names a certificate.
func Thumbprint(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw) //nolint:gosec // as on AWS
	return hex.EncodeToString(sum[:])
}
