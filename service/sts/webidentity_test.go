package sts_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/sts"
)

const (
	issuer  = "oidc.example.com:4567/id/0123456789ABCDEF"
	subject = "system:serviceaccount:dev:app"
)

// webWorld is a world with an identity provider in account, and a role "web" for subject.
type webWorld struct {
	*world
	key *rsa.PrivateKey
	in  sts.AssumeRoleWithWebIdentity
}

func newWebWorld(t testing.TB) *webWorld {
	t.Helper()
	w := &webWorld{world: newWorld(t)}
	var err error
	w.key, err = rsa.GenerateKey(rand.Reader, 2048)
	w.must(err)
	w.ProviderKey = func(_ context.Context, p iam.OIDCProvider, id string) (crypto.PublicKey, error) {
		switch id {
		case "k1":
			return w.key.Public(), nil
		case "away":
			return nil, minato.Errorf(minato.Unavailable, "no answer")
		case "untrusted":
			return nil, minato.Errorf(minato.Denied, "another certificate")
		}
		return nil, minato.Errorf(minato.NotFound, "%s has no key %s", p.URL, id)
	}
	p, err := w.iam.CreateOIDCProvider(t.Context(), account, "https://"+issuer, []string{"sts.amazonaws.com", "other"}, nil, nil)
	w.must(err)
	role, err := w.iam.CreateRole(t.Context(), account, iam.NewRole{Name: "web", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Federated":"` + p.ARN().String() + `"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"` + issuer + `:aud":"sts.amazonaws.com"},"StringLike":{"` + issuer + `:sub":"system:serviceaccount:dev:*"}}}]}`})
	w.must(err)
	w.in = sts.AssumeRoleWithWebIdentity{RoleARN: role.ARN().String(), SessionName: "pod"}
	return w
}

// token signs claims; a nil value takes one away.
func (w *webWorld) token(keyID string, with map[string]any) string {
	w.Helper()
	now := time.Now()
	claims := jwt.MapClaims{"iss": "https://" + issuer, "sub": subject, "aud": []string{"sts.amazonaws.com"}, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(claims, with)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	t.Header["kid"] = keyID
	signed, err := t.SignedString(w.key)
	w.must(err)
	return signed
}

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	t.Parallel()
	w := newWebWorld(t)
	w.in.Token = w.token("k1", map[string]any{"amr": []string{"authenticated"}})
	w.in.Policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
	out, err := w.AssumeRoleWithWebIdentity(t.Context(), w.in)
	w.must(err)
	if out.Subject != subject || out.Audience != "sts.amazonaws.com" || out.Provider.Resource != "oidc-provider/"+issuer ||
		out.ARN.String() != "arn:aws:sts::111122223333:assumed-role/web/pod" || !strings.HasSuffix(out.ID, ":pod") {
		t.Errorf("answer: %+v", out)
	}
	c, err := w.iam.Credentials(t.Context(), out.AccessKeyID, out.SessionToken)
	w.must(err)
	// The role's policies may ask what the provider said, and the session policy holds.
	w.allow(c, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","eks:*"],"Resource":"*",
		"Condition":{"StringEquals":{"`+issuer+`:sub":"`+subject+`"},"ForAnyValue:StringEquals":{"`+issuer+`:amr":"authenticated"}}}]}`)
	for action, ok := range map[string]bool{"s3:GetObject": true, "s3:PutObject": false, "eks:ListClusters": false} {
		if err := w.iam.Authorize(t.Context(), iam.Access{Credential: c, Action: action}); (err == nil) != ok {
			t.Errorf("%s: %v", action, err)
		}
	}
}

func TestWebIdentityRefused(t *testing.T) {
	t.Parallel()
	w := newWebWorld(t)
	good := w.token("k1", nil)
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k1"}`)) + "." + payload + "."
	other := newWebWorld(t)
	now := time.Now()
	const unauthorized = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
	for _, c := range []struct {
		name, token     string
		change          func(*sts.AssumeRoleWithWebIdentity)
		kind            minato.Kind
		reason, message string
	}{
		{name: "no token", kind: minato.Invalid, reason: iam.ValidationError, message: "Value null at 'webIdentityToken'"},
		{name: "not a token", token: "a.b.c", kind: minato.Invalid, reason: sts.InvalidIdentityToken, message: "not a valid JWT"},
		{name: "long", token: strings.Repeat("a", 20001), kind: minato.Invalid, reason: iam.ValidationError, message: "it has 20001"},
		{name: "alg none", token: none, kind: minato.Invalid, reason: sts.InvalidIdentityToken, message: `The algorithm "none"`},
		{name: "another key's signature", token: other.token("k1", nil), kind: minato.Invalid, reason: sts.InvalidIdentityToken, message: "signature"},
		{name: "changed", token: head + "." + payload + "A." + signature, kind: minato.Invalid, reason: sts.InvalidIdentityToken},
		{name: "unknown key", token: w.token("k2", nil), kind: minato.Invalid, reason: sts.InvalidIdentityToken, message: "Couldn't retrieve verification key"},
		{name: "silent provider", token: w.token("away", nil), kind: minato.Invalid, reason: sts.IDPCommunicationError, message: "could not be reached"},
		{name: "certificate", token: w.token("untrusted", nil), kind: minato.Invalid, reason: sts.InvalidIdentityToken, message: "thumbprint"},
		{name: "expired", token: w.token("k1", map[string]any{"exp": now.Unix() - 1}), kind: minato.Invalid, reason: sts.ExpiredTokenException, message: "Token expired: current date/time"},
		{name: "of tomorrow", token: w.token("k1", map[string]any{"nbf": now.Add(time.Hour).Unix()}), kind: minato.Denied, reason: sts.IDPRejectedClaim, message: "nbf"},
		{name: "no subject", token: w.token("k1", map[string]any{"sub": nil}), kind: minato.Invalid, reason: sts.InvalidIdentityToken, message: "Missing a required claim: sub"},
		{name: "no end", token: w.token("k1", map[string]any{"exp": nil}), kind: minato.Invalid, reason: sts.InvalidIdentityToken, message: "exp"},
		{name: "another issuer", token: w.token("k1", map[string]any{"iss": "https://issuer.example.org"}), kind: minato.Invalid, reason: sts.InvalidIdentityToken,
			message: "No OpenIDConnect provider found in your account for https://issuer.example.org"},
		{name: "plain issuer", token: w.token("k1", map[string]any{"iss": "http://" + issuer}), kind: minato.Invalid, reason: sts.InvalidIdentityToken, message: "No OpenIDConnect provider"},
		{name: "audience", token: w.token("k1", map[string]any{"aud": "pods.eks.amazonaws.com"}), kind: minato.Invalid, reason: sts.InvalidIdentityToken, message: "Incorrect token audience"},
		{name: "authorized party", token: w.token("k1", map[string]any{"azp": "somebody"}), kind: minato.Invalid, reason: sts.InvalidIdentityToken, message: "Incorrect token audience"},
		{name: "aud condition", token: w.token("k1", map[string]any{"aud": "other"}), kind: minato.Denied, reason: iam.AccessDenied, message: unauthorized},
		{name: "sub condition", token: w.token("k1", map[string]any{"sub": "system:serviceaccount:prod:app"}), kind: minato.Denied, reason: iam.AccessDenied, message: unauthorized},
		{name: "no such role", token: good, change: func(in *sts.AssumeRoleWithWebIdentity) { in.RoleARN += "2" }, kind: minato.Denied, reason: iam.AccessDenied, message: unauthorized},
		{name: "role of another account", token: good, change: func(in *sts.AssumeRoleWithWebIdentity) {
			in.RoleARN = strings.Replace(in.RoleARN, account, "444455556666", 1)
		}, kind: minato.Invalid, reason: sts.InvalidIdentityToken, message: "No OpenIDConnect provider found in your account"},
		{name: "long session", token: good, change: func(in *sts.AssumeRoleWithWebIdentity) { in.Duration = 2 * time.Hour }, kind: minato.Invalid,
			reason: iam.ValidationError, message: "MaxSessionDuration"},
		{name: "policy", token: good, change: func(in *sts.AssumeRoleWithWebIdentity) { in.Policy = "{}" }, kind: minato.Invalid, reason: iam.MalformedPolicyDocument},
		{name: "session name", token: good, change: func(in *sts.AssumeRoleWithWebIdentity) { in.SessionName = "x" }, kind: minato.Invalid, reason: iam.ValidationError,
			message: "roleSessionName"},
	} {
		in := w.in
		in.Token = c.token
		if c.change != nil {
			c.change(&in)
		}
		t.Run(c.name, func(t *testing.T) {
			_, err := w.AssumeRoleWithWebIdentity(t.Context(), in)
			(&world{TB: t}).wants(err, c.kind, c.reason, c.message)
		})
	}
}

// FuzzWebIdentityToken: no token but one that the key signed gets credentials, and none brings anything down.
func FuzzWebIdentityToken(f *testing.F) {
	w := newWebWorld(f)
	good := w.token("k1", nil)
	f.Add(good)
	f.Add(good + "=")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(w.token("k1", map[string]any{"aud": 7, "amr": "x"}))
	f.Fuzz(func(t *testing.T, token string) {
		in := w.in
		in.Token = token
		_, err := w.AssumeRoleWithWebIdentity(t.Context(), in)
		if err == nil && token != good {
			t.Fatalf("%q gets credentials", token)
		}
		if err != nil && minato.KindOf(err) == minato.Internal {
			t.Fatalf("%q: %v", token, err)
		}
	})
}
