package eks

import (
	"context"
	"fmt"

	"minato.dev/minato/engine/store"
)

// CompleteNodegroupUpdates ends the updates of a nodegroup that have been carried out, those whose generation n.Status has observed,
// as Successful. It returns the ops for the commit that writes n, none where no update runs.
func CompleteNodegroupUpdates(ctx context.Context, s store.Store, n *Nodegroup) ([]store.Op, error) {
	running, err := runningNodegroupUpdates(ctx, s, n)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for _, item := range running {
		if item.Value.Generation > n.Status.ObservedGeneration {
			continue
		}
		item.Value.Status, item.Value.NodegroupBefore = UpdateSuccessful, nil
		ops = append(ops, PartUpdates(s).UpdateOp(item))
	}
	return ops, nil
}

// FailNodegroupUpdates ends the updates of a nodegroup that run as Failed, with the reasons. What they changed of the nodes' making,
// if they did, is set back to what it was, as a new generation; how many nodes there are to be, and their labels and taints,
// stay as asked. It returns the ops for the commit that writes n.
func FailNodegroupUpdates(ctx context.Context, s store.Store, n *Nodegroup, reasons ...UpdateError) ([]store.Op, error) {
	running, err := runningNodegroupUpdates(ctx, s, n)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for i, item := range running {
		if before := item.Value.NodegroupBefore; i == 0 && before != nil && before.Revision != n.Spec.Revision {
			generation, last := n.Spec.Generation+1, n.Spec.LastRevision
			n.Spec = *before
			n.Spec.Generation, n.Spec.LastRevision = generation, last
		}
		item.Value.Status, item.Value.Errors, item.Value.NodegroupBefore = UpdateFailed, reasons, nil
		ops = append(ops, PartUpdates(s).UpdateOp(item))
	}
	return ops, nil
}

// RunningNodegroupUpdate is the update of a nodegroup that runs, nil where none does.
func RunningNodegroupUpdate(ctx context.Context, s store.Store, n *Nodegroup) (*Update, error) {
	running, err := runningNodegroupUpdates(ctx, s, n)
	if err != nil || len(running) == 0 {
		return nil, err
	}
	return &running[0].Value, nil
}

// RemoveNodegroupUpdates removes all updates of a nodegroup that is being deleted. It may be repeated.
func RemoveNodegroupUpdates(ctx context.Context, s store.Store, n *Nodegroup) error {
	return removeUnder(ctx, s, "nodegroup "+n.Name, PartUpdatesPrefix+PartUpdatesOf(n.ClusterID, nodegroupPart, n.UUID))
}

func runningNodegroupUpdates(ctx context.Context, s store.Store, n *Nodegroup) ([]store.Item[Update], error) {
	page, err := PartUpdates(s).List(ctx, PartUpdatesOf(n.ClusterID, nodegroupPart, n.UUID), "", 0)
	if err != nil {
		return nil, fmt.Errorf("reading the updates of nodegroup %s: %w", n.Name, err)
	}
	return inProgress(page.Items), nil
}
