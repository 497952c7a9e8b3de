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
// its association, with IRSA that of its annotation; and it goes on while the server is away.
func TestPodCredentials(t *testing.T) {
	t.Parallel()
	testenv.NeedNodes(t)
	e := testenv.Start(t, testenv.Options{})
	admin := e.Admin(t)
	k := createCluster(t, admin, "credentials")
	admin.AWS(t, "eks", "create-addon", "--cluster-name", k.name, "--addon-name", "eks-pod-identity-agent")
	role := admin.AWS(t, "iam", "create-role", "--role-name", "credentials-app", "--assume-role-policy-document", podTrust, "--query", "Role.Arn", "--output", "text")
	associate(t, admin, k.name, "app", role)
	k.irsaRole(t, "credentials-irsa")
	readableData(t, admin, "credentials-app")
	img := sdkImage(t)
	if err := crane.Push(img, registryHost(t, e)+"/sdkpod:v1", crane.WithAuth(login(admin)), crane.Insecure); err != nil {
		t.Fatal(err)
	}
	k.addNode(t, e)
	k.kubectl(t, "-n", "kube-system", "rollout", "status", "daemonset/eks-pod-identity-agent", "--timeout=60s")

	for _, account := range []string{"app", "irsa"} {
		k.kubectl(t, "run", account, "--image=minato.local/sdkpod:v1", "--overrides", fmt.Sprintf(`{"spec":{"serviceAccountName":%q}}`, account))
	}
	k.kubectl(t, "run", "asker", "--image=minato.local/echo", "--image-pull-policy=IfNotPresent", "--", "sleep", "infinity")
	k.kubectl(t, "wait", "pod/app", "pod/irsa", "pod/asker", "--for=condition=Ready", "--timeout=120s")
	ips := strings.Fields(k.kubectl(t, "get", "pod", "app", "irsa", "-o", "jsonpath={.items[*].status.podIP}"))
	ask := func(pod, path string) string {
		return k.kubectl(t, "exec", "asker", "--", "get", "http://"+ips[slices.Index([]string{"app", "irsa"}, pod)]+":8080/"+path)
	}
	for pod, want := range map[string]string{"app": ":assumed-role/credentials-app/eks-credential-app-", "irsa": ":assumed-role/credentials-irsa/"} {
		testenv.Eventually(t, time.Minute, func() error {
			if who := ask(pod, "whoami"); !strings.Contains(who, want) {
				return fmt.Errorf("the pod %s is %s, want %s", pod, who, want)
			}
			return nil
		})
	}
	if got := ask("app", "read"); got != "hello" {
		t.Errorf("the pod reads %q", got)
	}
	if got := ask("app", "write"); !strings.Contains(got, "AccessDenied") {
		t.Errorf("the pod may read only, and writing ends with %q", got)
	}
	before := ask("app", "credentials")
	if !strings.Contains(before, "CredentialsEndpointProvider") {
		t.Errorf("the credentials of the pod with an association are of %s", before)
	}
	e.Kill(t)
	if after := ask("app", "credentials"); after != before {
		t.Errorf("with the server away a pod gets %q, not %q", after, before)
	}
	e.Up(t)
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
