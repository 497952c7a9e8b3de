package e2e

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"minato.dev/minato/internal/testenv"
)

// federated lets pods of a ServiceAccount assume a role by the tokens of a cluster's issuer.
const federated = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%[1]s"},"Action":"sts:AssumeRoleWithWebIdentity",
"Condition":{"StringEquals":{"%[2]s:aud":"sts.amazonaws.com","%[2]s:sub":"system:serviceaccount:default:irsa"}}}]}`

// TestPodCredentials is an AWS SDK in real pods on a real node, which nobody has told anything: with EKS Pod Identity it has the role of
// its association, with IRSA that of its annotation; and it goes on while the server is away. Minato's clock is another than the machine's, by
// which the SDK and the agent go.
func TestPodCredentials(t *testing.T) {
	t.Parallel()
	testenv.NeedNodes(t)
	e := testenv.Start(t, testenv.Options{Args: []string{"--account", "111122223333,444455556666", "--test-clock", "2026-10-01"}})
	admin := e.Admin(t)
	k := createCluster(t, admin, "credentials")
	admin.AWS(t, "eks", "create-addon", "--cluster-name", k.name, "--addon-name", "eks-pod-identity-agent")
	role := admin.AWS(t, "iam", "create-role", "--role-name", "credentials-app", "--assume-role-policy-document", podTrust, "--query", "Role.Arn", "--output", "text")
	associate(t, admin, k.name, "app", role)
	k.irsaRole(t, "credentials-irsa")
	readableData(t, admin, "credentials-app")
	k.tagAssociations(t)
	k.targetRole(t, e.As(t, "444455556666"))
	img := sdkImage(t)
	if err := crane.Push(img, registryHost(t, e)+"/sdkpod:v1", crane.WithAuth(login(admin)), crane.Insecure); err != nil {
		t.Fatal(err)
	}
	k.addNode(t, e)
	k.kubectl(t, "-n", "kube-system", "rollout", "status", "daemonset/eks-pod-identity-agent", "--timeout=60s")

	pods := newSDKPods(t, k, "app", "irsa", "tagged", "untagged", "narrowed", "target")
	for pod, want := range map[string]string{
		"app": ":assumed-role/credentials-app/eks-credential-app-", "irsa": ":assumed-role/credentials-irsa/", "host": ":assumed-role/credentials-app/eks-credential-host-",
		"target": "arn:aws:sts::444455556666:assumed-role/credentials-target/eks-credential-target-",
	} {
		pods.answers(t, pod, "whoami", want)
	}
	for pod, want := range map[string]string{
		"app": "hello", "host": "hello", "target": "hello",
		"tagged":   "with an explicit deny in an identity-based policy", // by the tag that tells its namespace
		"untagged": "hello",
		"narrowed": "because no session policy allows the s3:GetObject action",
	} {
		pods.answers(t, pod, "read", want)
	}
	pods.answers(t, "app", "write", "AccessDenied")
	before := pods.ask(t, "app", "credentials")
	if !strings.Contains(before, "CredentialsEndpointProvider") {
		t.Errorf("the credentials of the pod with an association are of %s", before)
	}
	e.Kill(t)
	if after := pods.ask(t, "app", "credentials"); after != before {
		t.Errorf("with the server away a pod gets %q, not %q", after, before)
	}
	e.Up(t)

	// When the clock has moved past the end of all these credentials, others are to be had.
	e.Minato(t, "clock", "advance", "7h", "--home", string(e.Home))
	pods.answers(t, "app", "read", "ExpiredToken")
	pods.answers(t, "irsa", "whoami", ":assumed-role/credentials-irsa/")
	k.kubectl(t, "-n", "kube-system", "delete", "pod", "-l", "app.kubernetes.io/name=eks-pod-identity-agent")
	pods.answers(t, "app", "read", "hello")
}

// tagAssociations has pods of three ServiceAccounts with one role, which may read but for pods with the tag of the namespace default: one
// is tagged, one is not, and one has a session policy that does not let it read.
func (k *cluster) tagAssociations(t *testing.T) {
	t.Helper()
	role := k.client.AWS(t, "iam", "create-role", "--role-name", "credentials-tagged", "--assume-role-policy-document", podTrust, "--query", "Role.Arn", "--output", "text")
	k.client.AWS(t, "iam", "put-role-policy", "--role-name", "credentials-tagged", "--policy-name", "read", "--policy-document", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:*","Resource":"*"},
		{"Effect":"Deny","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/kubernetes-namespace":"default"}}}]}`)
	associate(t, k.client, k.name, "tagged", role)
	for account, more := range map[string][]string{
		"untagged": nil,
		"narrowed": {"--policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}]}`},
	} {
		k.client.AWS(t, append([]string{"eks", "create-pod-identity-association", "--cluster-name", k.name, "--namespace", "default", "--service-account", account,
			"--role-arn", role, "--disable-session-tags"}, more...)...)
	}
}

