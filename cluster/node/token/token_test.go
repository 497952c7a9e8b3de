package token

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/internal/sigv4"
)

func TestTokenIsSignedForItsCluster(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := credentials{Code: "Success", AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", Token: "session/+"}
	token, err := c.sign("prod", "eu-west-1", now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, prefix))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(string(b))
	if err != nil || u.Host != "sts.eu-west-1.amazonaws.com" {
		t.Fatalf("the token is %s, %v", b, err)
	}
	for cluster, good := range map[string]bool{"prod": true, "test": false} {
		signed, err := sigv4.ParseURL(u, http.Header{"X-K8s-Aws-Id": {cluster}})
		if err == nil {
			err = signed.Verify("secret", nil, now)
		}
		if (err == nil) != good {
			t.Errorf("for %s: %v", cluster, err)
		}
	}
}

func TestExecCredential(t *testing.T) {
	t.Parallel()
	b, err := ExecCredential("k8s-aws-v1.x", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	want := `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"expirationTimestamp":"2026-01-01T00:14:00Z","token":"k8s-aws-v1.x"}}`
	if err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
}
