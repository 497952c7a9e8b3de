package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"minato.dev/minato/internal/testenv"
)

// nodegroup is the beginning of a command on a nodegroup of a cluster.
func (k *cluster) nodegroup(verb, name string, more ...string) []string {
	return append([]string{"eks", verb, "--cluster-name", k.name, "--nodegroup-name", name}, more...)
}

func (k *cluster) countNodes(t *testing.T, selector string) int {
	t.Helper()
	return strings.Count(k.kubectl(t, "get", "nodes", "-l", selector, "-o", "name"), "node/")
}

// TestNodegroupUpdates: sizes, labels, taints and versions of a nodegroup change its running nodes, and pods leave as their budgets
// allow. A node in a bad condition is replaced. The nodes are simulated, so that there can be some.
func TestNodegroupUpdates(t *testing.T) {
	t.Parallel()
	k := createCluster(t, testenv.Shared(t).Admin(t), "updates")
	k.client.AWS(t, k.nodegroup("create-nodegroup", "ng", "--node-role", createNodeRole(t, k.client, "updates-nodes"), "--subnets", firstSubnet(t, k.client),
		"--labels", "minato.dev/node=simulated,tier=one", "--scaling-config", "minSize=0,desiredSize=2,maxSize=4",
		"--node-repair-config", `{"enabled":true,"nodeRepairConfigOverrides":[{"nodeMonitoringCondition":"DiskReady","nodeUnhealthyReason":"Worn","minRepairWaitTimeMins":10,"repairAction":"Replace"}]}`)...)
	k.client.AWS(t, "eks", "wait", "nodegroup-active", "--cluster-name", k.name, "--nodegroup-name", "ng")
	k.client.RefusedAWS(t, []string{"ResourceInUseException", "Cluster has nodegroups attached"}, "eks", "delete-cluster", "--name", k.name)
	k.kubectl(t, "create", "deployment", "web", "--image=nowhere.invalid/app", "--replicas=4")
	k.kubectl(t, "create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=3")
	k.kubectl(t, "wait", "deployment/web", "--for=condition=Available", "--timeout=180s")

	k.updateNodegroup(t, "update-nodegroup-config", "--scaling-config", "desiredSize=3", "--labels", `{"addOrUpdateLabels":{"level":"two"},"removeLabels":["tier"]}`,
		"--taints", `{"addOrUpdateTaints":[{"key":"t","value":"v","effect":"PREFER_NO_SCHEDULE"}]}`)
	if n, old := k.countNodes(t, "level=two"), k.countNodes(t, "tier"); n != 3 || old != 0 {
		t.Errorf("%d nodes have the new label, want 3; %d the old one", n, old)
	}
	if taints := k.kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].spec.taints[*].key}"); strings.Count(taints, "t") < 3 {
		t.Errorf("taints %s", taints)
	}
	k.testRepair(t)
	k.updateNodegroup(t, "update-nodegroup-config", "--scaling-config", "desiredSize=1")
	if n := k.countNodes(t, ""); n != 1 {
		t.Errorf("%d nodes are left, want 1", n)
	}
	k.kubectl(t, "wait", "deployment/web", "--for=condition=Available", "--timeout=180s")
	k.client.AWS(t, k.nodegroup("delete-nodegroup", "ng")...)
	k.client.AWS(t, "eks", "wait", "nodegroup-deleted", "--cluster-name", k.name, "--nodegroup-name", "ng")
	k.delete(t)
}

