package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/internal/testenv"
)

// pairs is how often an association is made and a pod at once after it.
const pairs = 100

// TestPodIdentityWebhook is that pods made in the same moment as their association, or as the annotation of their ServiceAccount, have
// what an AWS SDK needs; and that the webhook comes back when somebody deletes or changes it. It needs no nodes.
func TestPodIdentityWebhook(t *testing.T) {
	t.Parallel()
	admin := testenv.Shared(t).Admin(t)
	k := createCluster(t, admin, "podwebhook")
	role := admin.AWS(t, "iam", "create-role", "--role-name", "podwebhook-app", "--assume-role-policy-document", podTrust, "--query", "Role.Arn", "--output", "text")
	var accounts strings.Builder
	for i := range pairs {
		fmt.Fprintf(&accounts, "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: app-%d, namespace: default}}\n", i)
	}
	k.kubectl(t, "apply", "-f", k.file(t, accounts.String()))
	kube := newKubeAPI(t, k, getToken(t, admin, k.name))

	for i := range pairs {
		account := fmt.Sprintf("app-%d", i)
		if pod := kube.tryPod(t, account); strings.Contains(pod, "AWS_") {
			t.Fatalf("a pod without an association has %s", pod)
		}
		associate(t, admin, k.name, account, role)
		pod := kube.tryPod(t, account)
		for _, want := range []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "eks-pod-identity-token", `"eks.amazonaws.com/pod-identity":"enabled"`, `"http://192.0.2.1:`} {
			if !strings.Contains(pod, want) {
				t.Fatalf("pair %d: a pod made at once lacks %s: %s", i, want, pod)
			}
		}
	}

	k.kubectl(t, "create", "serviceaccount", "irsa")
	k.kubectl(t, "annotate", "serviceaccount", "irsa", "eks.amazonaws.com/role-arn="+role, "eks.amazonaws.com/token-expiration=3600")
	if pod := kube.tryPod(t, "irsa"); !strings.Contains(pod, "AWS_WEB_IDENTITY_TOKEN_FILE") || !strings.Contains(pod, `"expirationSeconds":3600`) {
		t.Errorf("a pod of an annotated ServiceAccount: %s", pod)
	}

	for what, change := range map[string][]string{
		"deleted": {"delete", "mutatingwebhookconfiguration", "pod-identity-webhook"},
		"changed": {"patch", "mutatingwebhookconfiguration", "pod-identity-webhook", "--type=json", "-p", `[{"op":"replace","path":"/webhooks/0/clientConfig/url","value":"https://127.0.0.1:1/"}]`},
	} {
		k.kubectl(t, change...)
		testenv.Eventually(t, func() error {
			status, body, err := kube.do(t.Context(), http.MethodGet, "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/pod-identity-webhook", nil)
			if err == nil && (status != http.StatusOK || !strings.Contains(string(body), "/identify\"")) {
				err = fmt.Errorf("the webhook, %s, is not there again: %d %s", what, status, body)
			}
			if err == nil && !strings.Contains(kube.tryPod(t, "irsa"), "AWS_ROLE_ARN") {
				err = fmt.Errorf("the webhook, %s, is not asked again", what)
			}
			return err
		})
	}
	k.delete(t)
}

// tryPod makes a pod of a ServiceAccount without making it, and answers what it would have been.
func (a *kubeAPI) tryPod(t *testing.T, serviceAccount string) string {
	t.Helper()
	pod := map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "tried"},
		"spec": map[string]any{"serviceAccountName": serviceAccount, "containers": []any{map[string]any{"name": "a", "image": "none.invalid/none"}}},
	}
	status, body, err := a.do(t.Context(), http.MethodPost, "/api/v1/namespaces/default/pods?dryRun=All", pod)
	if err != nil || status != http.StatusCreated {
		t.Fatalf("%d %s %v", status, body, err)
	}
	return string(body)
}

// associate calls CreatePodIdentityAssociation for a ServiceAccount of the namespace default.
func associate(t *testing.T, c *testenv.Client, cluster, serviceAccount, role string) {
	t.Helper()
	body := fmt.Sprintf(`{"namespace":"default","serviceAccount":%q,"roleArn":%q,"clientRequestToken":%q}`, serviceAccount, role, "t-"+serviceAccount)
	resp, err := http.DefaultClient.Do(signed(t, c, request(t, c, http.MethodPost, "/clusters/"+cluster+"/pod-identity-associations", body), time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s %v", resp.Status, answer, err)
	}
}
