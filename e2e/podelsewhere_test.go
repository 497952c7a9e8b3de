package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"minato.dev/minato/internal/ports"
	"minato.dev/minato/internal/testenv"
)

// testElsewhere plays that the cluster runs elsewhere: registered by another name, with the keys that it publishes, and the manifest
// applied that leads its pods to their credentials. As there is no node, the agent runs here, as the manifest has it.
func testElsewhere(t *testing.T, e *testenv.Env, k *cluster, inCluster *testenv.Client, role, good string) {
	t.Helper()
	const name = "podidentity-elsewhere"
	assume := []string{"eks-auth", "assume-role-for-pod-identity", "--cluster-name", name, "--token", good}
	arn := k.register(t, name)
	inCluster.Shell(t, "minato identity manifest --cluster podidentity-elsewhere --image registry.example/agent:v1 | kubectl apply -f - >&2")
	k.client.RefusedAWS(t, []string{"ResourceNotFoundException", "No Pod Identity association found"}, assume...)
	for namespace, account := range map[string]string{"dev": "app", "default": "elsewhere"} {
		k.client.AWS(t, "eks", "create-pod-identity-association", "--cluster-name", name, "--namespace", namespace, "--service-account", account, "--role-arn", role)
	}

	k.kubectl(t, "create", "serviceaccount", "elsewhere")
	kube := newKubeAPI(t, k, getToken(t, k.client, k.name))
	for _, want := range []string{"eks-pod-identity-token", `"http://169.254.170.23/v1/credentials"`, `"AWS_ENDPOINT_URL","value":"http://169.254.170.23:4566"`} {
		if pod := kube.tryPod(t, "elsewhere"); !strings.Contains(pod, want) {
			t.Errorf("a pod of a cluster elsewhere lacks %s: %s", want, pod)
		}
	}
	credentials, apis := startAgent(t, e, k, arn)
	var got struct{ AccessKeyID, SecretAccessKey, Token string }
	testenv.Eventually(t, func() error {
		status, body := askAgent(t, credentials, good)
		if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK {
			return fmt.Errorf("%d %s %w", status, body, err)
		}
		return nil
	})
	pod := k.client.With("AWS_ENDPOINT_URL="+apis, "AWS_ACCESS_KEY_ID="+got.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+got.SecretAccessKey, "AWS_SESSION_TOKEN="+got.Token)
	if who := pod.AWS(t, "sts", "get-caller-identity", "--query", "Arn", "--output", "text"); !strings.Contains(who, ":assumed-role/podidentity-app/eks-podidentit-web-") {
		t.Errorf("the pod is %s", who)
	}
	k.client.AWS(t, "eks", "deregister-cluster", "--name", name)
	testenv.Eventually(t, func() error {
		if pod := kube.tryPod(t, "elsewhere"); strings.Contains(pod, "AWS_") {
			return fmt.Errorf("a pod of a cluster that is registered no more has %s", pod)
		}
		return nil
	})
}

// register makes the cluster one that runs elsewhere, of another name and known by its issuer and the keys that it publishes. It answers its
// ARN.
func (k *cluster) register(t *testing.T, name string) string {
	t.Helper()
	trust := strings.Replace(trust, "eks.amazonaws.com", "ssm.amazonaws.com", 1)
	connector := k.client.AWS(t, "iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust, "--query", "Role.Arn", "--output", "text")
	arn := k.client.AWS(t, "eks", "register-cluster", "--name", name, "--connector-config", "provider=OTHER,roleArn="+connector, "--query", "cluster.arn", "--output", "text")
	k.client.RefusedAWS(t, []string{"InvalidRequestException", "not connected yet"}, "eks-auth", "assume-role-for-pod-identity", "--cluster-name", name, "--token", "e30.e30.e30")
	k.client.With("KUBECONFIG="+k.config, "NAME="+name).Shell(t, `kubectl get --raw /openid/v1/jwks > keys.json
issuer=$(kubectl get --raw /.well-known/openid-configuration | sed 's/.*"issuer":"\([^"]*\)".*/\1/')
minato identity register --cluster $NAME --issuer "$issuer" --jwks keys.json`)
	return arn
}

// agentKey is the access key of a new user that may ask for credentials for a cluster's pods.
func agentKey(t *testing.T, c *testenv.Client, user, cluster string) []string {
	t.Helper()
	c.AWS(t, "iam", "create-user", "--user-name", user)
	c.AWS(t, "iam", "put-user-policy", "--user-name", user, "--policy-name", "agent", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks-auth:AssumeRoleForPodIdentity","Resource":"`+cluster+`"}]}`)
	return strings.Fields(c.AWS(t, "iam", "create-access-key", "--user-name", user, "--query", "AccessKey.[AccessKeyId,SecretAccessKey]", "--output", "text"))
}

// startAgent runs the agent of the manifest that was applied, with an access key of its own, and answers where it serves credentials and
// the AWS APIs.
func startAgent(t *testing.T, e *testenv.Env, k *cluster, cluster string) (credentials, apis string) {
	t.Helper()
	key := agentKey(t, k.client, "elsewhere-agent", cluster)
	dir := t.TempDir()
	for i, file := range []string{"aws-access-key-id", "aws-secret-access-key"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(key[i]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var args []string
	if err := json.Unmarshal([]byte(k.kubectl(t, "-n", "kube-system", "get", "daemonset", "eks-pod-identity-agent", "-o", "jsonpath={.spec.template.spec.containers[0].args}")), &args); err != nil {
		t.Fatal(err)
	}
	free, release, err := ports.Free(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	for i, flag := range []string{"--port=", "--api-port=", "--probe-port=", "--metrics-port="} {
		args = slices.DeleteFunc(args, func(arg string) bool { return strings.HasPrefix(arg, flag) })
		args = append(args, fmt.Sprint(flag, free[i]))
	}
	args = slices.DeleteFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--credentials-dir=") })
	agent := exec.CommandContext(t.Context(), e.Binary(), append(args, "--credentials-dir="+dir, "--bind-hosts=127.0.0.1")...)
	agent.Env = append(os.Environ(), "AWS_REGION="+k.client.Getenv("AWS_REGION"))
	agent.Cancel = func() error { return agent.Process.Signal(syscall.SIGTERM) }
	agent.WaitDelay = 10 * time.Second
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Wait() }) // the end of the test's context has ended it
	return fmt.Sprintf("http://127.0.0.1:%d/v1/credentials", free[0]), fmt.Sprintf("http://127.0.0.1:%d", free[1])
}

// askAgent asks for a pod's credentials, as an SDK does.
func askAgent(t *testing.T, url, token string) (status int, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}
