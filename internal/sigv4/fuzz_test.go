package sigv4_test

import (
	"net/http"
	"net/url"
	"testing"

	"minato.dev/minato/internal/sigv4"
)

// FuzzParse looks for a request that panics the parser, or one that verifies though it does not say what was signed.
func FuzzParse(f *testing.F) {
	r := signed(f, "POST", "/clusters/a%2Fb?x=1", "{}", "")
	f.Add("POST", r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("X-Amz-Date"))
	p := presigned(f, "/?Action=GetCallerIdentity&X-Amz-Expires=60")
	f.Add("GET", p.URL.RequestURI(), "", "")
	f.Add("GET", "/?X-Amz-Signature", "AWS4-HMAC-SHA256 Credential=////,SignedHeaders=;,Signature==", "")
	f.Fuzz(func(t *testing.T, method, target, authorization, date string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		h := http.Header{}
		for name, values := range r.Header {
			h[name] = values
		}
		h.Set("Authorization", authorization)
		h.Set("X-Amz-Date", date)
		if date == "" {
			h = http.Header{}
		}
		s, err := sigv4.Parse(&http.Request{Method: method, URL: u, Host: r.Host, Header: h, ContentLength: 2}, sigv4.Rules{})
		if err != nil {
			if reasonOf(err) == "" {
				t.Errorf("an error without a reason: %v", err)
			}
			return
		}
		if s.Verify(secret, []byte("{}"), signedAt) == nil && (method != "POST" || u.EscapedPath() != r.URL.EscapedPath() ||
			u.Query().Encode() != "x=1" || date != r.Header.Get("X-Amz-Date")) {
			t.Errorf("%s %s is not what was signed", method, target)
		}
	})
}
