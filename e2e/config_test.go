package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// update changes a cluster's configuration, waits until it is carried out and returns how the update ended.
func (k *cluster) update(t *testing.T, flags ...string) string {
	t.Helper()
	id := k.client.AWS(t, append([]string{"eks", "update-cluster-config", "--name", k.name, "--query", "update.id", "--output", "text"}, flags...)...)
	k.client.AWS(t, "eks", "wait", "cluster-active", "--name", k.name)
	return k.client.AWS(t, "eks", "describe-update", "--name", k.name, "--update-id", id, "--query", "update.status", "--output", "text")
}

// TestLogging switches log types on and off; `minato logs` follows.
func TestLogging(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	k := createCluster(t, e.Admin(t), "logging")
	arn := k.client.AWS(t, "sts", "get-caller-identity", "--query", "Arn", "--output", "text")
	off := e.TryMinato(t, "logs", k.name, "audit")
	if off.ExitCode != 1 || !strings.Contains(off.Stderr, "aws eks update-cluster-config --name logging") {
		t.Errorf("logs that are off should say how to switch them on: %s", off)
	}

	if got := k.update(t, "--logging", `{"clusterLogging":[{"types":["api","audit","scheduler"],"enabled":true}]}`); got != "Successful" {
		t.Errorf("the update is %s", got)
	}
	k.write(t, "seen-by-audit", "yes")
	found := false
	for line := range strings.Lines(e.Minato(t, "logs", k.name, "audit")) {
		var event struct {
			Level     string
			Verb      string
			ObjectRef struct{ Resource, Name string }
			User      struct {
				Username string
				Extra    struct{ ARN []string }
			}
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("the audit log has a line that is no event: %v: %s", err, line)
		}
		if event.Level != "Metadata" {
			t.Fatalf("an audit event of level %q", event.Level)
		}
		if event.Verb == "create" && event.ObjectRef.Name == "seen-by-audit" && event.User.Username == "kubernetes-admin" && slices.Contains(event.User.Extra.ARN, arn) {
			found = true
		}
	}
	if !found {
		t.Error("the audit log does not tell who created the ConfigMap")
	}
	if r := e.TryMinato(t, "logs", k.name, "kube-controller-manager"); r.ExitCode != 1 {
		t.Errorf("a log type that is off is printed: %s", r)
	}
	k.client.RefusedAWS(t, []string{"InvalidParameterException", "No changes needed for the logging config provided"}, "eks", "update-cluster-config", "--name", k.name,
		"--logging", `{"clusterLogging":[{"types":["api"],"enabled":true}]}`)

	if got := k.update(t, "--logging", `{"clusterLogging":[{"types":["api","audit","scheduler"],"enabled":false}]}`); got != "Successful" {
		t.Errorf("the update is %s", got)
	}
	if r := e.TryMinato(t, "logs", k.name, "audit"); r.ExitCode != 1 {
		t.Errorf("the audit log is printed after it was switched off: %s", r)
	}
	k.delete(t)
}

// TestPublicAccess narrows who may connect to the endpoint, and widens it again.
func TestPublicAccess(t *testing.T) {
	t.Parallel()
	k := createCluster(t, testenv.Shared(t).Admin(t), "access")
	if got := k.update(t, "--resources-vpc-config", "publicAccessCidrs=10.99.0.0/16"); got != "Successful" {
		t.Errorf("the update is %s", got)
	}
	if r := k.client.TryKubectl(t, k.config, "get", "--raw", "/readyz"); r.ExitCode == 0 {
		t.Errorf("127.0.0.1 is not in 10.99.0.0/16 and got in: %s", r)
	}
	if got := k.update(t, "--resources-vpc-config", "publicAccessCidrs=127.0.0.0/8"); got != "Successful" {
		t.Errorf("the update is %s", got)
	}
	if got := k.kubectl(t, "get", "--raw", "/readyz"); got != "ok" {
		t.Errorf("/readyz: got %q", got)
	}
	k.client.RefusedAWS(t, []string{"InvalidParameterException", "Both private and public endpoint access cannot be false"},
		"eks", "update-cluster-config", "--name", k.name, "--resources-vpc-config", "endpointPublicAccess=false")
	k.delete(t)
}

// TestIdempotency repeats CreateCluster with its token: once the same, once changed.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	admin := testenv.Shared(t).Admin(t)
	role, ids := createRole(t, admin, "once"), subnets(t, admin)
	create := func(more ...string) []string {
		return append([]string{"eks", "create-cluster", "--name", "once", "--client-request-token", "token-1",
			"--role-arn", role, "--resources-vpc-config", "subnetIds=" + ids, "--query", "cluster.createdAt", "--output", "text"}, more...)
	}
	first := admin.AWS(t, create()...)
	if again := admin.AWS(t, create()...); again != first {
		t.Errorf("the same request with the same token made another cluster: %s and %s", first, again)
	}
	admin.RefusedAWS(t, nil, create("--tags", "team=other")...)
	k := &cluster{name: "once", client: admin}
	k.waitActive(t)
	k.delete(t)
}

// TestTags tags a cluster at its creation and later.
func TestTags(t *testing.T) {
	t.Parallel()
	admin := testenv.Shared(t).Admin(t)
	k := requestCluster(t, admin, "tagged", "--tags", "team=harbour,stage=test")
	arn := admin.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster.arn", "--output", "text")
	admin.AWS(t, "eks", "tag-resource", "--resource-arn", arn, "--tags", "stage=prod,cost=1")
	admin.AWS(t, "eks", "untag-resource", "--resource-arn", arn, "--tag-keys", "team")
	var tags map[string]string
	if err := json.Unmarshal([]byte(admin.AWS(t, "eks", "list-tags-for-resource", "--resource-arn", arn, "--query", "tags")), &tags); err != nil {
		t.Fatal(err)
	}
	if len(tags) != 2 || tags["stage"] != "prod" || tags["cost"] != "1" {
		t.Errorf("got %v, want stage=prod and cost=1", tags)
	}
	k.waitActive(t)
	k.delete(t)
}
