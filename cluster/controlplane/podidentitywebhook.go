package controlplane

import (
	"context"
	"encoding/json"
	"net/url"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/cluster/podidentity"
)

// What EKS calls its webhook, and where such configurations are.
const (
	podIdentityWebhookName = "pod-identity-webhook"
	webhookConfigurations  = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
	// bootstrapManager is the field manager of what Minato keeps in every cluster.
	bootstrapManager = "eks"
)

// podIdentityWebhook has a cluster ask about each new pod which AWS credentials it gets. A cluster must not stand still because the
// webhooks are away, so a pod is then let through, without credentials.
func podIdentityWebhook(hookPort int, hookCA []byte, clusterID string) doc {
	return doc{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": doc{"name": podIdentityWebhookName},
		"webhooks": []any{doc{
			"name": "iam-for-pods.amazonaws.com", "admissionReviewVersions": []any{"v1"}, "sideEffects": "None", "failurePolicy": "Ignore",
			"timeoutSeconds": 5, "reinvocationPolicy": "IfNeeded", "matchPolicy": "Equivalent", "namespaceSelector": doc{},
			"objectSelector": doc{"matchExpressions": []any{doc{"key": podidentity.SkipLabel, "operator": "DoesNotExist"}}},
			"clientConfig":   doc{"url": hookURL(hookPort, clusterID, "identify"), "caBundle": hookCA},
			"rules": []any{doc{
				"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "resources": []any{"pods"}, "operations": []any{"CREATE"}, "scope": "Namespaced",
			}},
		}},
	}
}

// applyPodIdentityWebhook writes the webhook into a cluster, whoever has changed it.
func (c *Controller) applyPodIdentityWebhook(ctx context.Context, client *kubeapi.Client, clusterID string) error {
	s := c.deps.Settings
	return client.Apply(ctx, webhookConfigurations+"/"+podIdentityWebhookName, bootstrapManager, true, podIdentityWebhook(s.HookPort, c.deps.HookCA, clusterID))
}

// watchWebhook puts the webhook for pods' credentials back into a cluster when somebody deletes or changes it, until its watch breaks.
func (c *Controller) watchWebhook(ctx context.Context, clusterID string) error {
	client, err := c.Client(ctx, clusterID)
	if err != nil {
		return err
	}
	defer client.Close()
	// An apply that changes nothing is no event, so this comes to rest.
	return client.Watch(ctx, webhookConfigurations, url.Values{"fieldSelector": {"metadata.name=" + podIdentityWebhookName}}, func(e kubeapi.Event) error {
		if e.Type == "BOOKMARK" && !initial(e.Object) || e.Type == "ADDED" {
			return nil // ADDED is followed by the BOOKMARK that ends the list
		}
		if e.Type == "DELETED" {
			c.deps.Log.InfoContext(ctx, "the webhook for pods' credentials was gone, and is there again", "cluster", clusterID)
		}
		return c.applyPodIdentityWebhook(ctx, client, clusterID)
	})
}

// initial is whether a bookmark ends the list that a watch begins with: it has no object.
func initial(object json.RawMessage) bool { return len(object) == 0 }
