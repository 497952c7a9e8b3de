package sigv4

import (
	"bytes"
	"net/http"
	"net/url"
	"testing"
	"time"
)

func TestPresignedURLsAreGood(t *testing.T) {
	t.Parallel()
	u, err := url.Parse("https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	header := http.Header{"X-K8s-Aws-Id": {"prod"}}
	for name, key := range map[string]Key{
		"long-lived": {AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "secret"},
		"session":    {AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: "a/b+c=="},
	} {
		signed, err := Presign(u, header, key, "us-east-1", "sts", now, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseURL(signed, header)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.AccessKeyID != key.AccessKeyID || got.SessionToken != key.SessionToken || got.Lifetime != time.Minute {
			t.Errorf("%s: read as %+v", name, got)
		}
		if err := got.Verify(key.SecretAccessKey, nil, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		other, err := ParseURL(signed, http.Header{"X-K8s-Aws-Id": {"test"}})
		if err == nil {
			err = other.Verify(key.SecretAccessKey, nil, now)
		}
		if err == nil {
			t.Errorf("%s: good for another cluster, too", name)
		}
	}
}

func TestSignedRequestsAreGood(t *testing.T) {
	t.Parallel()
	now, body := time.Now(), []byte(`{"token":"x"}`)
	for name, key := range map[string]Key{
		"long-lived": {AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "secret"},
		"session":    {AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: "a/b+c=="},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://192.0.2.1:4566/clusters/a%20b/x?q=1", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if err := Sign(r, body, key, "us-east-1", "eks-auth", now); err != nil {
			t.Fatal(err)
		}
		got, err := Parse(r, Rules{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.AccessKeyID != key.AccessKeyID || got.SessionToken != key.SessionToken || got.Scope.Service != "eks-auth" {
			t.Errorf("%s: read as %+v", name, got)
		}
		if err := got.Verify(key.SecretAccessKey, body, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got.Verify(key.SecretAccessKey, []byte("{}"), now) == nil {
			t.Errorf("%s: good for another body, too", name)
		}
	}
}
