package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"minato.dev/minato/internal/testenv"
)

// issuer signs tokens as a kube-apiserver does, and others that no kube-apiserver signs.
type issuer struct {
	*testing.T
	url string
	key *ecdsa.PrivateKey
}

func newIssuer(t *testing.T, url string) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{t, url, key}
}

// keys is what it publishes.
func (i *issuer) keys() []byte {
	point, err := i.key.PublicKey.Bytes()
	if err != nil {
		i.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	b, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "use": "sig", "alg": "ES256", "kid": "one", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:]),
	}}})
	if err != nil {
		i.Fatal(err)
	}
	return b
}

// token is one of the pod web of the ServiceAccount dev/app, with other claims than usual, if there are some, signed with its key or another.
func (i *issuer) token(method jwt.SigningMethod, key any, kid string, other jwt.MapClaims) string {
	i.Helper()
	now := time.Now()
	claims := jwt.MapClaims{
		"iss": i.url, "aud": []string{"pods.eks.amazonaws.com"}, "sub": "system:serviceaccount:dev:app",
		"iat": now.Add(-time.Minute).Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
		"kubernetes.io": map[string]any{
			"namespace": "dev", "pod": map[string]string{"name": "web", "uid": "p"}, "serviceaccount": map[string]string{"name": "app", "uid": "s"},
		},
	}
	maps.Copy(claims, other)
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	signed, err := token.SignedString(key)
	if err != nil {
		i.Fatal(err)
	}
	return signed
}

