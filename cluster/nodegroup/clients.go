package nodegroup

import (
	"context"
	"sync"
	"time"

	"minato.dev/minato/cluster/kubeapi"
)

// clientAge is how long a client of a cluster is used. Each has a certificate of its own, good for an hour.
const clientAge = 10 * time.Minute

// clients keeps a client for each cluster, because a pass that comes every quarter of a second should not make one.
type clients struct {
	connect func(ctx context.Context, clusterID string) (*kubeapi.Client, error)
	mu      sync.Mutex
	byID    map[string]keptClient
}

type keptClient struct {
	*kubeapi.Client
	made time.Time
}

// get is the client of a cluster.
func (c *clients) get(ctx context.Context, clusterID string, now time.Time) (*kubeapi.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept, ok := c.byID[clusterID]
	if ok && now.Sub(kept.made) < clientAge {
		return kept.Client, nil
	}
	c.drop(clusterID)
	client, err := c.connect(ctx, clusterID)
	if err != nil {
		return nil, err
	}
	c.byID[clusterID] = keptClient{client, now}
	return client, nil
}

// forget has the next pass make another client: this one did not work, perhaps because the cluster has moved.
func (c *clients) forget(clusterID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(clusterID)
}

func (c *clients) drop(clusterID string) {
	if kept, ok := c.byID[clusterID]; ok {
		kept.Close()
		delete(c.byID, clusterID)
	}
}
