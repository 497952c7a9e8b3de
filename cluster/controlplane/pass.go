package controlplane

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// pass is one run over one cluster: what was read, and what will be written at its end.
type pass struct {
	item    store.Item[eks.Cluster] // as read
	cluster eks.Cluster             // as it will be written
	ops     []store.Op              // written in the same commit
	gone    bool                    // ops remove the cluster itself

	// From here on, steps leave what later steps need.
	plane store.Item[ControlPlane]
	keys  Keys
	// issues are what is wrong with the cluster, though nothing keeps it from being ACTIVE.
	issues []eks.HealthIssue
	plan   plan // of the generation that is wanted: plane's Next, or else its Active
	// routed is the revision of the route, for the gate to have seen.
	routed store.Revision
	// started gives back the slot that starting a kube-apiserver took.
	started func()
}

// newPass copies what steps may change, so that the end of the pass can tell.
func newPass(item store.Item[eks.Cluster]) *pass {
	p := &pass{item: item, cluster: item.Value, started: func() {}}
	p.cluster.Status.Conditions = slices.Clone(item.Value.Status.Conditions)
	p.cluster.Status.Health = slices.Clone(item.Value.Status.Health)
	return p
}

// wanted is the generation that this pass brings about.
func (p *pass) wanted() Generation {
	if p.plane.Value.Next != nil {
		return *p.plane.Value.Next
	}
	return p.plane.Value.Active
}

// neverActive is whether the cluster is still on its way to being ACTIVE for the first time.
func (p *pass) neverActive() bool { return p.cluster.Status.Status == eks.ClusterCreating }

const (
	// pollGap is short, because what a create-cluster call takes is the sum of what is waited for.
	pollGap = 25 * time.Millisecond
	// pollLimit bounds one wait; the pass then ends with what it knows, and the next one waits on.
	pollLimit = time.Minute
)

// poll asks probe until it returns nil. A *problem from it ends the wait at once, other errors only at the end of ctx or after
// pollLimit.
func poll(ctx context.Context, what string, probe func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, pollLimit, fmt.Errorf("not within %s", pollLimit))
	defer cancel()
	tick := time.NewTicker(pollGap)
	defer tick.Stop()
	for {
		err := probe(ctx)
		if _, final := errors.AsType[*problem](err); err == nil || final {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %w", what, context.Cause(ctx), err)
		}
	}
}
