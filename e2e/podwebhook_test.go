package e2e

import (
	"encoding/json"
	"fmt"
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

	testMutations(t, admin, k, kube, role)

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

// testMutations is the documented behaviour of EKS's webhook (README of amazon-eks-pod-identity-webhook; EKS User Guide) with what a
// kube-apiserver makes of pods. The order of what is added is in cluster/podidentity's own tests.
func testMutations(t *testing.T, admin *testenv.Client, k *cluster, kube *kubeAPI, role string) {
	t.Helper()
	accounts := ""
	for name, annotations := range map[string]string{
		"both":   "eks.amazonaws.com/role-arn: '" + role + "'",
		"tuned":  "eks.amazonaws.com/role-arn: '" + role + "', eks.amazonaws.com/audience: vault, eks.amazonaws.com/sts-regional-endpoints: 'false', eks.amazonaws.com/token-expiration: '7200'",
		"hasty":  "eks.amazonaws.com/role-arn: '" + role + "', eks.amazonaws.com/token-expiration: '5'",
		"nobody": "",
	} {
		accounts += "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: " + name + ", namespace: default, annotations: {" + annotations + "}}}\n"
	}
	k.kubectl(t, "apply", "-f", k.file(t, accounts))
	associate(t, admin, k.name, "both", role)
	const (
		podIdentity = `"AWS_CONTAINER_CREDENTIALS_FULL_URI","value":"http://169.254.170.23/v1/credentials"`
		tokenFile   = `"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE","value":"/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"`
		podVolume   = `"audience":"pods.eks.amazonaws.com","expirationSeconds":%s,"path":"eks-pod-identity-token"`
		label       = `"eks.amazonaws.com/pod-identity":"enabled"`
		container   = `"containers":[{"name":"a","image":"x"}]`
	)
	for name, c := range map[string]struct {
		account, pod string // metadata and spec
		want, not    []string
	}{
		"no association": {"nobody", `"spec":{` + container + `}`, nil, []string{"AWS_", "eks.amazonaws.com/pod-identity"}},
		"an association goes before an annotation": {"both", `"spec":{` + container + `}`, []string{
			podIdentity, tokenFile, label, `"AWS_STS_REGIONAL_ENDPOINTS","value":"regional"`, `"AWS_DEFAULT_REGION","value":"us-east-1"`, `"AWS_REGION","value":"us-east-1"`,
			`"name":"eks-pod-identity-token","readOnly":true,"mountPath":"/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"`,
			`"audience":"pods.eks.amazonaws.com"`,
		}, []string{"AWS_ROLE_ARN", "aws-iam-token"}},
		"the pod's network is the node's": {"both", `"spec":{"hostNetwork":true,` + container + `}`, []string{podIdentity, label}, nil},
		"init containers, and skipped ones": {"both", `"metadata":{"annotations":{"eks.amazonaws.com/skip-containers":"b,c"}},"spec":{"initContainers":[{"name":"i","image":"x"}],
			"containers":[{"name":"b","image":"x"},{"name":"c","image":"x"}]}`, []string{`"initContainers":[{"name":"i","image":"x","env":[`, `"containers":[{"name":"b","image":"x","resources"`}, nil},
		"the skip label": {"both", `"metadata":{"labels":{"eks.amazonaws.com/skip-pod-identity-webhook":"x"}},"spec":{` + container + `}`, nil, []string{"AWS_", label}},
		"variables of its own": {"both", `"spec":{"containers":[{"name":"a","image":"x","env":[{"name":"AWS_REGION","value":"mine"},{"name":"AWS_CONTAINER_CREDENTIALS_FULL_URI","value":"mine"}]}]}`,
			[]string{`"AWS_REGION","value":"mine"`, `"AWS_CONTAINER_CREDENTIALS_FULL_URI","value":"mine"`, "AWS_STS_REGIONAL_ENDPOINTS"}, []string{"AWS_DEFAULT_REGION", tokenFile}},
		"the pod's expiration": {"both", `"metadata":{"annotations":{"eks.amazonaws.com/token-expiration":"3600"}},"spec":{` + container + `}`, []string{fmt.Sprintf(podVolume, "3600")}, nil},
		"audience, STS and expiration of the account": {"tuned", `"spec":{` + container + `}`, []string{
			`"audience":"vault","expirationSeconds":7200,"path":"token"`, `"AWS_ROLE_ARN","value":"` + role + `"`,
			`"AWS_WEB_IDENTITY_TOKEN_FILE","value":"/var/run/secrets/eks.amazonaws.com/serviceaccount/token"`,
			`"name":"aws-iam-token","readOnly":true,"mountPath":"/var/run/secrets/eks.amazonaws.com/serviceaccount"`,
		}, []string{"AWS_STS_REGIONAL_ENDPOINTS", label}},
		"too short an expiration": {"hasty", `"spec":{` + container + `}`, []string{`"audience":"sts.amazonaws.com","expirationSeconds":600`, `"AWS_STS_REGIONAL_ENDPOINTS","value":"regional"`}, nil},
		"Windows":                 {"tuned", `"spec":{"nodeSelector":{"kubernetes.io/os":"windows"},` + container + `}`, []string{`C:\\var\\run\\secrets\\eks.amazonaws.com\\serviceaccount\\token`}, nil},
	} {
		pod := kube.tryPodAs(t, c.account, `{"apiVersion":"v1","kind":"Pod",`+c.pod+`}`)
		for _, want := range c.want {
			if !strings.Contains(pod, want) {
				t.Errorf("%s: the pod lacks %s: %s", name, want, pod)
			}
		}
		for _, not := range c.not {
			if strings.Contains(pod, not) {
				t.Errorf("%s: the pod has %s: %s", name, not, pod)
			}
		}
	}
}

// tryPod makes a pod of a ServiceAccount without making it, and answers what it would have been.
func (a *kubeAPI) tryPod(t *testing.T, serviceAccount string) string {
	t.Helper()
	return a.tryPodAs(t, serviceAccount, `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","image":"none.invalid/none"}]}}`)
}

// tryPodAs is tryPod with a pod that lacks its name and its ServiceAccount.
func (a *kubeAPI) tryPodAs(t *testing.T, serviceAccount, object string) string {
	t.Helper()
	var pod map[string]any
	if err := json.Unmarshal([]byte(object), &pod); err != nil {
		t.Fatal(err)
	}
	if pod["metadata"] == nil {
		pod["metadata"] = map[string]any{}
	}
	pod["metadata"].(map[string]any)["name"], pod["spec"].(map[string]any)["serviceAccountName"] = "tried", serviceAccount
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
	resp, answer := answerTo(t, signed(t, c, request(t, c, http.MethodPost, "/clusters/"+cluster+"/pod-identity-associations", body), time.Now()))
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", resp.Status, answer)
	}
}
