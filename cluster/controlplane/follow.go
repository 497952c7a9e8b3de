package controlplane

import (
	"context"
	"sync"
	"time"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/backoff"
	"minato.dev/minato/service/eks"
)

// rewatch is how long a watch that broke waits before it is begun again.
var rewatch = backoff.Policy{Min: 500 * time.Millisecond, Max: 30 * time.Second}

// watched is one thing that is watched in one cluster.
type watched struct{ clusterID, what string }

// Follow watches what users change in clusters that are up, until ctx ends: it puts the webhook for pods' credentials back, and has wake
// bring about a pass over a cluster whose aws-auth has become malformed, or good again.
func (c *Controller) Follow(ctx context.Context, wake func(clusterID string)) error {
	watches := map[string]func(ctx context.Context, clusterID string) error{
		"webhook":  c.watchWebhook,
		"aws-auth": func(ctx context.Context, clusterID string) error { return c.watchAWSAuth(ctx, clusterID, wake) },
	}
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
	running := map[watched]context.CancelFunc{}
	for {
		want := map[watched]bool{}
		for item := range view.All() {
			for _, what := range watchedIn(&item.Value) {
				want[watched{item.Value.ID, what}] = true
			}
		}
		for w, stop := range running {
			if !want[w] {
				stop()
				delete(running, w)
			}
		}
		for w := range want {
			if running[w] == nil {
				one, stop := context.WithCancel(ctx)
				running[w] = stop
				following.Go(func() { watchOn(one, w.clusterID, watches[w.what]) })
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

// watchedIn is what is watched in a cluster now.
func watchedIn(cluster *eks.Cluster) []string {
	status := cluster.Status
	switch {
	case status.Endpoint == "" || status.Status == eks.ClusterDeleting || status.Status == eks.ClusterFailed || status.Status == eks.ClusterPending:
		return nil
	case cluster.Spec.AuthenticationMode == modeAPI:
		return []string{"webhook"}
	}
	return []string{"webhook", "aws-auth"}
}

// watchOn watches a cluster again and again.
func watchOn(ctx context.Context, clusterID string, watch func(ctx context.Context, clusterID string) error) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		_ = watch(ctx, clusterID) // however it ended, it is begun again
		if time.Since(began) > rewatch.Max {
			failures = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(rewatch.Delay(failures)):
		}
	}
}
