// Package e2e drives the built minato with the real aws and kubectl, from outside, as its users do. Tests share one server
// unless they stop, kill or fill it.
package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"minato.dev/minato/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m, testenv.Options{})) }

// cluster is a cluster and the user who created it.
type cluster struct {
	name   string
	client *testenv.Client
	config string // kubeconfig; empty until active
}

// trust lets EKS assume a role.
const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// requestCluster calls CreateCluster, with a role of its own in the default VPC, and does not wait.
func requestCluster(t *testing.T, c *testenv.Client, name string, flags ...string) *cluster {
	t.Helper()
	c.AWS(t, append([]string{"eks", "create-cluster", "--name", name,
		"--role-arn", createRole(t, c, name), "--resources-vpc-config", "subnetIds=" + subnets(t, c)}, flags...)...)
	return &cluster{name: name, client: c}
}

// createCluster creates a cluster, waits until it is active and gets a kubeconfig for it.
func createCluster(t *testing.T, c *testenv.Client, name string, flags ...string) *cluster {
	t.Helper()
	k := requestCluster(t, c, name, flags...)
	k.waitActive(t)
	return k
}

func (k *cluster) waitActive(t *testing.T) {
	t.Helper()
	k.client.AWS(t, "eks", "wait", "cluster-active", "--name", k.name)
	if k.config == "" {
		t.Cleanup(func() { k.explain(t) })
	}
	k.config = k.client.Kubeconfig(t, k.name)
}

// explain tells of a test that failed how its cluster was, if it is still there.
func (k *cluster) explain(t *testing.T) {
	if !t.Failed() {
		return
	}
	for _, args := range [][]string{
		{"get", "nodes", "-o", "custom-columns=NODE:.metadata.name,TAINTS:.spec.taints[*].key,READY:.status.conditions[?(@.type==\"Ready\")].status"},
		{"get", "pods", "--all-namespaces", "-o", "wide"},
		{"get", "events", "--all-namespaces", "--field-selector=type=Warning", "--sort-by=.metadata.creationTimestamp"},
	} {
		r := k.client.TryKubectl(t, k.config, append(args, "--request-timeout=10s")...)
		t.Log(r.String())
		if r.ExitCode != 0 {
			return
		}
	}
}

// comesUp waits until a cluster that was active before can be used again: the API answers sooner than a loaded machine has started it.
func (k *cluster) comesUp(t *testing.T) {
	t.Helper()
	k.waitActive(t)
	testenv.Eventually(t, func() error {
		if r := k.client.TryKubectl(t, k.config, "get", "--raw", "/readyz"); r.ExitCode != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
}

func (k *cluster) delete(t *testing.T) {
	t.Helper()
	k.client.AWS(t, "eks", "delete-cluster", "--name", k.name)
	k.client.AWS(t, "eks", "wait", "cluster-deleted", "--name", k.name)
}

// kubectl runs kubectl as the cluster's creator, with a new IAM token.
func (k *cluster) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return k.client.Kubectl(t, k.config, args...)
}

// write leaves a ConfigMap with a value.
func (k *cluster) write(t *testing.T, name, value string) {
	t.Helper()
	k.kubectl(t, "create", "configmap", name, "--from-literal=value="+value)
}

// holds fails the test unless the ConfigMap that write left has its value.
func (k *cluster) holds(t *testing.T, name, value string) {
	t.Helper()
	if got := k.kubectl(t, "get", "configmap", name, "-o", "jsonpath={.data.value}"); got != value {
		t.Errorf("configmap %s of cluster %s: got %q, want %q", name, k.name, got, value)
	}
}

// createRole makes a role that EKS may assume, named after its cluster, and returns its ARN.
func createRole(t *testing.T, c *testenv.Client, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trust.json")
	if err := os.WriteFile(file, []byte(trust), 0o600); err != nil {
		t.Fatal(err)
	}
	return c.AWS(t, "iam", "create-role", "--role-name", name, "--assume-role-policy-document", "file://"+file,
		"--query", "Role.Arn", "--output", "text")
}

// knownSubnets are the subnets of the users who have asked for theirs.
var knownSubnets sync.Map

// subnets are two subnets of the default VPC, with a comma between them.
func subnets(t *testing.T, c *testenv.Client) string {
	t.Helper()
	user := c.Getenv("MINATO_HOME") + " " + c.Getenv("AWS_ACCESS_KEY_ID")
	if known, ok := knownSubnets.Load(user); ok {
		return known.(string)
	}
	out := c.AWS(t, "ec2", "describe-subnets", "--filters", "Name=default-for-az,Values=true", "--query", "Subnets[0:2].SubnetId", "--output", "text")
	ids := strings.Fields(out)
	if len(ids) != 2 {
		t.Fatalf("describe-subnets: got %q, want two subnets", out)
	}
	known := strings.Join(ids, ",")
	knownSubnets.Store(user, known)
	return known
}
