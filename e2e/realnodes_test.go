package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"minato.dev/minato/internal/testenv"
)

// eager is the user data of nodes that tell quickly that their disk is not full any more.
const eager = `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="//"

--//
Content-Type: application/node.eks.aws

apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  kubelet:
    config:
      evictionPressureTransitionPeriod: 1s
--//--
`

// TestRealNodes: ports of a node are served; Services outlive a kube-proxy; a pod whose image does not exist says so; images come from registries elsewhere; a node whose disk is full evicts, and heals;
// Fargate pods have nodes of their own; and while nodes are replaced and removed, a PodDisruptionBudget holds.
func TestRealNodes(t *testing.T) {
	t.Parallel()
	testenv.NeedNodes(t)
	e := testenv.Shared(t)
	c := e.Admin(t)
	k := createCluster(t, c, "real", "--kubernetes-version", "1.35")
	n := &realNodes{cluster: k, registry: otherRegistry(t, e)}
	template := n.createTemplate(t)
	release := c.AWS(t, "ssm", "get-parameters-by-path", "--path", "/aws/service/eks/optimized-ami/1.35", "--recursive",
		"--query", "Parameters[?ends_with(Name, 'release_version')].Value", "--output", "text")
	c.AWS(t, k.nodegroup("create-nodegroup", "ng", "--node-role", createNodeRole(t, c, "real-nodes"), "--subnets", firstSubnet(t, c),
		"--launch-template", "id="+template+",version=1", "--release-version", release, "--update-config", "maxUnavailable=1", "--scaling-config", "minSize=0,desiredSize=2,maxSize=2")...)
	k.kubectl(t, "create", "deployment", "web", "--image=minato.local/echo", "--replicas=2")
	k.kubectl(t, "create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=1")
	c.AWS(t, "eks", "wait", "nodegroup-active", "--cluster-name", k.name, "--nodegroup-name", "ng")

	t.Run("host port", n.testHostPort)
	t.Run("another kube-proxy", n.testAnotherKubeProxy)
	t.Run("no image", n.testNoImage)
	t.Run("other registry", n.testOtherRegistry)
	t.Run("full disk", n.testFullDisk)
	t.Run("fargate", n.testFargate)
	t.Run("roll and scale", func(t *testing.T) { n.testRoll(t, template) })

	c.AWS(t, k.nodegroup("delete-nodegroup", "ng")...)
	c.AWS(t, "eks", "wait", "nodegroup-deleted", "--cluster-name", k.name, "--nodegroup-name", "ng")
	k.delete(t)
}

// testAnotherKubeProxy: a kube-proxy that starts takes up the rules that the one before has left.
func (n *realNodes) testAnotherKubeProxy(t *testing.T) {
	n.kubectl(t, "expose", "deployment", "web", "--port=80")
	get := func() error {
		r := n.client.TryKubectl(t, n.config, "exec", "deploy/web", "--", "get", "http://web.default.svc.cluster.local")
		if r.ExitCode != 0 || !strings.Contains(r.Stdout, "hostname: web-") {
			return fmt.Errorf("the Service: %s", r)
		}
		return nil
	}
	testenv.Eventually(t, get)
	n.kubectl(t, "-n", "kube-system", "rollout", "restart", "daemonset/kube-proxy")
	n.kubectl(t, "-n", "kube-system", "rollout", "status", "daemonset/kube-proxy", "--timeout=180s")
	testenv.Eventually(t, get)
}

// realNodes is a cluster with real nodes.
type realNodes struct {
	*cluster
	registry string // on another machine
}

func (n *realNodes) createTemplate(t *testing.T) (id string) {
	t.Helper()
	data, err := json.Marshal(map[string]string{"UserData": base64.StdEncoding.EncodeToString([]byte(eager))})
	if err != nil {
		t.Fatal(err)
	}
	return n.client.AWS(t, "ec2", "create-launch-template", "--launch-template-name", "real", "--launch-template-data", string(data),
		"--query", "LaunchTemplate.LaunchTemplateId", "--output", "text")
}

// testRoll replaces both nodes, then removes one. At no time is the deployment without a pod that serves.
func (n *realNodes) testRoll(t *testing.T, template string) {
	n.kubectl(t, "rollout", "status", "deployment/web", "--timeout=180s")
	served := n.watchAvailable(t)
	before := n.groupNodes(t)
	n.client.AWS(t, "ec2", "create-launch-template-version", "--launch-template-id", template, "--source-version", "1", "--launch-template-data", `{}`)
	n.updateNodegroup(t, "update-nodegroup-version", "--launch-template", "id="+template+",version=2")
	after := n.groupNodes(t)
	if len(before) != 2 || len(after) != 2 {
		t.Errorf("nodes before the update %q, after it %q", before, after)
	}
	for _, name := range after {
		if slices.Contains(before, name) {
			t.Errorf("node %s was not replaced", name)
		}
	}
	n.updateNodegroup(t, "update-nodegroup-config", "--scaling-config", "desiredSize=1")
	if left := n.groupNodes(t); len(left) != 1 {
		t.Errorf("nodes are left: %q", left)
	}
	n.kubectl(t, "rollout", "status", "deployment/web", "--timeout=180s")
	if counts := served(); !slices.Contains(counts, "1") || slices.ContainsFunc(counts, func(s string) bool { return s == "<none>" || s == "0" }) {
		t.Errorf("pods that served, in the course of time: %q", counts)
	}
}

