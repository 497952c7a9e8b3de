package e2e

import (
	"strings"
	"sync"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// TestRefusedClusters asks for clusters that cannot be. Each is refused with the modelled error, in words that say what was
// wrong, and leaves nothing.
func TestRefusedClusters(t *testing.T) {
	t.Parallel()
	admin := testenv.Shared(t).Admin(t)
	role, ids := createRole(t, admin, "refused"), subnets(t, admin)
	first, _, _ := strings.Cut(ids, ",")
	for _, tt := range []struct {
		name  string
		texts []string
		flags []string // override the right ones
	}{
		{"illegal name", []string{"InvalidParameterException", "no good"}, []string{"--name", "no good"}},
		{"long name", []string{"InvalidParameterException", "100"}, []string{"--name", strings.Repeat("x", 101)}},
		{"no such role", []string{"InvalidParameterException", "nobody"}, []string{"--role-arn", strings.Replace(role, "role/refused", "role/nobody", 1)}},
		{"not a role", []string{"InvalidParameterException", "hello"}, []string{"--role-arn", "hello"}},
		{"no such subnet", []string{"InvalidParameterException", "subnet-0123456789abcdef0"}, []string{"--resources-vpc-config", "subnetIds=" + first + ",subnet-0123456789abcdef0"}},
		{"one subnet", []string{"two different AZs"}, []string{"--resources-vpc-config", "subnetIds=" + first}},
		{"one zone", []string{"two different AZs"}, []string{"--resources-vpc-config", "subnetIds=" + first + "," + first}},
		{"unsupported version", []string{"unsupported Kubernetes version", "1.20"}, []string{"--kubernetes-version", "1.20"}},
		{"not a version", []string{"InvalidParameterException", "latest"}, []string{"--kubernetes-version", "latest"}},
		{"overlapping services", []string{"InvalidParameterException", "172.31.0.0/16"}, []string{"--kubernetes-network-config", "serviceIpv4Cidr=172.31.0.0/16"}},
		{"no endpoint", []string{"InvalidParameterException", "Both private and public endpoint access cannot be false"}, []string{"--resources-vpc-config", "subnetIds=" + ids + ",endpointPublicAccess=false"}},
		{"a bad CIDR", []string{"InvalidParameterException", "10.0.0.1/99"}, []string{"--resources-vpc-config", "subnetIds=" + ids + ",publicAccessCidrs=10.0.0.1/99"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// The AWS CLI takes the last of a repeated option.
			args := append([]string{"eks", "create-cluster", "--name", "refused", "--role-arn", role, "--resources-vpc-config", "subnetIds=" + ids}, tt.flags...)
			admin.RefusedAWS(t, tt.texts, args...)
		})
	}
	t.Cleanup(func() {
		if got := admin.AWS(t, "eks", "list-clusters", "--output", "text"); strings.Contains(got, "refused") {
			t.Errorf("a refused cluster is listed: %s", got)
		}
	})
}

// TestSameNameAtOnce has two clients create the same cluster at the same time: one does, the other is told so.
func TestSameNameAtOnce(t *testing.T) {
	t.Parallel()
	admin := testenv.Shared(t).Admin(t)
	role, ids := createRole(t, admin, "twice"), subnets(t, admin)
	results := make([]testenv.Result, 2)
	var both sync.WaitGroup
	for i := range results {
		both.Go(func() {
			results[i] = admin.TryAWS(t, "eks", "create-cluster", "--name", "twice", "--role-arn", role, "--resources-vpc-config", "subnetIds="+ids)
		})
	}
	both.Wait()
	won, lost := results[0], results[1]
	if won.ExitCode != 0 {
		won, lost = lost, won
	}
	if won.ExitCode != 0 || lost.ExitCode == 0 {
		t.Fatalf("want one to succeed and one to fail:\n%s\n%s", won, lost)
	}
	for _, text := range []string{"ResourceInUseException", "Cluster already exists with name: twice"} {
		if !strings.Contains(lost.Stderr, text) {
			t.Errorf("want %q in %s", text, lost)
		}
	}
	k := &cluster{name: "twice", client: admin}
	k.waitActive(t)
	k.delete(t)
}

// TestWrongKeys signs with keys that are not those of `minato env`.
func TestWrongKeys(t *testing.T) {
	t.Parallel()
	admin := testenv.Shared(t).Admin(t)
	wrongSecret := admin.With("AWS_SECRET_ACCESS_KEY=" + strings.Repeat("x", 40))
	wrongSecret.RefusedAWS(t, []string{"InvalidSignatureException"}, "eks", "list-clusters")
	wrongSecret.RefusedAWS(t, []string{"SignatureDoesNotMatch"}, "sts", "get-caller-identity")
	unknown := admin.With("AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE")
	unknown.RefusedAWS(t, []string{"UnrecognizedClientException"}, "eks", "list-clusters")
	unknown.RefusedAWS(t, []string{"InvalidClientTokenId"}, "sts", "get-caller-identity")
	admin.With("AWS_SESSION_TOKEN=made-up").RefusedAWS(t, []string{"UnrecognizedClientException"}, "eks", "list-clusters")
}

// TestWhoMayEnter: the creator is the cluster's administrator; another principal of the same account is not known to it.
func TestWhoMayEnter(t *testing.T) {
	t.Parallel()
	admin := testenv.Shared(t).Admin(t)
	k := createCluster(t, admin, "entry")
	if got := k.kubectl(t, "auth", "can-i", "*", "*"); got != "yes" {
		t.Errorf("the creator may do everything: got %q", got)
	}

	admin.AWS(t, "iam", "create-user", "--user-name", "visitor")
	keys := strings.Fields(admin.AWS(t, "iam", "create-access-key", "--user-name", "visitor",
		"--query", "AccessKey.[AccessKeyId,SecretAccessKey]", "--output", "text"))
	if len(keys) != 2 {
		t.Fatalf("create-access-key: got %d words, want a key and its secret", len(keys))
	}
	visitor := admin.With("AWS_ACCESS_KEY_ID="+keys[0], "AWS_SECRET_ACCESS_KEY="+keys[1])
	if got := visitor.AWS(t, "sts", "get-caller-identity", "--query", "Arn", "--output", "text"); !strings.HasSuffix(got, ":user/visitor") {
		t.Errorf("the visitor is %q", got)
	}
	if r := visitor.TryKubectl(t, k.config, "get", "namespaces"); r.ExitCode == 0 || !unauthorized(r) {
		t.Errorf("a principal without an access entry was not answered 401: %s", r)
	}
	visitor.RefusedAWS(t, []string{"AccessDeniedException", "is not authorized to perform: eks:ListClusters"}, "eks", "list-clusters")

	// Without any token only the health paths answer.
	endpoint, ca := endpointOf(t, k)
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/healthz": 200, "/version": 401, "/api/v1/namespaces": 401, "/metrics": 401} {
		resp, err := trusting(t, ca).Get(endpoint + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s without a token: got %s, want %d", path, resp.Status, want)
		}
	}
	k.delete(t)
}
