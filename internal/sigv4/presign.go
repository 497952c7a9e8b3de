package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Key is what a signer signs with.
type Key struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // empty for long-lived keys
}

// emptyHash is the SHA-256 of no body.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// Presign signs a bare GET of a URL, host and the given headers included, for a service in a region: the URL that carries the
// signature, good for lifetime from now on. It is the counterpart of ParseURL.
func Presign(u *url.URL, header http.Header, key Key, region, service string, now time.Time, lifetime time.Duration) (*url.URL, error) {
	now = now.UTC()
	scope := Scope{Date: now.Format(dateLayout), Region: region, Service: service}
	names := []string{"host"}
	for name := range header {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	q := u.Query()
	q.Set("X-Amz-Algorithm", algorithm)
	q.Set("X-Amz-Credential", key.AccessKeyID+"/"+scope.String())
	q.Set("X-Amz-Date", now.Format(timeLayout))
	q.Set("X-Amz-Expires", strconv.Itoa(int(lifetime/time.Second)))
	q.Set("X-Amz-SignedHeaders", strings.Join(names, ";"))
	if key.SessionToken != "" {
		q.Set("X-Amz-Security-Token", key.SessionToken)
	}
	signed := *u
	signed.RawQuery = q.Encode()
	params, err := parseQuery(signed.RawQuery)
	if err != nil {
		return nil, err
	}
	r := &request{method: http.MethodGet, host: u.Host, path: u.EscapedPath(), query: signed.RawQuery, header: header}
	head, err := canonicalHead(r, params, names)
	if err != nil {
		return nil, err
	}
	s := &Signed{Scope: scope, Time: now, canonical: head}
	signed.RawQuery += "&X-Amz-Signature=" + s.sign(key.SecretAccessKey, emptyHash)
	return &signed, nil
}

// Sign signs a request with a body for a service in a region, in its headers: host, Content-Type and every header that begins with
// x-amz- are signed. It is the counterpart of Parse.
func Sign(r *http.Request, body []byte, key Key, region, service string, now time.Time) error {
	now = now.UTC()
	scope := Scope{Date: now.Format(dateLayout), Region: region, Service: service}
	digest := sha256.Sum256(body)
	r.Header.Set("X-Amz-Date", now.Format(timeLayout))
	r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(digest[:]))
	if key.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", key.SessionToken)
	}
	names := []string{"host"}
	for name := range r.Header {
		if name = strings.ToLower(name); name == "content-type" || strings.HasPrefix(name, "x-amz-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	params, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	signed := &request{method: r.Method, host: r.URL.Host, path: r.URL.EscapedPath(), query: r.URL.RawQuery, header: r.Header, contentLength: int64(len(body))}
	head, err := canonicalHead(signed, params, names)
	if err != nil {
		return err
	}
	s := &Signed{Scope: scope, Time: now, canonical: head}
	r.Header.Set("Authorization", algorithm+" Credential="+key.AccessKeyID+"/"+scope.String()+", SignedHeaders="+strings.Join(names, ";")+
		", Signature="+s.sign(key.SecretAccessKey, hex.EncodeToString(digest[:])))
	return nil
}
