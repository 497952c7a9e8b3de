package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/internal/testenv"
)

// accessTranscript is what a user of EKS types to give a role access, to the letter, on a cluster that has not let its creator in.
const accessTranscript = `
eval "$(minato env)"
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)
aws eks update-kubeconfig --name entries --alias admin
kubectl get namespaces 2>&1 || true
ME=$(aws sts get-caller-identity --query Arn --output text)
aws eks create-access-entry --cluster-name entries --principal-arn $ME --query accessEntry.type
aws eks associate-access-policy --cluster-name entries --principal-arn $ME \
    --policy-arn arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy --access-scope type=cluster --query associatedAccessPolicy.accessScope.type
kubectl create namespace dev-1 && kubectl create namespace prod
aws eks create-access-entry --cluster-name entries --principal-arn arn:aws:iam::$ACCOUNT:role/entries-ops --kubernetes-groups sre
aws eks associate-access-policy --cluster-name entries --principal-arn arn:aws:iam::$ACCOUNT:role/entries-ops \
    --policy-arn arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy --access-scope type=namespace,namespaces='dev-*'
export KUBECONFIG=$PWD/ops
aws eks update-kubeconfig --name entries --role-arn arn:aws:iam::$ACCOUNT:role/entries-ops --alias ops
kubectl --context ops -n dev-1 get pods 2>&1
kubectl --context ops -n prod get pods 2>&1 || true
kubectl --context ops auth can-i delete pods -n dev-1 || true
kubectl --context ops --as system:admin -n dev-1 get pods 2>&1 || true
minato access explain --cluster entries --principal arn:aws:iam::$ACCOUNT:role/entries-ops --verb list --resource po -n prod
aws eks update-access-entry --cluster-name entries --principal-arn arn:aws:iam::$ACCOUNT:role/entries-ops --username 'team:{{SessionName}}'
kubectl --context ops auth whoami -o jsonpath='{.status.userInfo.username}{"\n"}'
aws eks disassociate-access-policy --cluster-name entries --principal-arn arn:aws:iam::$ACCOUNT:role/entries-ops \
    --policy-arn arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy
kubectl --context ops -n dev-1 get pods 2>&1 || true
aws eks delete-access-entry --cluster-name entries --principal-arn arn:aws:iam::$ACCOUNT:role/entries-ops
kubectl --context ops -n dev-1 get pods 2>&1 || true
`

// userRole makes a role that its account's users may assume, and returns its ARN.
func userRole(t *testing.T, c *testenv.Client, name string) string {
	t.Helper()
	account := c.AWS(t, "sts", "get-caller-identity", "--query", "Account", "--output", "text")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"sts:AssumeRole"}]}`
	return c.AWS(t, "iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust, "--query", "Role.Arn", "--output", "text")
}

// roleConfig is a kubeconfig that comes to a cluster as a role.
func (k *cluster) roleConfig(t *testing.T, role string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	k.client.AWS(t, "eks", "update-kubeconfig", "--name", k.name, "--role-arn", role, "--kubeconfig", path)
	return path
}

func TestAccessTranscript(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	admin := e.Admin(t)
	k := createCluster(t, admin, "entries", "--access-config", "authenticationMode=API,bootstrapClusterCreatorAdminPermissions=false")
	userRole(t, admin, "entries-ops")
	out := e.Anonymous(t).Shell(t, accessTranscript)
	rest := out
	for _, want := range []string{
		"You must be logged in to the server", "\"STANDARD\"\n\"cluster\"\n",
		"namespace/dev-1 created", `"accessEntryArn": "arn:aws:eks:us-east-1:`, `"type": "namespace"`,
		"No resources found in dev-1 namespace.",
		`cannot list resource "pods" in API group "" in the namespace "prod"`,
		"no\n",
		"cannot impersonate resource",
		"? no.", "its rules allow it, but it holds in the namespaces dev-*, not in prod",
		`"username": "team:{{SessionName}}"`, "team:EKSGetTokenAuth\n",
		`User "team:EKSGetTokenAuth" cannot list resource "pods"`,
		"You must be logged in to the server",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("the output lacks %q, or not in this order:\n%s", want, out)
		}
		rest = after
	}
	k.delete(t)
}

