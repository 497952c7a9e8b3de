package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// privateSubnetScript makes a subnet of the default VPC that no route leads out of, and prints its id.
const privateSubnetScript = `
vpc=$(aws ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[0].VpcId' --output text)
subnet=$(aws ec2 create-subnet --vpc-id $vpc --cidr-block 172.31.208.0/28 --query Subnet.SubnetId --output text)
table=$(aws ec2 create-route-table --vpc-id $vpc --query RouteTable.RouteTableId --output text)
aws ec2 associate-route-table --route-table-id $table --subnet-id $subnet > associated
echo $subnet
`

// testFargate: a pod that a Fargate profile selects gets a machine of its own, of its size, where nothing else goes; the machine goes
// with the pod. One that cannot have a machine, and cannot even be told so, does not hold it up, and is tried again.
func (n *realNodes) testFargate(t *testing.T) {
	c := n.client
	file := filepath.Join(t.TempDir(), "trust.json")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(trust, "eks.amazonaws.com", "eks-fargate-pods.amazonaws.com")), 0o600); err != nil {
		t.Fatal(err)
	}
	role := c.AWS(t, "iam", "create-role", "--role-name", "real-fargate", "--assume-role-policy-document", "file://"+file, "--query", "Role.Arn", "--output", "text")
	subnet := strings.TrimSpace(c.Shell(t, privateSubnetScript))
	profile := []string{"--cluster-name", n.name, "--fargate-profile-name", "alone"}
	c.AWS(t, append([]string{"eks", "create-fargate-profile", "--pod-execution-role-arn", role, "--subnets", subnet,
		"--selectors", `[{"namespace":"alone","labels":{"runtime":"fargate"}}]`}, profile...)...)
	c.AWS(t, append([]string{"eks", "wait", "fargate-profile-active"}, profile...)...)
	n.kubectl(t, "create", "namespace", "alone")
	loud := n.silenceFargate(t)
	n.kubectl(t, "-n", "alone", "run", "huge", "--image=minato.local/echo", "--labels=runtime=fargate", "--overrides",
		`{"spec":{"containers":[{"name":"c","image":"minato.local/echo","resources":{"requests":{"cpu":"99"}}}]}}`)
	n.kubectl(t, "-n", "alone", "run", "root", "--image=minato.local/echo", "--labels=runtime=fargate", "--overrides",
		`{"spec":{"hostPID":true,"containers":[{"name":"c","image":"minato.local/echo","securityContext":{"privileged":true}}],"volumes":[{"name":"logs","hostPath":{"path":"/var/log"}}]}}`)
	n.kubectl(t, "-n", "alone", "run", "elsewhere", "--image=minato.local/echo", "--labels=runtime=fargate", "--annotations=eks.amazonaws.com/compute-type=ec2")
	// As many processors as this machine may not have.
	n.kubectl(t, "-n", "alone", "run", "picked", "--image=minato.local/echo", "--labels=runtime=fargate", "--overrides",
		`{"spec":{"containers":[{"name":"c","image":"minato.local/echo","resources":{"requests":{"cpu":"3500m","memory":"256Mi","ephemeral-storage":"30Gi"}}}]}}`)
	n.kubectl(t, "-n", "alone", "run", "other", "--image=minato.local/echo")
	n.kubectl(t, "-n", "alone", "wait", "pod/picked", "pod/other", "pod/elsewhere", "--for=condition=Ready", "--timeout=180s")
	if node := n.kubectl(t, "-n", "alone", "get", "pod", "elsewhere", "-o", "jsonpath={.spec.nodeName}"); strings.HasPrefix(node, "fargate-") {
		t.Errorf("a pod that wants EC2 is on %s", node)
	}
	node := n.kubectl(t, "-n", "alone", "get", "pod", "picked", "-o", "jsonpath={.spec.nodeName}")
	testenv.Eventually(t, func() error { // a pod may be Ready before its node is without the taint of one that is not
		if labels := n.kubectl(t, "get", "node", node, "-o", "jsonpath={.metadata.labels.eks\\.amazonaws\\.com/compute-type} {.spec.taints[*].key}"); labels != "fargate eks.amazonaws.com/compute-type" {
			return fmt.Errorf("the node's kind and taints are %q", labels)
		}
		return nil
	})
	if size := n.kubectl(t, "-n", "alone", "get", "pod", "picked", "-o", "jsonpath={.metadata.annotations.CapacityProvisioned}"); size != "4vCPU 8GB" {
		t.Errorf("the pod got %q", size)
	}
	others := n.kubectl(t, "get", "pods", "-A", "--field-selector", "spec.nodeName="+node, "-o", "jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.labels.k8s-app} {end}")
	for pod := range strings.FieldsSeq(others) {
		if pod != "alone/" && pod != "kube-system/aws-node" && pod != "kube-system/kube-proxy" {
			t.Errorf("there are also pods %s on the node", others)
		}
	}
	n.kubectl(t, "run", "crowd", "--image=minato.local/echo", "--overrides", `{"spec":{"tolerations":[{"operator":"Exists"}],"nodeSelector":{"eks.amazonaws.com/compute-type":"fargate"}}}`)
	testenv.Eventually(t, func() error {
		if said := n.kubectl(t, "get", "events", "-o", "jsonpath={.items[?(@.involvedObject.name=='crowd')].message}"); !strings.Contains(said, "didn't match Pod's node affinity/selector") {
			return fmt.Errorf("a pod that would go to a Fargate node is told %q", said)
		}
		return nil
	})
	n.kubectl(t, "delete", "pod", "crowd", "--wait=false")
	loud()
	testenv.Eventually(t, func() error {
		if said := n.kubectl(t, "-n", "alone", "get", "events", "-o", "jsonpath={.items[?(@.involvedObject.name=='huge')].message}"); !strings.Contains(said, "16vCPU 120GB at most") {
			return fmt.Errorf("a pod that is too large is told %q", said)
		}
		return nil
	})
	const unsupported = "Pod not supported on Fargate: fields not supported: HostPID, invalid SecurityContext fields: Privileged, volumes not supported: logs is of an unsupported volume Type"
	testenv.Eventually(t, func() error {
		if said := n.kubectl(t, "-n", "alone", "get", "events", "-o", "jsonpath={.items[?(@.involvedObject.name=='root')].message}"); said != unsupported {
			return fmt.Errorf("a pod that wants to be root is told %q", said)
		}
		return nil
	})
	n.kubectl(t, "delete", "namespace", "alone", "--wait=false")
	testenv.Eventually(t, func() error {
		if left := n.kubectl(t, "get", "node", node, "--ignore-not-found", "-o", "name"); left != "" {
			return fmt.Errorf("the pod's node is left")
		}
		return nil
	})
	c.AWS(t, append([]string{"eks", "delete-fargate-profile"}, profile...)...)
	c.AWS(t, append([]string{"eks", "wait", "fargate-profile-deleted"}, profile...)...)
}

// silenceFargate has the cluster refuse Fargate's events about the pod huge until loud is called.
func (n *realNodes) silenceFargate(t *testing.T) (loud func()) {
	t.Helper()
	n.kubectl(t, "create", "-f", n.file(t, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"silence"},"spec":{
		"failurePolicy":"Fail","matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["events"]}]},
		"validations":[{"expression":"object.involvedObject.name != 'huge'","message":"not a word of it"}]}}`))
	n.kubectl(t, "create", "-f", n.file(t, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":"silence"},
		"spec":{"policyName":"silence","validationActions":["Deny"]}}`))
	event := n.file(t, `{"apiVersion":"v1","kind":"Event","metadata":{"name":"try","namespace":"alone"},"involvedObject":{"kind":"Pod","name":"huge","namespace":"alone"}}`)
	testenv.Eventually(t, func() error {
		if r := n.client.TryKubectl(t, n.config, "create", "-f", event, "--dry-run=server"); !strings.Contains(r.Stderr, "not a word of it") {
			return fmt.Errorf("the policy does not hold yet: %s", r)
		}
		return nil
	})
	return func() { n.kubectl(t, "delete", "validatingadmissionpolicybinding", "silence") }
}
