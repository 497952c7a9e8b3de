package node

import (
	"context"
	"sync"
)

// approvers are the goroutines that approve certificates, one for each cluster that has had a node.
type approvers struct {
	run func(ctx context.Context, clusterID string) // returns when the cluster is gone or ctx ends

	mu      sync.Mutex
	ctx     context.Context //nolint:containedctx // of Run, which the goroutines live as long as
	wanted  map[string]bool
	running sync.WaitGroup
}

// until has those that are wanted run until ctx ends.
func (a *approvers) until(ctx context.Context) error {
	a.mu.Lock()
	a.ctx = ctx
	for id := range a.wanted {
		a.start(id)
	}
	a.mu.Unlock()
	<-ctx.Done()
	a.mu.Lock()
	a.ctx = nil
	a.mu.Unlock()
	a.running.Wait()
	return nil
}

// ensure has certificates of a cluster's nodes approved from now on.
func (a *approvers) ensure(clusterID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wanted[clusterID] {
		return
	}
	if a.wanted == nil {
		a.wanted = map[string]bool{}
	}
	a.wanted[clusterID] = true
	if a.ctx != nil {
		a.start(clusterID)
	}
}

func (a *approvers) start(clusterID string) {
	ctx := a.ctx
	a.running.Go(func() {
		a.run(ctx, clusterID)
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.wanted, clusterID)
	})
}