// testRepair has one of three nodes in a condition that calls for repair since an hour ago.
func (k *cluster) testRepair(t *testing.T) {
	t.Helper()
	worn := k.kubectl(t, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
	k.kubectl(t, "patch", "node", worn, "--subresource=status", "-p", fmt.Sprintf(
		`{"status":{"conditions":[{"type":"DiskReady","status":"False","reason":"Worn","lastTransitionTime":%q}]}}`, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)))
	testenv.Eventually(t, func() error {
		nodes := k.kubectl(t, "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status},{end}`)
		if strings.Contains(nodes, worn) || strings.Count(nodes, " True,") != 3 {
			return fmt.Errorf("%s was to be replaced: the nodes are %s", worn, nodes)
		}
		return nil
	})
}

// updateNodegroup begins an update of the nodegroup ng, waits for its end and fails unless it succeeded.
func (k *cluster) updateNodegroup(t *testing.T, verb string, more ...string) {
	t.Helper()
	id := k.client.AWS(t, k.nodegroup(verb, "ng", append(more, "--query", "update.id", "--output", "text")...)...)
	k.client.AWS(t, "eks", "wait", "nodegroup-active", "--cluster-name", k.name, "--nodegroup-name", "ng")
	got := k.client.AWS(t, "eks", "describe-update", "--name", k.name, "--nodegroup-name", "ng", "--update-id", id, "--query", "update.[status,errors]", "--output", "json")
	if !strings.Contains(got, "Successful") {
		t.Fatalf("update %s: %s", verb, got)
	}
}

// TestNodegroupInput: what cannot be is refused, in EKS's words, and leaves nothing behind.
func TestNodegroupInput(t *testing.T) {
	t.Parallel()
	k := createCluster(t, testenv.Shared(t).Admin(t), "no-nodegroup")
	role, subnet := createNodeRole(t, k.client, "no-nodegroup-nodes"), firstSubnet(t, k.client)
	create := func(more ...string) []string {
		return k.nodegroup("create-nodegroup", "ng", append([]string{"--subnets", subnet, "--node-role", role}, more...)...)
	}
	for want, more := range map[string][]string{
		"desiredSize can't be greater than maxSize":           {"--scaling-config", "minSize=1,desiredSize=3,maxSize=2"},
		"instance types do not exist: [x1.none]":              {"--instance-types", "x1.none"},
		"were not found in the trust relationships":           {"--node-role", strings.Replace(role, "no-nodegroup-nodes", "no-nodegroup", 1)},
		"The subnet ID 'subnet-0' was not found":              {"--subnets", "subnet-0"},
		"Nodegroup Kubernetes version should be equal to":     {"--kubernetes-version", "1.20"},
		"amiType \"BOTTLEROCKET_x86_64\" is not supported":    {"--ami-type", "BOTTLEROCKET_x86_64"},
		"Label cannot contain reserved prefixes":              {"--labels", "eks.amazonaws.com/x=y"},
		"The role with name nobody cannot be found":           {"--node-role", strings.Replace(role, "no-nodegroup-nodes", "nobody", 1)},
		"Launch template lt-0 version $Default was not found": {"--launch-template", "id=lt-0"},
	} {
		k.client.RefusedAWS(t, []string{"InvalidParameterException", want}, create(more...)...)
	}
	k.client.AWS(t, "iam", "detach-role-policy", "--role-name", "no-nodegroup-nodes", "--policy-arn", "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy")
	k.client.RefusedAWS(t, []string{"InvalidParameterException", "[AmazonEKSWorkerNodePolicy] are attached"}, create()...)
	k.client.AWS(t, "iam", "attach-role-policy", "--role-name", "no-nodegroup-nodes", "--policy-arn", "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy")

	k.testFullSubnet(t, role)
	var running sync.WaitGroup
	results := make([]testenv.Result, 2)
	for i := range results {
		running.Go(func() {
			results[i] = k.client.TryAWS(t, create("--labels", "minato.dev/node=simulated", "--scaling-config", "minSize=0,desiredSize=0,maxSize=1")...)
		})
	}
	running.Wait()
	made := 0
	for _, r := range results {
		if r.ExitCode == 0 {
			made++
		} else if !strings.Contains(r.Stderr, "NodeGroup already exists with name ng and cluster name "+k.name) {
			t.Error(r)
		}
	}
	if made != 1 {
		t.Errorf("%d nodegroups of one name were made at once", made)
	}
	k.client.AWS(t, "eks", "wait", "nodegroup-active", "--cluster-name", k.name, "--nodegroup-name", "ng")
	k.client.AWS(t, k.nodegroup("delete-nodegroup", "ng")...)
	k.client.AWS(t, "eks", "wait", "nodegroup-deleted", "--cluster-name", k.name, "--nodegroup-name", "ng")
	k.delete(t)
}

// testFullSubnet asks for nodes of two sizes in a subnet with eleven addresses: one needs sixteen, of the other, which takes ten, there is
// room for one.
func (k *cluster) testFullSubnet(t *testing.T, role string) {
	t.Helper()
	subnet := strings.TrimSpace(k.client.Shell(t, `
vpc=$(aws ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[0].VpcId' --output text)
aws ec2 create-subnet --vpc-id $vpc --cidr-block 172.31.209.0/28 --query Subnet.SubnetId --output text`))
	free := func(want string) {
		t.Helper()
		if n := k.client.AWS(t, "ec2", "describe-subnets", "--subnet-ids", subnet, "--query", "Subnets[0].AvailableIpAddressCount", "--output", "text"); n != want {
			t.Errorf("%s addresses are free, want %s", n, want)
		}
	}
	create := func(name, instanceType string) []string {
		return k.nodegroup("create-nodegroup", name, "--subnets", subnet, "--node-role", role, "--instance-types", instanceType,
			"--labels", "minato.dev/node=simulated", "--scaling-config", "minSize=0,desiredSize=1,maxSize=1")
	}
	refusal := []string{"InvalidParameterException", subnet + " do not have enough free IP addresses"}
	k.client.RefusedAWS(t, refusal, create("large", "t3.medium")...)
	free("11")
	k.client.AWS(t, create("small", "t3.small")...)
	k.client.AWS(t, "eks", "wait", "nodegroup-active", "--cluster-name", k.name, "--nodegroup-name", "small")
	free("1")
	k.client.RefusedAWS(t, refusal, create("another", "t3.small")...)
	k.client.AWS(t, k.nodegroup("delete-nodegroup", "small")...)
	k.client.AWS(t, "eks", "wait", "nodegroup-deleted", "--cluster-name", k.name, "--nodegroup-name", "small")
	free("11")
	k.client.AWS(t, "ec2", "delete-subnet", "--subnet-id", subnet)
}
