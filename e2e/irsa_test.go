package e2e

import (
	"crypto/sha1"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// TestWebIdentity takes the way of IAM roles for service accounts: the cluster's issuer is an identity provider of the account, and an SDK
// with nothing but a role and a token file finds its credentials. It needs no node.
func TestWebIdentity(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	admin := e.Admin(t)
	k := createCluster(t, admin, "irsa")
	k.kubectl(t, "create", "serviceaccount", "app")
	issuer := admin.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster.identity.oidc.issuer", "--output", "text")
	thumbprint := issuerThumbprint(t, issuer)
	provider := admin.AWS(t, "iam", "create-open-id-connect-provider", "--url", issuer, "--client-id-list", "sts.amazonaws.com",
		"--thumbprint-list", thumbprint, "--query", "OpenIDConnectProviderArn", "--output", "text")
	name := strings.TrimPrefix(issuer, "https://")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + provider + `"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"` + name + `:aud":"sts.amazonaws.com","` + name + `:sub":"system:serviceaccount:default:app"}}}]}`
	role := admin.AWS(t, "iam", "create-role", "--role-name", "irsa-app", "--assume-role-policy-document", trust, "--query", "Role.Arn", "--output", "text")
	admin.AWS(t, "iam", "put-role-policy", "--role-name", "irsa-app", "--policy-name", "list", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:ListClusters","Resource":"*","Condition":{"StringEquals":{"`+name+`:sub":"system:serviceaccount:default:app"}}}]}`)

	token := func(serviceAccount, audience string) string {
		return k.kubectl(t, "create", "token", serviceAccount, "--audience", audience)
	}
	good := token("app", "sts.amazonaws.com")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	nobody := e.Anonymous(t).With("AWS_ENDPOINT_URL="+admin.Getenv("AWS_ENDPOINT_URL"), "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1")
	pod := nobody.With("AWS_ROLE_ARN="+role, "AWS_WEB_IDENTITY_TOKEN_FILE="+file, "AWS_ROLE_SESSION_NAME=pod")
	if who := pod.AWS(t, "sts", "get-caller-identity", "--query", "Arn", "--output", "text"); !strings.HasSuffix(who, ":assumed-role/irsa-app/pod") {
		t.Errorf("the pod is %s", who)
	}
	if names := pod.AWS(t, "eks", "list-clusters", "--query", "clusters", "--output", "text"); !strings.Contains(names, k.name) {
		t.Errorf("the pod lists %s", names)
	}
	pod.RefusedAWS(t, []string{"AccessDeniedException", "eks:DescribeCluster"}, "eks", "describe-cluster", "--name", k.name)

	assume := func(role, token string, more ...string) []string {
		return append([]string{"sts", "assume-role-with-web-identity", "--role-arn", role, "--role-session-name", "cli", "--web-identity-token", token}, more...)
	}
	var out struct{ SubjectFromWebIdentityToken, Provider, Audience string }
	if err := json.Unmarshal([]byte(nobody.AWS(t, assume(role, good, "--duration-seconds", "900")...)), &out); err != nil ||
		out.SubjectFromWebIdentityToken != "system:serviceaccount:default:app" || out.Provider != provider || out.Audience != "sts.amazonaws.com" {
		t.Errorf("the answer is %+v, %v", out, err)
	}
	head, rest, _ := strings.Cut(good, ".")
	payload, _, _ := strings.Cut(rest, ".")
	nobody.RefusedAWS(t, []string{"InvalidIdentityToken", "Incorrect token audience"}, assume(role, token("app", "pods.eks.amazonaws.com"))...)
	nobody.RefusedAWS(t, []string{"AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"}, assume(role, token("default", "sts.amazonaws.com"))...)
	nobody.RefusedAWS(t, []string{"InvalidIdentityToken", "signature"}, assume(role, head+"."+payload+".AAAA")...)
	nobody.RefusedAWS(t, []string{"ValidationError", "MaxSessionDuration"}, assume(role, good, "--duration-seconds", "7200")...)
	nobody.RefusedAWS(t, []string{"MissingAuthenticationToken"}, "sts", "get-caller-identity", "--no-sign-request")
	testBadIdentities(t, admin)
	admin.AWS(t, "iam", "remove-client-id-from-open-id-connect-provider", "--open-id-connect-provider-arn", provider, "--client-id", "sts.amazonaws.com")
	nobody.RefusedAWS(t, []string{"InvalidIdentityToken", "Incorrect token audience"}, assume(role, good)...)
	admin.AWS(t, "iam", "delete-open-id-connect-provider", "--open-id-connect-provider-arn", provider)
	nobody.RefusedAWS(t, []string{"InvalidIdentityToken", "No OpenIDConnect provider found in your account for " + issuer}, assume(role, good)...)
	k.delete(t)
}

// issuerThumbprint is what Terraform and eksctl make of an issuer: the SHA-1 of the last certificate that its server sends.
func issuerThumbprint(t *testing.T, issuer string) string {
	t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.Split(issuer, "/")[2])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	chain := conn.(*tls.Conn).ConnectionState().PeerCertificates
	last := chain[len(chain)-1]
	if len(chain) < 2 || !last.IsCA {
		t.Errorf("the issuer's server sends %d certificates, the last of %s; want its CA at the end", len(chain), last.Subject)
	}
	sum := sha1.Sum(last.Raw)
	return hex.EncodeToString(sum[:])
}
