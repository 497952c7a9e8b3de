package sigv4_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/internal/sigv4"
)

// TestVersion2 is AWS's own example ("Signing and authenticating REST requests (AWS signature version 2)", S3 User Guide), and what may be
// changed in it.
func TestVersion2(t *testing.T) {
	t.Parallel()
	const (
		secret  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
		path    = "/photos/puppy.jpg"
		query   = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"
		bucket  = "/johnsmith"
		expires = 1175139620
	)
	for name, c := range map[string]struct {
		method, resource, query, secret string
		header                          http.Header
		at                              int64
		want                            string // a reason
	}{
		"as it was signed":           {"GET", bucket + path, query, secret, nil, expires, ""},
		"narrowed":                   {"GET", bucket + path, query + "&prefix=a", secret, nil, expires, ""},
		"with a range":               {"GET", bucket + path, query, secret, http.Header{"Range": {"bytes=0-1"}}, expires, ""},
		"too late":                   {"GET", bucket + path, query, secret, nil, expires + 1, sigv4.Expired},
		"another method":             {"PUT", bucket + path, query, secret, nil, expires, sigv4.Mismatch},
		"another bucket":             {"GET", "/other" + path, query, secret, nil, expires, sigv4.Mismatch},
		"another key":                {"GET", bucket + "/other", query, secret, nil, expires, sigv4.Mismatch},
		"another secret":             {"GET", bucket + path, query, "x", nil, expires, sigv4.Mismatch},
		"later":                      {"GET", bucket + path, strings.Replace(query, "620", "621", 1), secret, nil, expires, sigv4.Mismatch},
		"another subresource":        {"GET", bucket + path, query + "&acl", secret, nil, expires, sigv4.Mismatch},
		"a header":                   {"GET", bucket + path, query, secret, http.Header{"X-Amz-Acl": {"private"}}, expires, sigv4.Mismatch},
		"a header in the query":      {"GET", bucket + path, query + "&x-amz-acl=private", secret, nil, expires, sigv4.Mismatch},
		"a type":                     {"GET", bucket + path, query, secret, http.Header{"Content-Type": {"a/b"}}, expires, sigv4.Mismatch},
		"what nothing signs":         {"GET", bucket + path, query + "&attributes", secret, nil, expires, sigv4.Incomplete},
		"twice":                      {"GET", bucket + path, query + "&expires=1", secret, nil, expires, sigv4.Incomplete},
		"no end":                     {"GET", bucket + path, strings.TrimSuffix(query, "=1175139620"), secret, nil, expires, sigv4.Incomplete},
		"a signature that is no sum": {"GET", bucket + path, strings.Replace(query, "Npg", "%21", 1), secret, nil, expires, sigv4.Mismatch},
	} {
		r := &http.Request{Method: c.method, URL: &url.URL{Path: path, RawQuery: c.query}, Header: c.header}
		s, err := sigv4.ParseVersion2(r, c.resource)
		if err == nil {
			err = s.VerifyHead(c.secret, time.Unix(c.at, 0))
		}
		if got := reasonOf(err); got != c.want || err != nil && got == "" {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
