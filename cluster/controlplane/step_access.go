package controlplane

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/eks"
)

const (
	// authenticatorName is the certificate that the authentication webhook has in each cluster, and authenticatorUser who it
	// is there, named as on EKS. docs/adr/0007-aws-auth.md has the reasons.
	authenticatorName = "authenticator"
	authenticatorUser = "eks:authenticator"

	// identityReader is what lets the webhook for pods' credentials read ServiceAccounts, named as on EKS.
	identityReader = "eks:pod-identity-mutating-webhook"

	modeAPI = "API" // the authentication mode that does not look at aws-auth

	configMapsPath = "/api/v1/namespaces/kube-system/configmaps"
	awsAuthPath    = configMapsPath + "/aws-auth"

	rbacPath  = rbacWide + "namespaces/kube-system/"
	rbacWide  = "/apis/" + rbacGroup + "/v1/"
	rbacGroup = "rbac.authorization.k8s.io"
)

// AuthenticatorFiles are the files by which the webhooks come to a cluster's kube-apiserver: the CA that signed the server's
// certificate, and a client certificate and key that open kube-system/aws-auth and ServiceAccounts only.
func AuthenticatorFiles(h home.Dir, clusterID string) (ca, cert, key string) {
	dir := newRunDir(h, clusterID)
	return dir.pki("ca.crt"), dir.pki(authenticatorName + ".crt"), dir.pki(authenticatorName + ".key")
}

// authenticatorRights lets the webhooks read the ConfigMap aws-auth, make events to say what is wrong with it, and read
// ServiceAccounts.
func (a *api) authenticatorRights(ctx context.Context) error {
	role := doc{
		"apiVersion": rbacGroup + "/v1", "kind": "Role",
		"metadata": doc{"name": authenticatorUser, "namespace": "kube-system"},
		"rules": []any{
			doc{"apiGroups": []any{""}, "resources": []any{"configmaps"}, "resourceNames": []any{"aws-auth"}, "verbs": []any{"get", "list", "watch"}},
			doc{"apiGroups": []any{""}, "resources": []any{"events"}, "verbs": []any{"create"}},
		},
	}
	binding := doc{
		"apiVersion": rbacGroup + "/v1", "kind": "RoleBinding",
		"metadata": doc{"name": authenticatorUser, "namespace": "kube-system"},
		"roleRef":  doc{"apiGroup": rbacGroup, "kind": "Role", "name": authenticatorUser},
		"subjects": []any{doc{"apiGroup": rbacGroup, "kind": "User", "name": authenticatorUser}},
	}
	if err := a.apply(ctx, rbacPath+"roles", role); err != nil {
		return err
	}
	if err := a.apply(ctx, rbacPath+"rolebindings", binding); err != nil {
		return err
	}
	reader := doc{
		"apiVersion": rbacGroup + "/v1", "kind": "ClusterRole", "metadata": doc{"name": identityReader},
		"rules": []any{doc{"apiGroups": []any{""}, "resources": []any{"serviceaccounts"}, "verbs": []any{"get"}}},
	}
	wide := doc{
		"apiVersion": rbacGroup + "/v1", "kind": "ClusterRoleBinding", "metadata": doc{"name": identityReader},
		"roleRef":  doc{"apiGroup": rbacGroup, "kind": "ClusterRole", "name": identityReader},
		"subjects": []any{doc{"apiGroup": rbacGroup, "kind": "User", "name": authenticatorUser}},
	}
	if err := a.apply(ctx, rbacWide+"clusterroles", reader); err != nil {
		return err
	}
	return a.apply(ctx, rbacWide+"clusterrolebindings", wide)
}

// awsAuthStep looks whether the cluster's aws-auth ConfigMap can be understood. If not, the owner sees it in the cluster's
// health: the authenticator goes on with the last one that it understood.
type awsAuthStep struct{}

func (awsAuthStep) do(ctx context.Context, p *pass) error {
	if p.neverActive() || p.cluster.Spec.AuthenticationMode == modeAPI {
		return nil
	}
	api, err := newAPI(p, loopback(p.plane.Value.Active.Ports.APIServer))
	if err != nil {
		return err
	}
	defer api.Close()
	data, _, err := api.awsAuth(ctx)
	if err != nil {
		return err
	}
	if wrong := malformed(data); wrong != "" {
		p.issues = append(p.issues, eks.HealthIssue{
			Code:        issueConfiguration,
			Message:     "The ConfigMap kube-system/aws-auth is malformed, so changes of it have no effect: " + wrong,
			ResourceIDs: []string{p.cluster.ARN().String()},
		})
	}
	return nil
}

// awsAuthPause is the least time between two passes that changes of aws-auth bring about: its writer must not keep us busy.
const awsAuthPause = time.Second

// watchAWSAuth wakes the cluster when what awsAuthStep says of its ConfigMap is about to change, until its watch breaks.
func (c *Controller) watchAWSAuth(ctx context.Context, clusterID string, wake func(clusterID string)) error {
	client, err := c.Client(ctx, clusterID)
	if err != nil {
		return err
	}
	defer client.Close()
	wrong, listed := "", false
	return client.Watch(ctx, configMapsPath, url.Values{"fieldSelector": {"metadata.name=aws-auth"}}, func(e kubeapi.Event) error {
		before := wrong
		if e.Type != "BOOKMARK" {
			var err error
			if wrong, err = wrongWithAWSAuth(e); err != nil {
				return err
			}
		}
		begins := e.Type == "BOOKMARK" && !listed // it may have changed while nobody watched
		listed = listed || begins
		if !listed || !begins && wrong == before {
			return nil
		}
		wake(clusterID)
		select {
		case <-time.After(awsAuthPause):
		case <-ctx.Done():
		}
		return nil
	})
}

// wrongWithAWSAuth is what is wrong with the ConfigMap after an event; empty when nothing is.
func wrongWithAWSAuth(e kubeapi.Event) (string, error) {
	if e.Type == "DELETED" {
		return "", nil
	}
	var configMap struct{ Data map[string]string }
	if err := json.Unmarshal(e.Object, &configMap); err != nil {
		return "", err
	}
	return malformed(configMap.Data), nil
}

// malformed is why the ConfigMap's data cannot be read as aws-auth; empty when they can.
func malformed(data map[string]string) string {
	_, err := access.ParseAWSAuth(data)
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// awsAuth reads the ConfigMap, if there is one.
func (a *api) awsAuth(ctx context.Context) (data map[string]string, found bool, err error) {
	b, err := a.Do(ctx, http.MethodGet, awsAuthPath, nil)
	if kubeapi.NotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	var configMap struct{ Data map[string]string }
	err = json.Unmarshal(b, &configMap)
	return configMap.Data, err == nil, err
}

// accessStep waits until the webhooks decide about access by the spec that was carried out, so that an update of the
// authentication mode is not done before it holds.
type accessStep struct {
	applied func(ctx context.Context, rev store.Revision) error
}

func (s accessStep) do(ctx context.Context, p *pass) error {
	if p.cluster.Status.ObservedGeneration == p.cluster.Spec.Generation {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	return s.applied(ctx, p.item.Revision)
}
