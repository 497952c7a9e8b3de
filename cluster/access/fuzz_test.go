package access_test

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
)

// FuzzAuthenticate looks for bytes that panic the parser, that are refused without a reason, or that are let in though they
// do not say what was signed.
func FuzzAuthenticate(f *testing.F) {
	a := authenticator(f, cluster(user, "CONFIG_MAP", true))
	good := decode(f, token{}.make(f))
	signed, err := url.Parse(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(strings.Replace(good, "https", "http", 1))
	f.Add(strings.Replace(good, "/?", "/?&", 1))
	f.Add(decode(f, token{keyID: "ASIAROLE", host: "http://[::1]:4566"}.make(f)))
	f.Add("https://sts.amazonaws.com/?Action=GetCallerIdentity&X-Amz-Expires=0&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id")
	f.Add("")
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := a.Authenticate(t.Context(), clusterID, encode(raw))
		if err == nil {
			u, err := url.Parse(raw)
			if err != nil || u.Query().Encode() != signed.Query().Encode() || u.Hostname() != signed.Hostname() {
				t.Errorf("%q was let in, and is not what was signed", raw)
			}
			return
		}
		if e, ok := errors.AsType[*minato.Error](err); !ok || e.Kind != minato.Unauthenticated || e.Reason == "" {
			t.Errorf("refused without a reason: %#v", err)
		}
	})
}

func decode(t testing.TB, token string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, access.Prefix))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