// watchAvailable notes how many pods of the deployment serve, from now until it is asked.
func (n *realNodes) watchAvailable(t *testing.T) (counts func() []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "available")
	pid, err := strconv.Atoi(n.client.Shell(t, fmt.Sprintf(
		"kubectl --kubeconfig %s get deployment web --watch --no-headers -o custom-columns=N:.status.availableReplicas > %s 2>&1 & echo $!", n.config, file)))
	if err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	t.Cleanup(end)
	return func() []string {
		end()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		return strings.Fields(string(b))
	}
}

func (n *realNodes) groupNodes(t *testing.T) []string {
	t.Helper()
	return strings.Fields(n.kubectl(t, "get", "nodes", "-l", "eks.amazonaws.com/nodegroup=ng", "-o", "jsonpath={.items[*].metadata.name}"))
}

func (n *realNodes) testHostPort(t *testing.T) {
	n.kubectl(t, "run", "front", "--image=minato.local/echo", "--overrides",
		`{"spec":{"containers":[{"name":"front","image":"minato.local/echo","ports":[{"containerPort":80,"hostPort":8088}]}]}}`)
	n.kubectl(t, "wait", "pod/front", "--for=condition=Ready", "--timeout=180s")
	host := n.kubectl(t, "get", "pod", "front", "-o", "jsonpath={.status.hostIP}")
	testenv.Eventually(t, func() error {
		r := n.client.TryKubectl(t, n.config, "exec", "deploy/web", "--", "get", "http://"+host+":8088/")
		if r.ExitCode != 0 || !strings.Contains(r.Stdout, "hostname: front") {
			return fmt.Errorf("port 8088 of the host: %s", r)
		}
		return nil
	})
	n.kubectl(t, "delete", "pod", "front", "--wait=false")
}

// testNoImage is that a pod says which image it cannot have.
func (n *realNodes) testNoImage(t *testing.T) {
	n.kubectl(t, "run", "nothing", "--image=minato.local/nothing:1")
	testenv.Eventually(t, func() error {
		said := n.kubectl(t, "get", "pod", "nothing", "-o", "jsonpath={.status.phase} {.status.containerStatuses[0].state.waiting}")
		if !strings.HasPrefix(said, "Pending") || !strings.Contains(said, "ImagePull") || !strings.Contains(said, "minato.local/nothing:1") || !strings.Contains(said, "not found") {
			return fmt.Errorf("a pod without an image is %s", said)
		}
		return nil
	})
	n.kubectl(t, "delete", "pod", "nothing", "--wait=false")
}

// testFullDisk fills a pod's volume as far as the node's disk goes. The pod is evicted, and with it goes what it had written.
func (n *realNodes) testFullDisk(t *testing.T) {
	n.kubectl(t, "run", "greedy", "--image=minato.local/echo", "--overrides",
		`{"spec":{"volumes":[{"name":"v","emptyDir":{}}],"containers":[{"name":"greedy","image":"minato.local/echo","volumeMounts":[{"name":"v","mountPath":"/v"}]}]}}`)
	n.kubectl(t, "wait", "pod/greedy", "--for=condition=Ready", "--timeout=180s")
	node := n.kubectl(t, "get", "pod", "greedy", "-o", "jsonpath={.spec.nodeName}")
	instance := filepath.Base(n.kubectl(t, "get", "node", node, "-o", "jsonpath={.spec.providerID}"))
	uid := n.kubectl(t, "get", "pod", "greedy", "-o", "jsonpath={.metadata.uid}")
	machine := &realNode{cluster: n.cluster, instance: instance}
	root := fmt.Sprintf("/proc/%d/root", machine.pidsOf(t, "kubelet")[0])
	fill(t, filepath.Join(root, "var/lib/kubelet/pods", uid, "volumes/kubernetes.io~empty-dir/v/fill"))
	testenv.Eventually(t, func() error {
		reasons := n.kubectl(t, "get", "events", "-o", "jsonpath={.items[?(@.involvedObject.name=='"+node+"')].reason} {.items[?(@.involvedObject.name=='greedy')].reason}")
		if !strings.Contains(reasons, "EvictionThresholdMet") || !strings.Contains(reasons, "Evicted") {
			return fmt.Errorf("what happened to the node and the pod: %s", reasons)
		}
		return nil
	})
	n.kubectl(t, "wait", "node/"+node, "--for=condition=DiskPressure=False", "--timeout=180s")
}

// fill makes a file that has all but a little of a file system. Nothing is written to it, so that a disk full of holes stays so.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(stat.Bavail)*stat.Bsize-(64<<20)); err != nil {
		t.Fatal(err)
	}
}
