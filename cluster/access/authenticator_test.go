package access_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
)

func TestUserInfoIsThatOfEKS(t *testing.T) {
	t.Parallel()
	const uid = "aws-iam-authenticator:111122223333:"
	extra := func(keyID, arn, canonical, id, session string) map[string][]string {
		return map[string][]string{
			"accessKeyId": {keyID}, "arn": {arn}, "canonicalArn": {canonical}, "principalId": {id}, "sessionName": {session},
			"sigs.k8s.io/aws-iam-authenticator/principalId": {id},
		}
	}
	userExtra := extra("AKIAUSER", "arn:aws:iam::111122223333:user/team/alice", "arn:aws:iam::111122223333:user/team/alice", "AIDAEXAMPLEUSER", "")
	roleExtra := extra("ASIAROLE", "arn:aws:sts::111122223333:assumed-role/admin/alice@example.com",
		"arn:aws:iam::111122223333:role/admin", "AROAEXAMPLEROLE", "alice@example.com")
	for _, tt := range []struct {
		name    string
		creator minato.Principal
		keyID   string
		want    access.User
	}{
		{"user", user, "AKIAUSER", access.User{UID: uid + "AIDAEXAMPLEUSER", Extra: userExtra}},
		{"role session", role, "ASIAROLE", access.User{UID: uid + "AROAEXAMPLEROLE", Extra: roleExtra}},
		{"root", root, "AKIAROOT", access.User{
			UID:   uid + account,
			Extra: extra("AKIAROOT", "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:root", account, ""),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.want.Username, tt.want.Groups = "kubernetes-admin", []string{"system:masters"}
			got, err := authenticator(t, cluster(tt.creator, "CONFIG_MAP", true)).Authenticate(t.Context(), clusterID, token{keyID: tt.keyID}.make(t))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("user (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyTheCreatorIsAdministrator(t *testing.T) {
	t.Parallel()
	otherSession := role
	otherSession.ID, otherSession.SessionName = "AROAEXAMPLEROLE:bob", "bob"
	otherSession.ARN.Resource = "assumed-role/admin/bob"
	elsewhere := user
	elsewhere.Account = "444455556666"
	for _, tt := range []struct {
		name      string
		creator   minato.Principal
		mode      string
		bootstrap bool
		keyID     string
		want      bool
	}{
		{"creator", user, "CONFIG_MAP", true, "AKIAUSER", true},
		{"creator whose access entry is gone", user, "API", true, "AKIAUSER", false},
		{"creator whose access entry is gone, both modes", user, "API_AND_CONFIG_MAP", true, "AKIAUSER", false},
		{"CONFIG_MAP knows no cluster without its creator", user, "CONFIG_MAP", false, "AKIAUSER", true},
		{"another session of the role", otherSession, "CONFIG_MAP", true, "ASIAROLE", true},
		{"another user", role, "CONFIG_MAP", true, "AKIAUSER", false},
		{"root of the creator's account", user, "CONFIG_MAP", true, "AKIAROOT", false},
		{"the role was made again", role, "CONFIG_MAP", true, "ASIAAGAIN", false},
		{"the role is another one's namesake", recreated, "CONFIG_MAP", true, "ASIAROLE", false},
		{"another account", elsewhere, "CONFIG_MAP", true, "AKIAUSER", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := authenticator(t, cluster(tt.creator, tt.mode, tt.bootstrap)).Authenticate(t.Context(), clusterID, token{keyID: tt.keyID}.make(t))
			if tt.want {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, err, access.UnmappedPrincipal)
			if got := access.AccessKeyID(err); got != tt.keyID {
				t.Errorf("the error names the key %q, want %q", got, tt.keyID)
			}
		})
	}
}

// refused checks that err says no, for the reason given.
func refused(t *testing.T, err error, reason string) {
	t.Helper()
	e, ok := errors.AsType[*minato.Error](err)
	if !ok || e.Kind != minato.Unauthenticated || e.Reason != reason {
		t.Errorf("error = %#v, want kind unauthenticated, reason %s", err, reason)
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	a := authenticator(t, cluster(user, "CONFIG_MAP", true))
	for host, want := range map[string]bool{
		"https://sts.us-east-1.amazonaws.com":      true,
		"https://sts.us-east-1.amazonaws.com:443":  true,
		"https://sts.amazonaws.com":                true,
		"https://sts-fips.us-east-1.amazonaws.com": true,
		"https://sts.eu-central-1.api.aws":         true,
		"https://sts.ap-southeast-2.amazonaws.com": true,
		"http://127.0.0.1:4566":                    true,
		"http://localhost:4566":                    true,
		"http://[::1]:4566":                        true,
		"https://127.0.0.1:4567":                   true,
		"https://minato.example:4567":              true,
		"http://minato.example:4566":               true,

		"http://sts.us-east-1.amazonaws.com":          false,
		"https://sts.us-east-1.amazonaws.com:8443":    false,
		"https://sts.us-gov-west-1.amazonaws.com":     false,
		"https://sts.cn-north-1.amazonaws.com.cn":     false,
		"https://iam.amazonaws.com":                   false,
		"https://sts.amazonaws.com.evil.example":      false,
		"https://evil-sts.us-east-1.amazonaws.com":    false,
		"https://sts.us-east-1.amazonaws.com.example": false,
		"http://127.0.0.1:4568":                       false,
		"http://127.0.0.1":                            false,
		"http://evil.example:4566":                    false,
	} {
		_, err := a.Authenticate(t.Context(), clusterID, token{host: host}.make(t))
		if want && err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if !want {
			refused(t, err, access.UntrustedHost)
		}
	}
}

func TestRefusedTokens(t *testing.T) {
	t.Parallel()
	set := func(name string, values ...string) func(url.Values) { return func(q url.Values) { q[name] = values } }
	type scenario struct {
		name   string
		token  string
		reason string
	}
	made := func(name, reason string, k token) scenario { return scenario{name, k.make(t), reason} }
	good := token{}.make(t)
	for _, tt := range []scenario{
		{"empty", "", access.NotOurToken},
		{"another authenticator's", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", access.NotOurToken},
		{"one byte too long", access.Prefix + strings.Repeat("A", access.MaxTokenBytes-len(access.Prefix)+1), access.TokenTooLong},
		{"as long as may be", access.Prefix + strings.Repeat("A", access.MaxTokenBytes-len(access.Prefix)), access.MalformedToken},
		{"prefix only", access.Prefix, access.UntrustedHost},
		{"not base64", access.Prefix + "%%%", access.MalformedToken},
		{"padded", good + "==", access.MalformedToken},
		{"no URL", encode("https://[sts/"), access.MalformedToken},
		{"binary", encode("\x00\xff\x7f"), access.MalformedToken},

		made("another path", access.UntrustedHost, token{url: replace("/?", "/x?")}),
		made("no path", access.UntrustedHost, token{url: replace("/?", "?")}),
		made("two slashes", access.UntrustedHost, token{url: replace("com/?", "com//?")}),
		made("another scheme", access.UntrustedHost, token{url: replace("https", "ftp")}),
		made("user in the URL", access.UntrustedHost, token{url: replace("https://", "https://user:pw@")}),
		made("fragment", access.UntrustedHost, token{url: func(s string) string { return s + "#x" }}),

		made("doubled parameter", access.BadParameters, token{query: set("Version", "2011-06-15", "2011-06-15")}),
		made("doubled after signing", access.BadParameters, token{url: func(s string) string { return s + "&Action=GetCallerIdentity" }}),
		made("unknown parameter", access.BadParameters, token{query: set("Host", "x")}),
		made("parameter in another spelling", access.BadParameters, token{query: set("action", "GetCallerIdentity")}),
		made("semicolons", access.BadParameters, token{url: func(s string) string { return s + ";a=b" }}),
		made("bad escape", access.BadParameters, token{url: func(s string) string { return s + "&a=%zz" }}),
		made("another action", access.BadParameters, token{query: set("Action", "AssumeRole")}),
		made("no action", access.BadParameters, token{query: func(q url.Values) { q.Del("Action") }}),
		made("expires too late", access.BadParameters, token{query: set("X-Amz-Expires", "901")}),
		made("expires before", access.BadParameters, token{query: set("X-Amz-Expires", "-1")}),
		made("no expiry", access.BadParameters, token{query: func(q url.Values) { q.Del("X-Amz-Expires") }}),
		made("more headers signed", access.BadParameters, token{header: http.Header{"X-More": {"1"}}}),
		made("another service", access.BadParameters, token{service: "s3"}),

		made("no date", "IncompleteSignature", token{url: replace("&X-Amz-Date=20261123T123600Z", "")}),
		made("half a date", "IncompleteSignature", token{url: replace("T123600Z", "")}),
		made("cluster header not signed", access.BadParameters, token{url: replace("host%3Bx-k8s-aws-id", "host")}),
		made("no signature", "IncompleteSignature", token{url: func(s string) string { return s[:strings.Index(s, "&X-Amz-Signature")] }}),

		made("another cluster", "SignatureDoesNotMatch", token{cluster: "staging"}),
		made("changed parameter", "SignatureDoesNotMatch", token{url: replace("2011-06-15", "2011-06-16")}),
		made("changed signature", "SignatureDoesNotMatch", token{url: func(s string) string {
			last := map[bool]string{true: "1", false: "0"}[s[len(s)-1] == '0']
			return s[:len(s)-1] + last
		}}),
		made("another host than signed", "SignatureDoesNotMatch", token{url: replace("us-east-1.amazonaws", "us-west-2.amazonaws")}),
		made("too old", "RequestExpired", token{age: access.TokenLifetime + time.Second}),
		made("from the future", "SignatureDoesNotMatch", token{age: -5*time.Minute - time.Second}),

		made("unknown key", "InvalidClientTokenId", token{keyID: "AKIANOBODY"}),
		made("session token dropped", "InvalidToken", token{keyID: "ASIAROLE", url: replace("&X-Amz-Security-Token=role-session", "")}),
		made("session token of another", "InvalidToken", token{keyID: "ASIAROLE", url: replace("role-session", "again-session")}),
		made("session token where none belongs", "InvalidToken", token{query: set("X-Amz-Security-Token", "x")}),
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := authenticator(t, cluster(user, "CONFIG_MAP", true)).Authenticate(t.Context(), clusterID, tt.token)
			refused(t, err, tt.reason)
			if err != nil && len(tt.token) > 40 && strings.Contains(err.Error(), tt.token[len(tt.token)-40:]) {
				t.Errorf("the error gives the token away: %v", err)
			}
		})
	}
}

func TestGoodForFifteenMinutes(t *testing.T) {
	t.Parallel()
	a := authenticator(t, cluster(user, "CONFIG_MAP", true))
	for _, age := range []time.Duration{-5 * time.Minute, 0, 2 * time.Minute, access.TokenLifetime} {
		if _, err := a.Authenticate(t.Context(), clusterID, token{age: age}.make(t)); err != nil {
			t.Errorf("age %s: %v", age, err)
		}
	}
	for _, expires := range []string{"0", "900"} {
		k := token{age: 14 * time.Minute, query: func(q url.Values) { q.Set("X-Amz-Expires", expires) }}
		if _, err := a.Authenticate(t.Context(), clusterID, k.make(t)); err != nil {
			t.Errorf("expires %s: %v", expires, err)
		}
	}
}

func TestUnknownCluster(t *testing.T) {
	t.Parallel()
	_, err := authenticator(t, cluster(user, "CONFIG_MAP", true)).Authenticate(t.Context(), "ffff", token{}.make(t))
	refused(t, err, access.UnknownCluster)
}

func TestOwnHostsNeedAPort(t *testing.T) {
	t.Parallel()
	if _, err := access.OwnHosts("localhost", 0, nil); err == nil {
		t.Error("a listen address without a port is accepted")
	}
	own, err := access.OwnHosts("10.1.2.3:4566", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"127.0.0.1:4566", "localhost:4566", "[::1]:4566", "10.1.2.3:4566"}
	if diff := cmp.Diff(want, own); diff != "" {
		t.Errorf("own hosts (-want +got):\n%s", diff)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	for name, keyID := range map[string]string{"user": "AKIAUSER", "role session": "ASIAROLE"} {
		b.Run(name, func(b *testing.B) {
			a := authenticator(b, cluster(allKeys[keyID].principal, "CONFIG_MAP", true))
			k := token{keyID: keyID, host: "http://127.0.0.1:4566"}.make(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Authenticate(b.Context(), clusterID, k); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
