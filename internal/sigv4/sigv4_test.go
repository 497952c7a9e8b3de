package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"minato.dev/minato"
	"minato.dev/minato/internal/sigv4"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var signedAt = time.Date(2026, 11, 23, 12, 36, 0, 0, time.UTC)

// signed is a request signed by the AWS SDK, sent over the wire and parsed as a server parses it.
func signed(t testing.TB, method, target, body, token string, change ...func(*http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "http://127.0.0.1:4566"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("User-Agent", "test/1")
	for _, c := range change {
		c(r)
	}
	hash := sha256.Sum256([]byte(body))
	credentials := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: token}
	err = v4.NewSigner().SignHTTP(context.Background(), credentials, r, hex.EncodeToString(hash[:]), "eks", "us-east-1", signedAt)
	if err != nil {
		t.Fatal(err)
	}
	return received(t, r)
}

func presigned(t testing.TB, target string, change ...func(*http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", "http://127.0.0.1:4566"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(r)
	}
	empty := sha256.Sum256(nil)
	signedURL, header, err := v4.NewSigner().PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret},
		r, hex.EncodeToString(empty[:]), "sts", "us-east-1", signedAt)
	if err != nil {
		t.Fatal(err)
	}
	r, err = http.NewRequest("GET", signedURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	r.Header.Del("Host")
	return received(t, r)
}

// received is what a server makes of the bytes that a client sends.
func received(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func verify(t testing.TB, r *http.Request, now time.Time) (*sigv4.Signed, error) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sigv4.Parse(r, sigv4.Rules{})
	if err != nil {
		return nil, err
	}
	return s, s.Verify(secret, body, now)
}

