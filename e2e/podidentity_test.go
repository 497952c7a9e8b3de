package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// podTrust lets EKS Auth assume a role.
const podTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`

// waitingPod is a pod of a ServiceAccount, for which there is no node.
const waitingPod = `kubectl create namespace dev >&2
kubectl -n dev create serviceaccount app >&2
kubectl -n dev wait --for=create serviceaccount/default --timeout=180s >&2
kubectl -n dev run web --image=none.invalid/none --overrides '{"spec":{"serviceAccountName":"app"}}' >&2
kubectl -n dev get pod web -o jsonpath='{.metadata.uid}'`

// EKS Auth needs no node: whoever has the token of a pod, and may ask, gets the pod's credentials.
func TestPodIdentity(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	admin := e.Admin(t)
	k := createCluster(t, admin, "podidentity")
	inCluster := admin.With("KUBECONFIG=" + k.config)
	uid := inCluster.Shell(t, waitingPod)
	role := admin.AWS(t, "iam", "create-role", "--role-name", "podidentity-app", "--assume-role-policy-document", podTrust, "--query", "Role.Arn", "--output", "text")
	id := admin.AWS(t, "eks", "create-pod-identity-association", "--cluster-name", k.name, "--namespace", "dev", "--service-account", "app",
		"--role-arn", role, "--query", "association.associationId", "--output", "text")

	token := func(audience string, bound ...string) string {
		return k.kubectl(t, append([]string{"-n", "dev", "create", "token", "app", "--audience", audience}, bound...)...)
	}
	ofPod := []string{"--bound-object-kind=Pod", "--bound-object-name=web", "--bound-object-uid=" + uid}
	assume := func(cluster, token string) []string {
		return []string{"eks-auth", "assume-role-for-pod-identity", "--cluster-name", cluster, "--token", token}
	}
	good := token("pods.eks.amazonaws.com", ofPod...)
	var got struct {
		Subject     struct{ Namespace, ServiceAccount string }
		Credentials struct {
			AccessKeyID     string `json:"accessKeyId"`
			SecretAccessKey string
			SessionToken    string
		}
	}
	if err := json.Unmarshal([]byte(admin.AWS(t, assume(k.name, good)...)), &got); err != nil || got.Subject.ServiceAccount != "app" {
		t.Fatalf("%+v, %v", got, err)
	}
	pod := admin.With("AWS_ACCESS_KEY_ID="+got.Credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+got.Credentials.SecretAccessKey, "AWS_SESSION_TOKEN="+got.Credentials.SessionToken)
	if who := pod.AWS(t, "sts", "get-caller-identity", "--query", "Arn", "--output", "text"); !strings.Contains(who, ":assumed-role/podidentity-app/eks-podidentit-web-") {
		t.Errorf("the pod is %s", who)
	}

	explain := admin.Run(t, "minato", "identity", "explain", "--cluster", k.name, "-n", "dev", "--service-account", "app", "--action", "s3:GetObject", "--resource", "arn:aws:s3:::data/report")
	for _, want := range []string{"s3:GetObject on arn:aws:s3:::data/report? no.", "yes  service account", "yes  association", "yes  sts:TagSession", "no   s3:GetObject"} {
		if !strings.Contains(explain.Stdout, want) {
			t.Errorf("the explanation lacks %q: %s", want, explain)
		}
	}

	testElsewhere(t, e, k, inCluster, role, good)
	testBadTokens(t, admin, role, good)
	admin.RefusedAWS(t, []string{"InvalidTokenException", "audience"}, assume(k.name, token("sts.amazonaws.com", ofPod...))...)
	admin.RefusedAWS(t, []string{"InvalidTokenException", "not bound to a pod"}, assume(k.name, token("pods.eks.amazonaws.com"))...)
	pod.RefusedAWS(t, []string{"AccessDeniedException", "eks-auth:AssumeRoleForPodIdentity"}, assume(k.name, good)...)
	admin.AWS(t, "iam", "update-assume-role-policy", "--role-name", "podidentity-app", "--policy-document", strings.Replace(podTrust, `,"sts:TagSession"`, "", 1))
	admin.RefusedAWS(t, []string{"AccessDeniedException", "EKS does not have permissions to assume the associated role", "sts:TagSession"}, assume(k.name, good)...)
	admin.AWS(t, "eks", "update-pod-identity-association", "--cluster-name", k.name, "--association-id", id, "--disable-session-tags")
	admin.AWS(t, assume(k.name, good)...)

	k.kubectl(t, "-n", "dev", "delete", "pod", "web", "--now")
	testenv.Eventually(t, func() error { // kube-apiserver remembers for some seconds what it said of a token
		if r := admin.TryAWS(t, assume(k.name, good)...); !strings.Contains(r.Stderr, "InvalidTokenException") {
			return fmt.Errorf("the token of a deleted pod is still good: %s", r.Stderr)
		}
		return nil
	})
	k.delete(t)
}
