package controlplane

import (
	"context"
	"encoding/json"
	"net/url"
	"sync"
	"time"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/cluster/podidentity"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/backoff"
	"minato.dev/minato/service/eks"
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

// rewatch is how long a watch that broke waits before it is begun again.
var rewatch = backoff.Policy{Min: 500 * time.Millisecond, Max: 30 * time.Second}

// KeepWebhooks puts the webhook for pods' credentials back into clusters that are up when somebody deletes or changes it, until ctx ends.
func (c *Controller) KeepWebhooks(ctx context.Context) error {
	view := store.NewView(c.clusters)
	changed := make(chan struct{}, 1)
	view.Subscribe(func(string) {
		select {
		case changed <- struct{}{}:
		default: // it will look anyway
		}
	})
	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() { _ = view.Run(ctx) })
	running := map[string]context.CancelFunc{}
	for {
		up := map[string]bool{}
		for item := range view.All() {
			status := item.Value.Status
			up[item.Value.ID] = status.Endpoint != "" && status.Status != eks.ClusterDeleting && status.Status != eks.ClusterFailed && status.Status != eks.ClusterPending
		}
		for id, stop := range running {
			if !up[id] {
				stop()
				delete(running, id)
			}
		}
		for id, is := range up {
			if is && running[id] == nil {
				one, stop := context.WithCancel(ctx)
				running[id] = stop
				following.Go(func() { c.keepWebhook(one, id) })
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			for _, stop := range running {
				stop()
			}
			return nil
		}
	}
}

// keepWebhook keeps that of one cluster.
func (c *Controller) keepWebhook(ctx context.Context, clusterID string) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		_ = c.watchWebhook(ctx, clusterID) // however it ended, it is begun again
		if time.Since(began) > rewatch.Max {
			failures = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(rewatch.Delay(failures)):
		}
	}
}

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
