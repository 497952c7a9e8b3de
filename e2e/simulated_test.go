package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// createNodeRole makes a role that nodes may be, and returns its ARN.
func createNodeRole(t *testing.T, c *testenv.Client, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trust.json")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(trust, "eks.amazonaws.com", "ec2.amazonaws.com")), 0o600); err != nil {
		t.Fatal(err)
	}
	arn := c.AWS(t, "iam", "create-role", "--role-name", name, "--assume-role-policy-document", "file://"+file,
		"--query", "Role.Arn", "--output", "text")
	for _, policy := range []string{"AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonEKS_CNI_Policy"} {
		c.AWS(t, "iam", "attach-role-policy", "--role-name", name, "--policy-arn", "arn:aws:iam::aws:policy/"+policy)
	}
	return arn
}

// TestSimulatedNodes: a nodegroup with the label that asks for it has nodes that kwok makes up. They say what they are, run pods,
// survive the death of kwok, and go with their nodegroup.
func TestSimulatedNodes(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	k := createCluster(t, e.Admin(t), "simulated")
	k.client.AWS(t, "eks", "create-nodegroup", "--cluster-name", k.name, "--nodegroup-name", "ng",
		"--node-role", createNodeRole(t, k.client, "simulated-nodes"), "--subnets", firstSubnet(t, k.client),
		"--labels", "minato.dev/node=simulated,team=a", "--taints", "key=gpu,value=yes,effect=PREFER_NO_SCHEDULE",
		"--scaling-config", "minSize=1,desiredSize=3,maxSize=5")
	k.client.AWS(t, "eks", "wait", "nodegroup-active", "--cluster-name", k.name, "--nodegroup-name", "ng")
	nodes := k.kubectl(t, "get", "nodes", "-l", "minato.dev/simulated=true,team=a,eks.amazonaws.com/nodegroup=ng",
		"-o", `jsonpath={range .items[*]}{.spec.providerID} {.spec.taints[0].key} {.status.nodeInfo.osImage}{"\n"}{end}`)
	if got := strings.Count(nodes, "aws:///") + strings.Count(nodes, " gpu Minato simulated node"); got != 6 {
		t.Errorf("the nodes are\n%s", nodes)
	}
	if status := e.Minato(t, "status"); !strings.Contains(status, "simulated: 3 of its nodes are simulated") {
		t.Errorf("the status does not say that nodes are simulated:\n%s", status)
	}
	k.kubectl(t, "create", "deployment", "web", "--image=nowhere.invalid/app", "--replicas=6")
	k.kubectl(t, "wait", "deployment/web", "--for=condition=Available", "--timeout=180s")

	for _, args := range [][]string{{"logs", "deploy/web"}, {"exec", "deploy/web", "--", "ls"}} {
		if r := k.client.TryKubectl(t, k.config, args...); !strings.Contains(r.Stderr, "is simulated: no program runs on it") {
			t.Errorf("kubectl %s does not say that the node is simulated: %s", args[0], r)
		}
	}

	// As kube-controller-manager does to the pods of a node that has not reported for long.
	pod := k.kubectl(t, "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
	k.kubectl(t, "patch", "pod", pod, "--subresource=status", "-p", `{"status":{"conditions":[{"type":"Ready","status":"False"}]}}`)
	k.kubectl(t, "wait", "pod/"+pod, "--for=condition=Ready", "--timeout=180s")

	k.refuseKwok(t, e)

	kwok := kwokOf(e.Status(t))
	if err := syscall.Kill(kwok.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, func() error {
		if again := kwokOf(e.Status(t)); again.State != "running" || again.PID == kwok.PID {
			return fmt.Errorf("kwok is %+v", again)
		}
		return nil
	})
	k.kubectl(t, "delete", "pod", "-l", "app=web", "--timeout=180s")
	k.kubectl(t, "wait", "deployment/web", "--for=condition=Available", "--timeout=180s")

	k.client.AWS(t, "eks", "delete-nodegroup", "--cluster-name", k.name, "--nodegroup-name", "ng")
	k.client.AWS(t, "eks", "wait", "nodegroup-deleted", "--cluster-name", k.name, "--nodegroup-name", "ng")
	if left := k.kubectl(t, "get", "nodes", "-o", "name"); left != "" {
		t.Errorf("nodes are left: %s", left)
	}
	testenv.Eventually(t, func() error {
		if kwokOf(e.Status(t)).PID != 0 {
			return errors.New("kwok runs on")
		}
		return nil
	})
	k.delete(t)
}

// refuseKwok has the cluster refuse, for a while, what kwok says of pods and their deletion, which kwok does not try again by itself.
func (k *cluster) refuseKwok(t *testing.T, e *testenv.Env) {
	t.Helper()
	pod := k.kubectl(t, "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
	k.kubectl(t, "create", "-f", k.file(t, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"no-kwok"},"spec":{
		"failurePolicy":"Fail","matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["UPDATE","DELETE"],"resources":["pods","pods/status"]}]},
		"validations":[{"expression":"request.userInfo.username != 'minato:simulated-nodes'","message":"not a word of kwok's"}]}}`))
	k.kubectl(t, "create", "-f", k.file(t, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":"no-kwok"},
		"spec":{"policyName":"no-kwok","validationActions":["Deny"]}}`))
	testenv.Eventually(t, func() error {
		r := k.client.TryKubectl(t, k.config, "--as=minato:simulated-nodes", "--as-group=system:masters", "annotate", "pod", pod, "try=it", "--dry-run=server")
		if !strings.Contains(r.Stderr, "not a word of kwok's") {
			return fmt.Errorf("the policy does not hold yet: %s", r)
		}
		return nil
	})
	k.kubectl(t, "delete", "pod", pod, "--wait=false") // and another one comes in its place
	testenv.Eventually(t, func() error {
		var said string
		paths, _ := filepath.Glob(e.Home.Logs("clusters", "*", "kwok.log"))
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			said += string(b)
		}
		if !strings.Contains(said, "failed to delete pod "+pod) || !strings.Contains(said, "failed to patch pod web-") {
			return fmt.Errorf("kwok has not been refused yet; it says\n%s", said)
		}
		return nil
	})
	k.kubectl(t, "delete", "validatingadmissionpolicybinding/no-kwok", "validatingadmissionpolicy/no-kwok")
	k.kubectl(t, "wait", "pod/"+pod, "--for=delete", "--timeout=180s")
	k.kubectl(t, "wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=6", "--timeout=180s")
}

// kwokOf is the process that plays simulated nodes; it has no pid when there is none.
func kwokOf(st testenv.Status) testenv.Process {
	for name, p := range st.All() {
		if strings.HasSuffix(name, "/kwok") {
			return p
		}
	}
	return testenv.Process{}
}

func firstSubnet(t *testing.T, c *testenv.Client) string {
	t.Helper()
	id, _, _ := strings.Cut(subnets(t, c), ",")
	return id
}
