package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"minato.dev/minato/internal/testenv"
	"minato.dev/minato/service/ssm"
)

// hybridMachine is the machine that becomes a node in TestHybridNode.
var hybridMachine = otherMachine{namespace: "minato-e2e-hybrid", link: "mhybrid0", here: "10.253.77.1", address: "10.253.77.2"}

// TestHybridNode: a machine elsewhere registers with an activation, becomes a node, and runs a pod whose logs and shell are reached
// through its tunnel. The activation is used up; a machine that is deregistered loses its tunnel.
func TestHybridNode(t *testing.T) {
	testenv.NeedNodes(t)
	hybridMachine.start(t)
	e := testenv.Start(t, testenv.Options{Args: []string{"--advertise-address", hybridMachine.here, "--test-clock", "2026-11-01"}})
	c := e.Admin(t)
	role := createHybridRole(t, c)
	k := createCluster(t, c, "hybrid", "--access-config", "authenticationMode=API", "--no-bootstrap-self-managed-addons",
		"--remote-network-config", `{"remoteNodeNetworks":[{"cidrs":["10.253.77.0/24"]}],"remotePodNetworks":[{"cidrs":["10.253.128.0/17"]}]}`)
	c.AWS(t, "eks", "create-access-entry", "--cluster-name", k.name, "--principal-arn", role, "--type", "HYBRID_LINUX")
	var activation struct{ ActivationId, ActivationCode string }
	out := c.AWS(t, "ssm", "create-activation", "--iam-role", "hybrid-nodes", "--registration-limit", "1", "--output", "json")
	if err := json.Unmarshal([]byte(out), &activation); err != nil {
		t.Fatal(err)
	}
	late := activation
	out = c.AWS(t, "ssm", "create-activation", "--iam-role", "hybrid-nodes", "--expiration-date", "2026-11-01T06:00:00Z", "--output", "json")
	if err := json.Unmarshal([]byte(out), &late); err != nil {
		t.Fatal(err)
	}
	c.RefusedAWS(t, []string{"ValidationException", "missing ssm service principal in trust policy: " + k.name}, "ssm", "create-activation", "--iam-role", k.name)
	join := func(dir string, flags ...string) *exec.Cmd {
		cmd := exec.Command("nsenter", append([]string{
			"--net=/run/netns/" + hybridMachine.namespace, e.Binary(), "node", "join", "--dir", dir, "--server", "https://" + tlsProxy(t, e),
			"--ca", e.Home.Path("pki", "ca.crt"), "--cluster", k.name, "--activation-id", activation.ActivationId,
			"--activation-code", activation.ActivationCode,
		}, flags...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		return cmd
	}
	dir := nodeFolder(t)
	first := join(dir, "--name", "box", "--pod-cidr", "10.253.128.0/24")
	startJoin(t, dir, first)
	testenv.Eventually(t, func() error {
		if r := c.TryKubectl(t, k.config, "wait", "node/box", "--for=condition=Ready", "--timeout=5s"); r.ExitCode != 0 {
			return fmt.Errorf("%s\n%s", r, tailOf(filepath.Join(dir, "join.log")))
		}
		return nil
	})
	k.kubectl(t, "run", "probe", "--image=minato.local/echo", "--restart=Never")
	k.kubectl(t, "wait", "pod/probe", "--for=condition=Ready", "--timeout=180s")
	testenv.Eventually(t, func() error { // the kubelet's serving certificate may be on its way
		if r := c.TryKubectl(t, k.config, "exec", "probe", "--", "ls", "/"); r.ExitCode != 0 {
			return fmt.Errorf("exec does not reach the container: %s", r)
		}
		return nil
	})
	k.kubectl(t, "logs", "probe")
	// The way of webhooks and aggregated APIs: kube-apiserver connects to the pod itself.
	if out := k.kubectl(t, "get", "--raw", "/api/v1/namespaces/default/pods/http:probe:8080/proxy/"); !strings.Contains(out, "hostname: probe") {
		t.Errorf("the pod's port, through kube-apiserver: %s", out)
	}
	if out := c.Shell(t, strings.ReplaceAll(forwardScript, "KUBECONFIG", k.config)); !strings.Contains(out, "hostname: probe") {
		t.Errorf("the pod's port, forwarded: %s", out)
	}

	// A node that is killed goes on where it was, with what it has in its folder, and its pods never notice.
	container := k.kubectl(t, "get", "pod", "probe", "-o", "jsonpath={.status.containerStatuses[0].containerID}")
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	nodeCredentials(t, dir, func(c *ssm.Credentials) { c.Expires = time.Now().Add(time.Hour) }) // so they are past half of their life
	startJoin(t, dir, join(dir))
	testenv.Eventually(t, func() error {
		if r := c.TryKubectl(t, k.config, "exec", "probe", "--", "ls", "/"); r.ExitCode != 0 {
			return fmt.Errorf("exec does not reach a node that was killed: %s\n%s", r, tailOf(filepath.Join(dir, "join.log")))
		}
		return nil
	})
	if now := k.kubectl(t, "get", "pod", "probe", "-o", "jsonpath={.status.containerStatuses[0].containerID}"); now != container {
		t.Errorf("the pod was started again: %s, then %s", container, now)
	}

	if left := time.Until(nodeCredentials(t, dir, nil).Expires); left < ssm.SessionLength/2 {
		t.Errorf("the node's credentials were not renewed: they have %s", left)
	}

	// Once the clock is past the end of its credentials, and of the other activation, it gets others.
	ended := nodeCredentials(t, dir, nil).AccessKeyID
	e.Minato(t, "clock", "advance", (ssm.SessionLength + time.Hour).String(), "--home", string(e.Home))
	testenv.Eventually(t, func() error {
		if nodeCredentials(t, dir, nil).AccessKeyID == ended {
			return errors.New("the node keeps credentials that have ended")
		}
		return nil
	})
	k.kubectl(t, "run", "later", "--image=minato.local/echo", "--restart=Never")
	k.kubectl(t, "wait", "pod/later", "--for=condition=Ready", "--timeout=180s")
	k.kubectl(t, "delete", "pod", "later", "--timeout=180s")

	k.ghost(t, "v1.35.0")
	k.refresh(t)
	k.seesIn(t, "MISCONFIGURATION", map[string]string{"Hybrid nodes not ready": "WARNING"})
	k.kubectl(t, "delete", "node", "ghost")
	k.refresh(t)
	k.seesIn(t, "MISCONFIGURATION", map[string]string{"Hybrid nodes not ready": "PASSING"})

	again := join(nodeFolder(t))
	if out, err := again.CombinedOutput(); err == nil || !strings.Contains(string(out), "registration limit") {
		t.Errorf("an activation that is used up: %v\n%s", err, out)
	}
	activation = late
	again = join(nodeFolder(t))
	if out, err := again.CombinedOutput(); err == nil || !strings.Contains(string(out), "The activation expired on") {
		t.Errorf("an activation that has expired: %v\n%s", err, out)
	}
	k.kubectl(t, "delete", "pod", "probe", "--timeout=180s")
	id := c.AWS(t, "ssm", "describe-instance-information", "--query", "InstanceInformationList[0].InstanceId", "--output", "text")
	c.AWS(t, "ssm", "deregister-managed-instance", "--instance-id", strings.TrimSpace(id))
	testenv.Eventually(t, func() error {
		if log := tailOf(filepath.Join(dir, "join.log")); !strings.Contains(log, "the tunnel to the control plane ended") {
			return fmt.Errorf("the tunnel of a machine that is deregistered goes on:\n%s", log)
		}
		return nil
	})
}

// nodeCredentials are those that a node has, changed if change is not nil.
func nodeCredentials(t *testing.T, dir string, change func(*ssm.Credentials)) (c ssm.Credentials) {
	t.Helper()
	file := filepath.Join(dir, "credentials.json")
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err == nil && change != nil {
		change(&c)
		if b, err = json.Marshal(c); err == nil {
			err = os.WriteFile(file, b, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// forwardScript asks the pod through a port that kubectl forwards.
const forwardScript = `
kubectl --kubeconfig KUBECONFIG port-forward pod/probe :8080 > forward & FORWARD=$!
until grep -q 'Forwarding from 127' forward; do sleep 0.1; done
python3 -c 'import re, urllib.request as u; print(u.urlopen("http://127.0.0.1:" + re.search(r"127.0.0.1:(\d+)", open("forward").read())[1]).read().decode())'
kill $FORWARD
`

// hybridTrust is the trust policy that EKS wants of hybrid nodes' roles, in an account.
const hybridTrust = `{"Version": "2012-10-17", "Statement": [{
	"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole",
	"Condition": {"StringEquals": {"aws:SourceAccount": "%[1]s"}, "ArnEquals": {"aws:SourceArn": "arn:aws:ssm:us-east-1:%[1]s:*"}}
}]}`

func createHybridRole(t *testing.T, c *testenv.Client) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trust.json")
	account := c.AWS(t, "sts", "get-caller-identity", "--query", "Account", "--output", "text")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(hybridTrust, account)), 0o600); err != nil {
		t.Fatal(err)
	}
	return c.AWS(t, "iam", "create-role", "--role-name", "hybrid-nodes", "--assume-role-policy-document", "file://"+file,
		"--query", "Role.Arn", "--output", "text")
}

// nodeFolder is a folder for a node, whose mounts go with it. It has a disk of its own: kubelet evicts every pod where little is free.
func nodeFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "minato-hybrid-")
	if err != nil {
		t.Fatal(err)
	}
	disk, at := filepath.Join(dir, "disk.ext4"), filepath.Join(dir, "node")
	t.Cleanup(func() {
		for _, pid := range testenv.ProcessesOf(dir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		mounts, _ := os.ReadFile("/proc/self/mounts")
		lines := strings.Split(string(mounts), "\n")
		for i := len(lines) - 1; i >= 0; i-- {
			if fields := strings.Fields(lines[i]); len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
				_ = syscall.Unmount(fields[1], syscall.MNT_DETACH)
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(os.WriteFile(disk, nil, 0o600), os.Truncate(disk, 8<<30), os.Mkdir(at, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"mkfs.ext4 -q -F " + disk, "mount -o loop " + disk + " " + at} {
		if out, err := exec.Command("sh", "-c", args).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", args, err, out)
		}
	}
	return at
}

// startJoin starts a node, which ends with the test.
func startJoin(t *testing.T, dir string, cmd *exec.Cmd) {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, "join.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, of := range []string{"join.log", "logs/kubelet.log", "logs/containerd.log"} {
				t.Logf("%s:\n%s", of, tailOf(filepath.Join(dir, of)))
			}
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
	})
}

// tailOf is the end of a file.
func tailOf(path string) string {
	b, _ := os.ReadFile(path)
	return string(b[max(0, len(b)-3000):])
}

// tlsProxy is an address on the other host's network where the server's port for TLS is, which itself is on loopback.
func tlsProxy(t *testing.T, e *testenv.Env) string {
	t.Helper()
	var config struct{ TLSPort int }
	b, err := os.ReadFile(e.Home.Path("config.json"))
	if err != nil || json.Unmarshal(b, &config) != nil {
		t.Fatalf("reading config.json: %v", err)
	}
	l, err := net.Listen("tcp", hybridMachine.here+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", config.TLSPort))
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
		}
	}()
	return l.Addr().String()
}