// targetRole gives the pods of the ServiceAccount target a role of another account, which the bucket lets read.
func (k *cluster) targetRole(t *testing.T, elsewhere *testenv.Client) {
	t.Helper()
	role := k.client.AWS(t, "iam", "create-role", "--role-name", "credentials-first", "--assume-role-policy-document", podTrust, "--query", "Role.Arn", "--output", "text")
	target := elsewhere.AWS(t, "iam", "create-role", "--role-name", "credentials-target", "--query", "Role.Arn", "--output", "text", "--assume-role-policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+role+`"},"Action":["sts:AssumeRole","sts:TagSession"],
		"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-service-account":"target"}}}]}`)
	elsewhere.AWS(t, "iam", "put-role-policy", "--role-name", "credentials-target", "--policy-name", "read", "--policy-document", strings.ReplaceAll(bucketReader, "e2e-data", "sdkpod-data"))
	k.client.AWS(t, "iam", "put-role-policy", "--role-name", "credentials-first", "--policy-name", "enter", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Resource":"`+target+`"}]}`)
	k.client.AWS(t, "s3api", "put-bucket-policy", "--bucket", "sdkpod-data", "--policy",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+target+`"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::sdkpod-data/*"}]}`)
	k.client.AWS(t, "eks", "create-pod-identity-association", "--cluster-name", k.name, "--namespace", "default", "--service-account", "target",
		"--role-arn", role, "--target-role-arn", target)
}

// sdkPods are pods with e2e/sdkpod, and one more that asks them.
type sdkPods struct {
	cluster *cluster
	names   []string
	ips     []string
}

// newSDKPods makes a pod of each of these ServiceAccounts, and one of app in the node's own network, and waits for them.
func newSDKPods(t *testing.T, k *cluster, accounts ...string) *sdkPods {
	t.Helper()
	p := &sdkPods{cluster: k}
	var all strings.Builder
	add := func(name, account, more string) {
		fmt.Fprintf(&all, "---\n{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: default}, spec: {serviceAccountName: %s, containers: [{name: main, image: 'minato.local/sdkpod:v1'}]%s}}\n",
			name, account, more)
		p.names = append(p.names, name)
	}
	for _, account := range accounts {
		if account != "irsa" { // which is there, with its annotation
			fmt.Fprintf(&all, "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: %s, namespace: default}}\n", account)
		}
		add(account, account, "")
	}
	add("host", "app", ", hostNetwork: true")
	k.kubectl(t, "apply", "-f", k.file(t, all.String()))
	k.kubectl(t, "run", "asker", "--image=minato.local/echo", "--image-pull-policy=IfNotPresent", "--", "sleep", "infinity")
	k.kubectl(t, "wait", "pod", "--all", "--for=condition=Ready", "--timeout=120s")
	p.ips = strings.Fields(k.kubectl(t, append([]string{"get", "pod", "-o", "jsonpath={.items[*].status.podIP}"}, p.names...)...))
	return p
}

// ask has a pod do something.
func (p *sdkPods) ask(t *testing.T, pod, what string) string {
	t.Helper()
	return p.cluster.kubectl(t, "exec", "asker", "--", "get", "http://"+p.ips[slices.Index(p.names, pod)]+":8080/"+what)
}

// answers is that a pod comes to say something.
func (p *sdkPods) answers(t *testing.T, pod, what, want string) {
	t.Helper()
	testenv.Eventually(t, time.Minute, func() error {
		if got := p.ask(t, pod, what); !strings.Contains(got, want) {
			return fmt.Errorf("the pod %s, asked to %s, says %q, want %q", pod, what, got, want)
		}
		return nil
	})
}

// readableData makes an object in S3 that a role may read.
func readableData(t *testing.T, c *testenv.Client, role string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.AWS(t, "s3api", "create-bucket", "--bucket", "sdkpod-data")
	c.AWS(t, "s3api", "put-object", "--bucket", "sdkpod-data", "--key", "file", "--body", file)
	c.AWS(t, "iam", "put-role-policy", "--role-name", role, "--policy-name", "read", "--policy-document", strings.ReplaceAll(bucketReader, "e2e-data", "sdkpod-data"))
}

// irsaRole makes a role for the ServiceAccount irsa, and app beside it.
func (k *cluster) irsaRole(t *testing.T, name string) {
	t.Helper()
	issuer := k.client.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster.identity.oidc.issuer", "--output", "text")
	provider := k.client.AWS(t, "iam", "create-open-id-connect-provider", "--url", issuer, "--client-id-list", "sts.amazonaws.com",
		"--query", "OpenIDConnectProviderArn", "--output", "text")
	file := filepath.Join(t.TempDir(), "trust.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, federated, provider, strings.TrimPrefix(issuer, "https://")), 0o600); err != nil {
		t.Fatal(err)
	}
	role := k.client.AWS(t, "iam", "create-role", "--role-name", name, "--assume-role-policy-document", "file://"+file, "--query", "Role.Arn", "--output", "text")
	k.kubectl(t, "apply", "-f", k.file(t, "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: app, namespace: default}}\n---\n"+
		"{apiVersion: v1, kind: ServiceAccount, metadata: {name: irsa, namespace: default, annotations: {eks.amazonaws.com/role-arn: '"+role+"'}}}\n"))
}

// sdkImage is an image with e2e/sdkpod.
func sdkImage(t *testing.T) v1.Image {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sdkpod")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./sdkpod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "sdkpod", Mode: 0o755, Size: int64(len(program))})
	if err == nil {
		_, err = w.Write(program)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err == nil {
		img, err = mutate.Config(img, v1.Config{Entrypoint: []string{"/sdkpod"}, User: "65532:65532"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}
