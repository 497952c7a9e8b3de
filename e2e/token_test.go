package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go/aws-http-auth/credentials"
	"github.com/aws/smithy-go/aws-http-auth/sigv4"
	v4 "github.com/aws/smithy-go/aws-http-auth/v4"

	"minato.dev/minato/internal/testenv"
)

const tokenPrefix = "k8s-aws-v1."

// TestBadTokens shows the kube-apiserver tokens that are not quite right. Each is answered 401.
func TestBadTokens(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	admin := e.Admin(t)
	k := createCluster(t, admin, "tokens")
	if got := k.update(t, "--logging", `{"clusterLogging":[{"types":["authenticator"],"enabled":true}]}`); got != "Successful" {
		t.Fatalf("switching the authenticator's log on: %s", got)
	}
	endpoint, ca := endpointOf(t, k)
	show := func(token string) testenv.Result {
		return e.Anonymous(t).TryKubectl(t, "/dev/null", "--server", endpoint, "--certificate-authority", ca, "--token", token, "get", "namespaces")
	}

	good := getToken(t, admin, k.name)
	if r := show(good); r.ExitCode != 0 {
		t.Fatalf("the AWS CLI's own token is refused: %s", r)
	}
	if r := show(presign(t, admin, k.name, time.Now().Add(-14*time.Minute))); r.ExitCode != 0 {
		t.Errorf("a token 14 minutes old is refused: %s", r)
	}
	url := decodeToken(t, good)
	for _, tt := range []struct{ name, token, reason string }{
		{"for another cluster", getToken(t, admin, "another"), "SignatureDoesNotMatch"},
		{"16 minutes old", presign(t, admin, k.name, time.Now().Add(-16*time.Minute)), "RequestExpired"},
		{"from the future", presign(t, admin, k.name, time.Now().Add(16*time.Minute)), "SignatureDoesNotMatch"},
		{"doubled parameter", encodeToken(url + "&X-Amz-Expires=60"), "BadParameters"},
		{"unknown parameter", encodeToken(url + "&Debug=1"), "BadParameters"},
		{"another action", encodeToken(strings.Replace(url, "GetCallerIdentity", "GetSessionToken", 1)), "BadParameters"},
		{"altered signature", encodeToken(url[:len(url)-4] + "0000"), "SignatureDoesNotMatch"},
		{"oversized", good + strings.Repeat("A", 5000), "TokenTooLong"},
		{"not base64", tokenPrefix + "%%%", "MalformedToken"},
		{"without its prefix", strings.TrimPrefix(good, tokenPrefix), "NotOurToken"},
		{"of an unknown key", encodeToken(strings.Replace(url, admin.Getenv("AWS_ACCESS_KEY_ID"), "AKIAIOSFODNN7EXAMPLE", 1)), "InvalidClientTokenId"},
	} {
		if r := show(tt.token); r.ExitCode == 0 || !unauthorized(r) {
			t.Errorf("a token %s was not answered 401: %s", tt.name, r)
		}
		if got := lastRejection(t, e, k.name); got != tt.reason {
			t.Errorf("a token %s was rejected for %s, want %s", tt.name, got, tt.reason)
		}
	}
	k.delete(t)
}

// lastRejection is the reason that the authenticator's log of a cluster gives for the token it refused last.
func lastRejection(t *testing.T, e *testenv.Env, cluster string) (reason string) {
	t.Helper()
	for line := range strings.Lines(e.Minato(t, "logs", cluster, "authenticator")) {
		var event struct{ Msg, Reason string }
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("the authenticator's log has a line that is no event: %v: %s", err, line)
		}
		if event.Msg == "token rejected" {
			reason = event.Reason
		}
	}
	return reason
}

// endpointOf is the cluster's endpoint and a file with its CA certificate.
func endpointOf(t *testing.T, k *cluster) (endpoint, ca string) {
	t.Helper()
	words := strings.Fields(k.client.AWS(t, "eks", "describe-cluster", "--name", k.name,
		"--query", "cluster.[endpoint,certificateAuthority.data]", "--output", "text"))
	if len(words) != 2 {
		t.Fatalf("describe-cluster: got %q, want an endpoint and a CA", words)
	}
	pem, err := base64.StdEncoding.DecodeString(words[1])
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	return words[0], ca
}

// trusting is an HTTP client that trusts the CA in a file.
func trusting(t *testing.T, ca string) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", ca)
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

func getToken(t *testing.T, c *testenv.Client, cluster string) string {
	t.Helper()
	var credential struct{ Status struct{ Token string } }
	if err := json.Unmarshal([]byte(c.AWS(t, "eks", "get-token", "--cluster-name", cluster, "--output", "json")), &credential); err != nil {
		t.Fatal(err)
	}
	return credential.Status.Token
}

// presign makes a token as the AWS CLI does, dated at a moment of our choice.
func presign(t *testing.T, c *testenv.Client, cluster string, at time.Time) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		c.Getenv("AWS_ENDPOINT_URL")+"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-K8s-Aws-Id", cluster)
	emptyBody := []byte("\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24\x27\xae\x41\xe4\x64\x9b\x93\x4c\xa4\x95\x99\x1b\x78\x52\xb8\x55")
	signEverything := func(o *v4.SignerOptions) { o.HeaderRules = allHeaders{} }
	err = sigv4.New(signEverything).SignRequest(&sigv4.SignRequestInput{
		Request:       req,
		PayloadHash:   emptyBody,
		Credentials:   keysOf(c),
		Service:       "sts",
		Region:        c.Getenv("AWS_REGION"),
		Time:          at,
		SignatureType: v4.SignatureTypeQueryString,
	})
	if err != nil {
		t.Fatal(err)
	}
	return encodeToken(req.URL.String())
}

// allHeaders has the signer sign every header, not only those that it knows.
type allHeaders struct{}

func (allHeaders) IsSigned(string) bool { return true }

func keysOf(c *testenv.Client) credentials.Credentials {
	return credentials.Credentials{AccessKeyID: c.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: c.Getenv("AWS_SECRET_ACCESS_KEY")}
}

func encodeToken(url string) string {
	return tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(url))
}

func decodeToken(t *testing.T, token string) string {
	t.Helper()
	url, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, tokenPrefix))
	if err != nil {
		t.Fatal(err)
	}
	return string(url)
}