// testBadTokens shows EKS Auth all kinds of tokens for a cluster that runs elsewhere and has the test sign its tokens. One is good.
func testBadTokens(t *testing.T, c *testenv.Client, role, anotherClusters string) {
	t.Helper()
	const name = "podidentity-issuer"
	i := newIssuer(t, "https://issuer.example")
	trust := strings.Replace(trust, "eks.amazonaws.com", "ssm.amazonaws.com", 1)
	connector := c.AWS(t, "iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust, "--query", "Role.Arn", "--output", "text")
	c.AWS(t, "eks", "register-cluster", "--name", name, "--connector-config", "provider=OTHER,roleArn="+connector)
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, i.keys(), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Run(t, "minato", "identity", "register", "--cluster", name, "--issuer", i.url, "--jwks", file)
	c.AWS(t, "eks", "create-pod-identity-association", "--cluster-name", name, "--namespace", "dev", "--service-account", "app", "--role-arn", role)

	public, err := i.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	past, coming := time.Now().Add(-time.Second).Unix(), time.Now().Add(time.Hour).Unix()
	for what, row := range map[string]struct{ token, want string }{
		"good":                       {i.token(jwt.SigningMethodES256, i.key, "one", nil), `"accessKeyId"`},
		"expired":                    {i.token(jwt.SigningMethodES256, i.key, "one", jwt.MapClaims{"exp": past}), "ExpiredTokenException"},
		"without an end":             {i.token(jwt.SigningMethodES256, i.key, "one", jwt.MapClaims{"exp": nil}), "InvalidTokenException"},
		"not yet good":               {i.token(jwt.SigningMethodES256, i.key, "one", jwt.MapClaims{"nbf": coming}), "InvalidTokenException"},
		"another issuer's":           {i.token(jwt.SigningMethodES256, i.key, "one", jwt.MapClaims{"iss": "https://other.example"}), "InvalidTokenException"},
		"another's key":              {i.token(jwt.SigningMethodES256, newIssuer(t, "").key, "one", nil), "InvalidTokenException"},
		"an unknown key":             {i.token(jwt.SigningMethodES256, i.key, "two", nil), "InvalidTokenException"},
		"unsigned":                   {i.token(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "one", nil) + "e30", "InvalidTokenException"},
		"signed with the public key": {i.token(jwt.SigningMethodHS256, public, "one", nil), "InvalidTokenException"},
		"for somebody else":          {i.token(jwt.SigningMethodES256, i.key, "one", jwt.MapClaims{"aud": "sts.amazonaws.com"}), "InvalidTokenException"},
		"of no pod":                  {i.token(jwt.SigningMethodES256, i.key, "one", jwt.MapClaims{"kubernetes.io": map[string]any{"namespace": "dev"}}), "InvalidTokenException"},
		"of two accounts":            {i.token(jwt.SigningMethodES256, i.key, "one", jwt.MapClaims{"sub": "system:serviceaccount:dev:other"}), "InvalidTokenException"},
		"another cluster's":          {anotherClusters, "InvalidTokenException"},
		"no token":                   {"a.b", "InvalidParameterException"},
		"of another ServiceAccount":  {i.token(jwt.SigningMethodES256, i.key, "one", podOf("other")), "ResourceNotFoundException"},
	} {
		body, err := json.Marshal(map[string]string{"token": row.token})
		if err != nil {
			t.Fatal(err)
		}
		req := signedFor(t, c, "eks-auth", request(t, c, http.MethodPost, "/clusters/"+name+"/assume-role-for-pod-identity", string(body)), time.Now())
		if answer := answerOf(t, req); !strings.Contains(answer, row.want) {
			t.Errorf("a token %s is answered %s, want %s", what, answer, row.want)
		}
	}
	c.AWS(t, "eks", "deregister-cluster", "--name", name)
}

// podOf are the claims of a pod of another ServiceAccount of the namespace dev.
func podOf(account string) jwt.MapClaims {
	return jwt.MapClaims{"sub": "system:serviceaccount:dev:" + account, "kubernetes.io": map[string]any{
		"namespace": "dev", "pod": map[string]string{"name": "web", "uid": "p"}, "serviceaccount": map[string]string{"name": account, "uid": "s"},
	}}
}

// testBadIdentities shows STS all kinds of tokens of an issuer that is an HTTPS server of the test.
func testBadIdentities(t *testing.T, c *testenv.Client) {
	t.Helper()
	var i *issuer
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/.well-known/openid-configuration" {
			_, _ = io.WriteString(w, `{"issuer":"`+i.url+`","jwks_uri":"`+i.url+`/keys"}`)
			return
		}
		_, _ = w.Write(i.keys())
	}))
	t.Cleanup(server.Close)
	i = newIssuer(t, server.URL)
	sum := sha1.Sum(server.Certificate().Raw)
	provider := c.AWS(t, "iam", "create-open-id-connect-provider", "--url", i.url, "--client-id-list", "sts.amazonaws.com", "--thumbprint-list", hex.EncodeToString(sum[:]),
		"--query", "OpenIDConnectProviderArn", "--output", "text")
	role := c.AWS(t, "iam", "create-role", "--role-name", "irsa-issuer", "--query", "Role.Arn", "--output", "text", "--assume-role-policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+provider+`"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringLike":{"`+strings.TrimPrefix(i.url, "https://")+`:sub":"system:serviceaccount:dev:*"}}}]}`)

	ours := func(other jwt.MapClaims) string {
		claims := jwt.MapClaims{"aud": "sts.amazonaws.com"}
		maps.Copy(claims, other)
		return i.token(jwt.SigningMethodES256, i.key, "one", claims)
	}
	past, coming := time.Now().Add(-time.Second).Unix(), time.Now().Add(time.Hour).Unix()
	check := func(what, token, want string, more ...string) {
		form := url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {role}, "RoleSessionName": {"app"}, "WebIdentityToken": {token}}
		if len(more) == 2 {
			form.Set(more[0], more[1])
		}
		req := request(t, c, http.MethodPost, "/", form.Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if answer := answerOf(t, req); !strings.Contains(answer, want) {
			t.Errorf("a web identity %s is answered %s, want %s", what, answer, want)
		}
	}
	check("that is good", ours(nil), "<SubjectFromWebIdentityToken>system:serviceaccount:dev:app</SubjectFromWebIdentityToken>")
	check("that has expired", ours(jwt.MapClaims{"exp": past}), "<Code>ExpiredTokenException</Code>")
	check("of tomorrow", ours(jwt.MapClaims{"iat": coming}), "<Code>IDPRejectedClaim</Code>")
	check("for somebody else", ours(jwt.MapClaims{"aud": "other"}), "<Code>InvalidIdentityToken</Code>")
	check("of another issuer", ours(jwt.MapClaims{"iss": "https://other.example"}), "<Code>InvalidIdentityToken</Code>")
	check("without a subject", ours(jwt.MapClaims{"sub": nil}), "<Code>InvalidIdentityToken</Code>")
	check("with another's key", i.token(jwt.SigningMethodES256, newIssuer(t, "").key, "one", jwt.MapClaims{"aud": "sts.amazonaws.com"}), "<Code>InvalidIdentityToken</Code>")
	check("without a signature", i.token(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "one", jwt.MapClaims{"aud": "sts.amazonaws.com"}), "<Code>InvalidIdentityToken</Code>")
	check("that is none", "nonsense", "<Code>InvalidIdentityToken</Code>")
	check("that the role does not trust", ours(jwt.MapClaims{"sub": "system:serviceaccount:prod:app"}), "<Code>AccessDenied</Code>")
	check("with a policy that is none", ours(nil), "<Code>MalformedPolicyDocument</Code>", "Policy", "{")
	check("with a long policy", ours(nil), "<Code>PackedPolicyTooLarge</Code>", "Policy", strings.Repeat(" ", 2049))
	check("for too long", ours(nil), "<Code>ValidationError</Code>", "DurationSeconds", "43201")
	away := httptest.NewTLSServer(http.NotFoundHandler())
	away.Close()
	c.AWS(t, "iam", "create-open-id-connect-provider", "--url", away.URL, "--client-id-list", "sts.amazonaws.com", "--thumbprint-list", hex.EncodeToString(sum[:]))
	check("of an issuer that is away", ours(jwt.MapClaims{"iss": away.URL}), "<Code>IDPCommunicationError</Code>")
}

// answerOf is the error type and the body of the answer to a request.
func answerOf(t *testing.T, req *http.Request) string {
	t.Helper()
	resp, body := answerTo(t, req)
	return resp.Header.Get("X-Amzn-Errortype") + " " + string(body)
}
