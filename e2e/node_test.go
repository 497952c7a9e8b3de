package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// TestNode: a nodegroup's node is a machine of its own. Pods run on it, cannot be the node, and it heals; when it goes, nothing
// of it is left on this machine.
func TestNode(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	k := createCluster(t, e.Admin(t), "nodes")
	n := k.addNode(t, e)

	t.Run("joins", n.testJoins)
	t.Run("begins with images", n.testPreparedImages)
	t.Run("pods", n.testPods)
	t.Run("metadata", n.testMetadata)
	t.Run("services heal", n.testServicesHeal)
	t.Run("pods outlive minato up", n.testRestart)
	t.Run("machine heals", n.testMachineHeals)
	t.Run("machine heals after a power cut", n.testMachineHealsAfterPowerCut)
	t.Run("goes", n.testGoes)
	k.delete(t)
}

// realNode is the one node of a nodegroup.
type realNode struct {
	*cluster
	env      *testenv.Env
	instance string
	host     string
}

func (k *cluster) addNode(t *testing.T, e *testenv.Env) *realNode {
	t.Helper()
	k.client.AWS(t, "eks", "create-nodegroup", "--cluster-name", k.name, "--nodegroup-name", "ng", "--node-role", createNodeRole(t, k.client, "node"),
		"--subnets", firstSubnet(t, k.client), "--scaling-config", "minSize=1,desiredSize=1,maxSize=2")
	k.client.AWS(t, "eks", "wait", "nodegroup-active", "--cluster-name", k.name, "--nodegroup-name", "ng")
	n := &realNode{cluster: k, env: e}
	out := k.client.AWS(t, "ec2", "describe-instances", "--query", "Reservations[].Instances[].[InstanceId,PrivateDnsName]", "--output", "text")
	n.instance, n.host, _ = strings.Cut(out, "\t")
	return n
}

// testJoins is that the node is the instance, of its size, with a certificate of its own.
func (n *realNode) testJoins(t *testing.T) {
	got := n.kubectl(t, "get", "node", n.host, "-o", "jsonpath={.spec.providerID} {.status.capacity.cpu} {.status.capacity.memory} {.metadata.labels.node\\.kubernetes\\.io/instance-type}")
	if !strings.HasSuffix(got, "/"+n.instance+" 2 4Gi t3.medium") {
		t.Errorf("the node is %q", got)
	}
	if names := n.kubectl(t, "get", "csr", "-o", "jsonpath={.items[*].spec.signerName}"); !strings.Contains(names, "kubernetes.io/kubelet-serving") {
		t.Errorf("signing requests are %q", names)
	}
}

// testPreparedImages is that the images that every node runs are not on its own disk.
func (n *realNode) testPreparedImages(t *testing.T) {
	info, err := os.Stat(n.env.Home.Path("nodes", n.instance, "disk.ext4"))
	if err != nil {
		t.Fatal(err)
	}
	const blockSize, want = 512, 100 << 20 // kube-proxy's image alone is larger
	if used := info.Sys().(*syscall.Stat_t).Blocks * blockSize; used > want {
		t.Errorf("the node's disk has %d MiB", used>>20)
	}
}

func (n *realNode) testPods(t *testing.T) {
	n.kubectl(t, "run", "web", "--image=minato.local/echo", "--image-pull-policy=IfNotPresent")
	n.kubectl(t, "run", "probe", "--image=minato.local/echo", "--image-pull-policy=IfNotPresent", "--", "sleep", "infinity")
	n.kubectl(t, "wait", "pod/web", "pod/probe", "--for=condition=Ready", "--timeout=180s")
	ip := n.kubectl(t, "get", "pod", "web", "-o", "jsonpath={.status.podIP}")
	if answer := n.kubectl(t, "exec", "probe", "--", "get", "http://"+ip+"/"); answer == "" {
		t.Error("the pod answers nothing")
	}
	if log := n.kubectl(t, "logs", "web"); log == "" {
		t.Error("the pod's log is empty")
	}
}

// testMetadata is that a pod with a network of its own cannot become the node: nothing answers it, not even that it has no token.
func (n *realNode) testMetadata(t *testing.T) {
	r := n.client.TryKubectl(t, n.config, "exec", "probe", "--", "get", "-timeout", "3s", "http://169.254.169.254/latest/meta-data/")
	if r.ExitCode == 0 || strings.Contains(r.String(), "answers 4") || !strings.Contains(r.Stderr, "deadline exceeded") && !strings.Contains(r.Stderr, "timeout") {
		t.Errorf("a pod asks for the node's metadata: %s", r)
	}
}

