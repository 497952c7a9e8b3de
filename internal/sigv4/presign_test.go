package sigv4

import (
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