func TestAuthenticationModes(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	admin := e.Admin(t)
	k := createCluster(t, admin, "modes")
	ops := userRole(t, admin, "modes-ops")
	me := admin.AWS(t, "sts", "get-caller-identity", "--query", "Arn", "--output", "text")
	config := k.roleConfig(t, ops)
	entries := func() string {
		return admin.AWS(t, "eks", "list-access-entries", "--cluster-name", k.name, "--query", "accessEntries", "--output", "text")
	}
	whoami := func() string {
		r := admin.TryKubectl(t, config, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
		if r.ExitCode != 0 {
			return "nobody"
		}
		return r.Stdout
	}

	admin.RefusedAWS(t, []string{"InvalidRequestException", "must be set to one of [API, API_AND_CONFIG_MAP]"}, "eks", "list-access-entries", "--cluster-name", k.name)
	admin.RefusedAWS(t, []string{"Unsupported authentication mode update from CONFIG_MAP to API"},
		"eks", "update-cluster-config", "--name", k.name, "--access-config", "authenticationMode=API")
	if got := whoami(); got != "nobody" {
		t.Fatalf("the role is %s before anybody has let it in", got)
	}
	k.awsAuth(t, fmt.Sprintf("- {rolearn: '%s', username: 'map:{{SessionName}}', groups: [viewers]}", ops))
	testenv.Eventually(t, func() error { return differ(whoami(), "map:EKSGetTokenAuth") })

	k.mustUpdate(t, "--access-config", "authenticationMode=API_AND_CONFIG_MAP")
	if got := entries(); got != me {
		t.Errorf("after the switch there are the entries %q, want the creator's: %s", got, me)
	}
	if got := whoami(); got != "map:EKSGetTokenAuth" {
		t.Errorf("in both modes the role is %s, want what aws-auth says", got)
	}
	admin.AWS(t, "eks", "create-access-entry", "--cluster-name", k.name, "--principal-arn", ops, "--username", "entry:{{SessionName}}")
	if got := whoami(); got != "entry:EKSGetTokenAuth" {
		t.Errorf("with an entry and a row the role is %s, want what the entry says", got)
	}
	admin.AWS(t, "eks", "delete-access-entry", "--cluster-name", k.name, "--principal-arn", ops)
	if got := whoami(); got != "map:EKSGetTokenAuth" {
		t.Errorf("without the entry the role is %s, want what aws-auth says", got)
	}

	k.mustUpdate(t, "--access-config", "authenticationMode=API")
	if got := whoami(); got != "nobody" {
		t.Errorf("in mode API the role is still %s by aws-auth", got)
	}
	admin.RefusedAWS(t, []string{"Unsupported authentication mode update from API to API_AND_CONFIG_MAP"},
		"eks", "update-cluster-config", "--name", k.name, "--access-config", "authenticationMode=API_AND_CONFIG_MAP")
	k.kubectl(t, "get", "namespaces") // the creator, by its entry
	admin.AWS(t, "eks", "delete-access-entry", "--cluster-name", k.name, "--principal-arn", me)
	if r := admin.TryKubectl(t, k.config, "get", "namespaces"); r.ExitCode == 0 {
		t.Errorf("the creator is still let in after its entry was deleted: %s", r)
	}
	k.delete(t)
}

func TestMalformedAWSAuth(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	admin := e.Admin(t)
	k := createCluster(t, admin, "malformed")
	ops := userRole(t, admin, "malformed-ops")
	config := k.roleConfig(t, ops)
	in := func() error {
		if r := admin.TryKubectl(t, config, "get", "namespaces"); r.ExitCode != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	}
	k.awsAuth(t, fmt.Sprintf("- {rolearn: '%s', username: ops, groups: [system:masters]}", ops))
	testenv.Eventually(t, in)
	k.awsAuth(t, "- rolearn: [")
	testenv.Eventually(t, func() error {
		events := k.kubectl(t, "-n", "kube-system", "get", "events", "--field-selector", "reason=MalformedAWSAuth", "-o", "jsonpath={.items[*].message}")
		if !strings.Contains(events, "mapRoles is not a list") {
			return fmt.Errorf("the events say %q", events)
		}
		return nil
	})
	if err := in(); err != nil {
		t.Errorf("a malformed aws-auth locks out whom the good one let in: %v", err)
	}
	explained := e.Minato(t, "access", "explain", "--cluster", k.name, "--principal", ops, "--verb", "list", "--resource", "namespaces")
	for _, want := range []string{"? yes.", "it has a row in mapRoles; the ConfigMap is malformed now, so what it said before goes on: mapRoles is not a list"} {
		if !strings.Contains(explained, want) {
			t.Errorf("the explanation does not say %q:\n%s", want, explained)
		}
	}
	explained = e.Minato(t, "access", "explain", "--cluster", k.name, "--principal", ops, "--verb", "impersonate", "--resource", "userextras/scopes")
	if !strings.Contains(explained, "impersonate userextras.authentication.k8s.io/scopes in the whole cluster on cluster malformed? yes.") {
		t.Errorf("a resource that no API has: %s", explained)
	}
	testenv.Eventually(t, func() error {
		return differ(admin.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster.health.issues[].code", "--output", "text"), "ConfigurationConflict")
	})
	k.awsAuth(t, fmt.Sprintf("- {rolearn: '%s', username: ops, groups: [system:masters]}", ops))
	testenv.Eventually(t, func() error {
		return differ(admin.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster.health.issues", "--output", "text"), "")
	})
	k.delete(t)
}

// sibling lets the ServiceAccounts of one cluster into another, whose OIDC issuer we have over TLS.
type sibling struct {
	env          *testenv.Env
	from, to     *cluster
	issuer       string
	endpoint, ca string
}

func newSibling(t *testing.T, e *testenv.Env, from, to *cluster) *sibling {
	t.Helper()
	s := &sibling{env: e, from: from, to: to}
	s.issuer = from.client.AWS(t, "eks", "describe-cluster", "--name", from.name, "--query", "cluster.identity.oidc.issuer", "--output", "text")
	s.endpoint, s.ca = endpointOf(t, to)
	return s
}

// login says who the ServiceAccount is there, with a token that the other cluster has not seen before.
func (s *sibling) login(t *testing.T) testenv.Result {
	t.Helper()
	token := s.from.kubectl(t, "create", "token", "default", "--audience", "relying")
	return s.env.Anonymous(t).TryKubectl(t, "/dev/null", "--server", s.endpoint, "--certificate-authority", s.ca, "--token", token,
		"auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}")
}

// unbroken asks a cluster's kube-apiserver fifty times a second until the test calls what it returns, which wants every answer to have come.
func unbroken(t *testing.T, k *cluster) (stop func()) {
	t.Helper()
	api := newKubeAPI(t, k, getToken(t, k.client, k.name))
	ctx, cancel := context.WithCancel(t.Context())
	asked, failed := 0, error(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ; ctx.Err() == nil && failed == nil; <-tick.C {
			status, body, err := api.do(ctx, http.MethodGet, "/api/v1/namespaces/default", nil)
			switch {
			case ctx.Err() != nil:
			case err != nil:
				failed = err
			case status != http.StatusOK:
				failed = fmt.Errorf("%d %s", status, body)
			}
			asked++
		}
	}()
	return func() {
		t.Helper()
		cancel()
		<-ended
		if asked == 0 {
			t.Errorf("%s: nothing was asked meanwhile", k.name)
		}
		if failed != nil {
			t.Errorf("%s: of %d requests meanwhile the last failed: %v", k.name, asked, failed)
		}
	}
}

func (s *sibling) associate(t *testing.T, prefix string, more ...string) {
	t.Helper()
	s.to.client.AWS(t, "eks", "associate-identity-provider-config", "--cluster-name", s.to.name,
		"--oidc", strings.Join(append(more, "identityProviderConfigName=sibling,clientId=relying,usernamePrefix="+prefix+",issuerUrl="+s.issuer), ","))
	s.to.client.AWS(t, "eks", "wait", "cluster-active", "--name", s.to.name)
}

func (s *sibling) disassociate(t *testing.T) {
	t.Helper()
	s.to.client.AWS(t, "eks", "disassociate-identity-provider-config", "--cluster-name", s.to.name, "--identity-provider-config", "type=oidc,name=sibling")
	s.to.client.AWS(t, "eks", "wait", "cluster-active", "--name", s.to.name)
}

func TestIdentityProvider(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	admin := e.Admin(t)
	from, to := createCluster(t, admin, "issuer"), createCluster(t, admin, "relying")
	s := newSibling(t, e, from, to)
	if r := s.login(t); r.ExitCode == 0 {
		t.Fatalf("another cluster's ServiceAccount is let in: %s", r)
	}
	admin.RefusedAWS(t, []string{"the cluster's own"}, "eks", "associate-identity-provider-config", "--cluster-name", from.name,
		"--oidc", "identityProviderConfigName=own,clientId=x,issuerUrl="+s.issuer)
	stop := unbroken(t, to)
	s.associate(t, "sibling:", "groupsClaim=aud,groupsPrefix=for:,requiredClaims={sub=system:serviceaccount:default:default}")
	if r := s.login(t); r.Stdout != `sibling:system:serviceaccount:default:default ["for:relying","system:authenticated"]` {
		t.Errorf("the other cluster's ServiceAccount comes in as: %s", r)
	}
	s.disassociate(t)
	stop()
	s.associate(t, "-") // none, so that the username begins with system:
	if r := s.login(t); r.ExitCode == 0 {
		t.Errorf("the other cluster's ServiceAccount comes in as one of this cluster's: %s", r)
	}
	s.disassociate(t)
	if r := s.login(t); r.ExitCode == 0 {
		t.Errorf("it is still let in after the config was disassociated: %s", r)
	}
	from.delete(t)
	to.delete(t)
}

// awsAuth writes the ConfigMap with these rows in mapRoles.
func (k *cluster) awsAuth(t *testing.T, mapRoles string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "aws-auth.yaml")
	manifest := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: aws-auth, namespace: kube-system}\ndata:\n  mapRoles: |\n    " + mapRoles + "\n"
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	k.kubectl(t, "apply", "-f", file)
}

// mustUpdate changes the cluster's config and waits until that is done.
func (k *cluster) mustUpdate(t *testing.T, flags ...string) {
	t.Helper()
	if got := k.update(t, flags...); got != "Successful" {
		t.Fatalf("update %v: %s", flags, got)
	}
}

func differ(got, want string) error {
	if got != want {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}