// pidsOf are the processes of the node with a name.
func (n *realNode) pidsOf(t *testing.T, name string) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/sys/fs/cgroup/*/minato/" + n.instance + "/cgroup.procs")
	if err != nil || len(files) == 0 {
		files = []string{"/sys/fs/cgroup/minato/" + n.instance + "/init/cgroup.procs"}
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for field := range strings.FieldsSeq(string(b)) {
		comm, err := os.ReadFile("/proc/" + field + "/comm")
		if pid, numErr := strconv.Atoi(field); err == nil && numErr == nil && strings.TrimSpace(string(comm)) == name {
			pids = append(pids, pid)
		}
	}
	return pids
}

// testServicesHeal kills kubelet and containerd: both come back, and the pods never notice.
func (n *realNode) testServicesHeal(t *testing.T) {
	before := n.kubectl(t, "get", "pod", "web", "-o", "jsonpath={.status.containerStatuses[0].containerID}")
	for _, name := range []string{"containerd", "kubelet"} {
		pids := n.pidsOf(t, name)
		if len(pids) != 1 {
			t.Fatalf("the node has %d processes called %s", len(pids), name)
		}
		if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, func() error {
			if again := n.pidsOf(t, name); len(again) != 1 || again[0] == pids[0] {
				return fmt.Errorf("%s: processes %v, killed %v", name, again, pids)
			}
			return nil
		})
	}
	n.waitReady(t)
	testenv.Eventually(t, func() error { // the node may be Ready still from before the kubelet was killed
		if r := n.client.TryKubectl(t, n.config, "exec", "probe", "--", "ls", "/"); r.ExitCode != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	if after := n.kubectl(t, "get", "pod", "web", "-o", "jsonpath={.status.containerStatuses[0].containerID}"); after != before {
		t.Errorf("the pod was started again: %s, then %s", before, after)
	}
}

func (n *realNode) waitReady(t *testing.T) {
	t.Helper()
	n.kubectl(t, "wait", "node/"+n.host, "--for=condition=Ready", "--timeout=180s")
}

// machine is the node's process.
func (n *realNode) machine(t *testing.T) testenv.Process {
	t.Helper()
	return n.env.Status(t).All()["nodes/"+n.instance]
}

// testRestart is that a killed `minato up` takes over the node that it had.
func (n *realNode) testRestart(t *testing.T) {
	before := n.machine(t)
	n.env.Kill(t)
	n.env.Up(t)
	if after := n.machine(t); after.PID != before.PID || after.PID == 0 {
		t.Errorf("the node's process was %d, and is %d", before.PID, after.PID)
	}
	n.kubectl(t, "exec", "probe", "--", "ls", "/")
}

// testMachineHeals kills the node's own process: the node starts again from its disk.
func (n *realNode) testMachineHeals(t *testing.T) {
	n.killMachine(t)
	n.kubectl(t, "wait", "pod/web", "--for=condition=Ready", "--timeout=180s")
}

// testMachineHealsAfterPowerCut does so with a disk that another boot of the machine was writing to. What containerd had on it is not
// believed then, and what kubelet had is.
func (n *realNode) testMachineHealsAfterPowerCut(t *testing.T) {
	root := fmt.Sprintf("/proc/%d/root/var/lib/", n.pidsOf(t, "kubelet")[0])
	if err := os.WriteFile(root+"containerd.boot", []byte("another boot"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"containerd", "kubelet"} {
		if err := os.WriteFile(root+name+"/witness", nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n.killMachine(t)
	testenv.Eventually(t, func() error { // the pod may be Ready still from before
		if r := n.client.TryKubectl(t, n.config, "exec", "probe", "--", "ls", "/"); r.ExitCode != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	root = fmt.Sprintf("/proc/%d/root/var/lib/", n.pidsOf(t, "kubelet")[0])
	if _, err := os.Stat(root + "containerd/witness"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("containerd goes on with what another boot wrote: %v", err)
	}
	if _, err := os.Stat(root + "kubelet/witness"); err != nil {
		t.Errorf("what kubelet keeps is gone: %v", err)
	}
}

// killMachine kills the node's process, and waits until there is another and the node is Ready.
func (n *realNode) killMachine(t *testing.T) {
	t.Helper()
	before := n.machine(t)
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, func() error {
		if now := n.machine(t); now.PID == before.PID || now.State != "running" {
			return fmt.Errorf("the node's process is %+v", now)
		}
		return nil
	})
	n.waitReady(t)
}

// testGoes deletes the nodegroup, and looks for what is left.
func (n *realNode) testGoes(t *testing.T) {
	n.client.AWS(t, "eks", "delete-nodegroup", "--cluster-name", n.name, "--nodegroup-name", "ng")
	n.client.AWS(t, "eks", "wait", "nodegroup-deleted", "--cluster-name", n.name, "--nodegroup-name", "ng")
	if left := n.kubectl(t, "get", "nodes", "-o", "name"); left != "" {
		t.Errorf("nodes are left: %s", left)
	}
	for _, pattern := range []string{
		"/sys/fs/cgroup/*/minato/" + n.instance, "/sys/fs/cgroup/minato/" + n.instance,
		n.env.Home.Path("nodes", n.instance), n.env.Home.Run("nodes", n.instance),
	} {
		if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
	}
}
