package controlplane

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/kubeapi"
)

// clientsFor is how long a client is used for reviews of tokens: less than its certificate is good for.
const clientsFor = adminValidity / 2

// clients are clients of clusters that are asked many times a second, so that not every question makes a certificate and a
// connection. There is one for each cluster that was asked lately.
type clients struct {
	mu       sync.Mutex
	clusters map[string]client
}

type client struct {
	*kubeapi.Client
	generation int
	until      time.Time
}

// get is a cluster's client, made anew for another generation of its control plane.
func (c *clients) get(id string, generation int, renew func() (*kubeapi.Client, error)) (*kubeapi.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for id, kept := range c.clusters {
		if now.After(kept.until) {
			kept.Close()
			delete(c.clusters, id)
		}
	}
	if kept, ok := c.clusters[id]; ok {
		if kept.generation == generation {
			return kept.Client, nil
		}
		kept.Close()
	}
	made, err := renew()
	if err != nil {
		return nil, err
	}
	if c.clusters == nil {
		c.clusters = map[string]client{}
	}
	c.clusters[id] = client{made, generation, now.Add(clientsFor)}
	return made, nil
}

// ReviewToken asks a cluster whether a ServiceAccount token is good for an audience, which it is as long as the pod and the
// ServiceAccount that it is bound to are there. An Error is of kind NotFound when it is not, of kind Unavailable when the cluster does
// not answer.
func (c *Controller) ReviewToken(ctx context.Context, plane *ControlPlane, token, audience string) error {
	api, err := c.reviewers.get(plane.ClusterID, plane.Active.Number, func() (*kubeapi.Client, error) { return c.Client(ctx, plane.ClusterID) })
	if err != nil {
		return err
	}
	b, err := api.Do(ctx, http.MethodPost, "/apis/authentication.k8s.io/v1/tokenreviews", doc{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": doc{"token": token, "audiences": []string{audience}},
	})
	if err != nil {
		return minato.Errorf(minato.Unavailable, "asking the cluster's kube-apiserver: %w", err)
	}
	var review struct {
		Status struct {
			Authenticated bool
			Error         string
		}
	}
	if err := json.Unmarshal(b, &review); err != nil {
		return minato.Errorf(minato.Unavailable, "the cluster's kube-apiserver answers something else: %w", err)
	}
	if !review.Status.Authenticated {
		return minato.Errorf(minato.NotFound, "the cluster says of the token: %s", review.Status.Error)
	}
	return nil
}