func reasonOf(err error) string {
	if e, ok := errors.AsType[*minato.Error](err); ok {
		return e.Reason
	}
	return ""
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func TestWhatTheSDKSigns(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*http.Request{
		"get":               signed(t, "GET", "/clusters", "", ""),
		"post":              signed(t, "POST", "/clusters", `{"name":"prod"}`, ""),
		"no path":           signed(t, "GET", "", "", ""),
		"session token":     signed(t, "GET", "/clusters", "", "sealed/id+with=signs"),
		"ARN in path":       signed(t, "GET", "/clusters/c/access-entries/arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx", "", ""),
		"odd path":          signed(t, "GET", "/clusters/a%20b%2Bc%C3%A9~_-.*", "", ""),
		"two slashes":       signed(t, "GET", "//clusters//a", "", ""),
		"query":             signed(t, "GET", "/clusters?maxResults=2&include=all&nextToken=a%2Fb%3D%3D", "", ""),
		"repeated query":    signed(t, "GET", "/v?clusterVersions=1.31&clusterVersions=1.30&a", "", ""),
		"query order":       signed(t, "GET", "/v?b=1&a-=1&a=2&B=3&a=10&%C3%A9=1", "", ""),
		"space in query":    signed(t, "GET", "/v?a=x%20y&b=x+y&c=%2B", "", ""),
		"spaces in header":  signed(t, "GET", "/v", "", "", header("X-Amz-Meta", "  a   b  ")),
		"header twice":      signed(t, "GET", "/v", "", "", header("X-Custom", "b"), header("X-Custom", " a")),
		"body hash header":  signed(t, "POST", "/v", "abc", "", header("X-Amz-Content-Sha256", hashOf("abc"))),
		"big body":          signed(t, "POST", "/v", strings.Repeat("x", 100_000), ""),
		"presigned":         presigned(t, "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60"),
		"presigned headers": presigned(t, "/?Action=GetCallerIdentity&X-Amz-Expires=60", header("X-K8s-Aws-Id", "prod")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := verify(t, r, signedAt.Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if s.AccessKeyID != keyID || s.Scope.Date != "20261123" || s.Scope.Region != "us-east-1" || !s.Time.Equal(signedAt) {
				t.Errorf("it was taken for %+v", s)
			}
		})
	}
}

func hashOf(s string) string {
	hash := sha256.Sum256([]byte(s))
	return hex.EncodeToString(hash[:])
}

func TestSessionToken(t *testing.T) {
	t.Parallel()
	s, err := verify(t, signed(t, "GET", "/", "", "tok+en/="), signedAt)
	if err != nil || s.SessionToken != "tok+en/=" || s.Scope.Service != "eks" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestAlteredRequests(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*http.Request)
		want   string
	}{
		"body":              {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"name":"x"}`)) }, sigv4.Mismatch},
		"no body":           {func(r *http.Request) { r.Body = http.NoBody }, sigv4.Mismatch},
		"path":              {func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/clusters/d", "" }, sigv4.Mismatch},
		"path encoding":     {func(r *http.Request) { r.URL.RawPath = "/clusters/c/a%2fb" }, sigv4.Mismatch},
		"dot segment":       {func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/x/.."+r.URL.Path, "" }, sigv4.Mismatch},
		"query":             {func(r *http.Request) { r.URL.RawQuery = "a=2" }, sigv4.Mismatch},
		"more query":        {func(r *http.Request) { r.URL.RawQuery += "&b=2" }, sigv4.Mismatch},
		"doubled parameter": {func(r *http.Request) { r.URL.RawQuery += "&a=1" }, sigv4.Mismatch},
		"no query":          {func(r *http.Request) { r.URL.RawQuery = "" }, sigv4.Mismatch},
		"method":            {func(r *http.Request) { r.Method = "DELETE" }, sigv4.Mismatch},
		"host":              {func(r *http.Request) { r.Host = "127.0.0.1:4567" }, sigv4.Mismatch},
		"no host":           {func(r *http.Request) { r.Host = "" }, sigv4.Mismatch},
		"signed header":     {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, sigv4.Mismatch},
		"lost header":       {func(r *http.Request) { r.Header.Del("Content-Type") }, sigv4.Mismatch},
		"repeated header":   {header("Content-Type", "application/json"), sigv4.Mismatch},
		"unsigned x-amz":    {header("X-Amz-Target", "Evil"), sigv4.Mismatch},
		"token added":       {header("X-Amz-Security-Token", "stolen"), sigv4.Mismatch},
		"later date":        {func(r *http.Request) { r.Header.Set("X-Amz-Date", "20261123T123700Z") }, sigv4.Mismatch},
		"other day":         {func(r *http.Request) { r.Header.Set("X-Amz-Date", "20261124T123600Z") }, sigv4.Mismatch},
		"two dates":         {header("X-Amz-Date", "20261123T123600Z"), sigv4.Incomplete},
		"bad date":          {func(r *http.Request) { r.Header.Set("X-Amz-Date", "today") }, sigv4.Incomplete},
		"no signature":      {func(r *http.Request) { r.Header.Del("Authorization") }, sigv4.Missing},
		"bearer":            {func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, sigv4.Missing},
		"two signatures":    {func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Signature=" + strings.Repeat("0", 64) }, sigv4.Incomplete},
		"two authorizations": {func(r *http.Request) {
			r.Header.Add("Authorization", r.Header.Get("Authorization"))
		}, sigv4.Incomplete},
		"bad hash header": {header("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), sigv4.Mismatch},
		"bad query":       {func(r *http.Request) { r.URL.RawQuery = "a=%zz" }, sigv4.Incomplete},
		"huge query":      {func(r *http.Request) { r.URL.RawQuery = strings.Repeat("a", 70_000) }, sigv4.Incomplete},
		"key":             {edit("Credential="+keyID, "Credential=AKIDOTHER"), ""},
		"region":          {edit("us-east-1", "us-east-2"), sigv4.Mismatch},
		"service":         {edit("/eks/", "/iam/"), sigv4.Mismatch},
		"terminator":      {edit("aws4_request", "aws5_request"), sigv4.Mismatch},
		"scope date":      {edit("/20261123/", "/20261122/"), sigv4.Mismatch},
		"short scope":     {edit("/eks/aws4_request", "/aws4_request"), sigv4.Incomplete},
		"odd key":         {edit("Credential="+keyID, "Credential=AK ID!"), sigv4.Incomplete},
		"host unsigned":   {edit("host;", ""), sigv4.Mismatch},
		"unsorted":        {edit("SignedHeaders=content-length;content-type", "SignedHeaders=content-type;content-length"), sigv4.Incomplete},
		"header doubled":  {edit("host;", "host;host;"), sigv4.Incomplete},
		"upper case":      {edit("host;", "Host;"), sigv4.Incomplete},
		"no credential":   {edit("Credential=", "Key="), sigv4.Incomplete},
		"extra part":      {edit("Signature=", "Extra=1, Signature="), sigv4.Incomplete},
		"part twice":      {edit("Signature=", "Signature=1, Signature="), sigv4.Incomplete},
		"short signature": {edit("Signature=", "Signature=00, X="), sigv4.Incomplete},
		"algorithm":       {edit("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 "), sigv4.Missing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := signed(t, "POST", "/clusters/c/a%2Fb?a=1", `{"name":"prod"}`, "")
			tc.change(r)
			s, err := verify(t, r, signedAt)
			if tc.want == "" { // another key's id: it is the caller who finds no such secret
				if s.AccessKeyID == keyID {
					t.Error("the key is still read as the signer's")
				}
				return
			}
			if reasonOf(err) != tc.want {
				t.Errorf("got %v (%s), want %s", err, reasonOf(err), tc.want)
			}
		})
	}
}

// edit changes the Authorization header.
func edit(from, to string) func(*http.Request) {
	return func(r *http.Request) {
		before := r.Header.Get("Authorization")
		after := strings.Replace(before, from, to, 1)
		if after == before {
			panic("nothing to edit in " + before)
		}
		r.Header.Set("Authorization", after)
	}
}

func TestAlteredPresignedRequests(t *testing.T) {
	t.Parallel()
	replace := func(from, to string) func(*http.Request) {
		return func(r *http.Request) {
			after := strings.Replace(r.URL.RawQuery, from, to, 1)
			if after == r.URL.RawQuery {
				panic("nothing to replace in " + r.URL.RawQuery)
			}
			r.URL.RawQuery = after
		}
	}
	for name, tc := range map[string]struct {
		change func(*http.Request)
		want   string
	}{
		"action":          {replace("GetCallerIdentity", "GetSessionToken"), sigv4.Mismatch},
		"longer life":     {replace("X-Amz-Expires=60", "X-Amz-Expires=600"), sigv4.Mismatch},
		"too long a life": {replace("X-Amz-Expires=60", "X-Amz-Expires=604801"), sigv4.Incomplete},
		"odd life":        {replace("X-Amz-Expires=60", "X-Amz-Expires=x"), sigv4.Incomplete},
		"no life":         {replace("X-Amz-Expires=60", ""), sigv4.Incomplete},
		"other cluster":   {func(r *http.Request) { r.Header.Set("X-K8s-Aws-Id", "dev") }, sigv4.Mismatch},
		"no cluster":      {func(r *http.Request) { r.Header.Del("X-K8s-Aws-Id") }, sigv4.Mismatch},
		"body":            {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("x")) }, sigv4.Mismatch},
		"date twice":      {replace("X-Amz-Date=", "X-Amz-Date=20261123T123600Z&X-Amz-Date="), sigv4.Incomplete},
		"action twice":    {replace("Action=", "Action=Other&Action="), sigv4.Mismatch},
		"algorithm":       {replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), sigv4.Incomplete},
		"token added":     {replace("Action=", "X-Amz-Security-Token=x&Action="), sigv4.Mismatch},
		"no signature":    {replace("X-Amz-Signature=", "Signature="), sigv4.Incomplete},
		"no headers":      {replace("X-Amz-SignedHeaders=", "X="), sigv4.Incomplete},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := presigned(t, "/?Action=GetCallerIdentity&X-Amz-Expires=60", header("X-K8s-Aws-Id", "prod"))
			tc.change(r)
			if _, err := verify(t, r, signedAt); reasonOf(err) != tc.want {
				t.Errorf("got %v (%s), want %s", err, reasonOf(err), tc.want)
			}
		})
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		presigned bool
		after     time.Duration
		want      string
	}{
		"at once":                 {false, 0, ""},
		"a slow clock":            {false, 5 * time.Minute, ""},
		"replayed":                {false, 15 * time.Minute, sigv4.Mismatch},
		"just too late":           {false, 5*time.Minute + time.Second, sigv4.Mismatch},
		"a fast clock":            {false, -5 * time.Minute, ""},
		"too early":               {false, -5*time.Minute - time.Second, sigv4.Mismatch},
		"presigned in life":       {true, 60 * time.Second, ""},
		"presigned after it":      {true, 61 * time.Second, sigv4.Expired},
		"presigned in the future": {true, -6 * time.Minute, sigv4.Mismatch},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := signed(t, "GET", "/", "", "")
			if tc.presigned {
				r = presigned(t, "/?X-Amz-Expires=60")
			}
			if _, err := verify(t, r, signedAt.Add(tc.after)); reasonOf(err) != tc.want || err != nil && tc.want == "" {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestWrongSecret(t *testing.T) {
	t.Parallel()
	s, err := sigv4.Parse(signed(t, "GET", "/", "", ""), sigv4.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(secret+"x", nil, signedAt); reasonOf(err) != sigv4.Mismatch {
		t.Errorf("got %v", err)
	}
	if err := s.Verify(secret, nil, signedAt); err != nil {
		t.Error(err)
	}
}

func TestSingleEncoding(t *testing.T) {
	t.Parallel()
	r, err := http.NewRequest("GET", "http://127.0.0.1:4566/bucket/a%20b/%C3%A9%2B", nil)
	if err != nil {
		t.Fatal(err)
	}
	err = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(context.Background(),
		aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, r, hashOf(""), "s3", "us-east-1", signedAt)
	if err != nil {
		t.Fatal(err)
	}
	r = received(t, r)
	for rules, want := range map[sigv4.Rules]string{{SingleEncoding: true}: "", {}: sigv4.Mismatch} {
		s, err := sigv4.Parse(r, rules)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(secret, nil, signedAt); reasonOf(err) != want {
			t.Errorf("%+v: got %v, want %q", rules, err, want)
		}
	}
}

// clusterToken is the presigned URL inside of a k8s-aws-v1 token.
func clusterToken(t testing.TB) (*url.URL, http.Header) {
	r := presigned(t, "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", header("X-K8s-Aws-Id", "prod"))
	u, err := url.Parse("http://" + r.Host + r.URL.RequestURI())
	if err != nil {
		t.Fatal(err)
	}
	return u, http.Header{"X-K8s-Aws-Id": {"prod"}}
}

func TestClusterToken(t *testing.T) {
	t.Parallel()
	u, header := clusterToken(t)
	for name, tc := range map[string]struct {
		header   http.Header
		lifetime time.Duration
		after    time.Duration
		want     string
	}{
		"fresh":                     {header, 0, time.Minute, ""},
		"over by its own word":      {header, 0, 2 * time.Minute, sigv4.Expired},
		"good by the caller's rule": {header, 15 * time.Minute, 14 * time.Minute, ""},
		"over by the caller's rule": {header, 15 * time.Minute, 16 * time.Minute, sigv4.Expired},
		"another cluster":           {http.Header{"X-K8s-Aws-Id": {"dev"}}, 0, 0, sigv4.Mismatch},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := sigv4.ParseURL(u, tc.header)
			if err != nil {
				t.Fatal(err)
			}
			if tc.lifetime != 0 {
				s.Lifetime = tc.lifetime
			}
			if err := s.Verify(secret, nil, signedAt.Add(tc.after)); reasonOf(err) != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := sigv4.ParseURL(u, nil); reasonOf(err) != sigv4.Mismatch {
		t.Errorf("a token without its cluster: %v", err)
	}
}

func BenchmarkClusterToken(b *testing.B) {
	u, header := clusterToken(b)
	b.ReportAllocs()
	for b.Loop() {
		s, err := sigv4.ParseURL(u, header)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Verify(secret, nil, signedAt); err != nil {
			b.Fatal(err)
		}
	}
}
