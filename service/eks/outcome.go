package eks

import (
	"context"
	"fmt"

	"minato.dev/minato/engine/store"
)

// removeBatch is how many records one commit removes. etcd takes at most 128 operations in a transaction.
const removeBatch = 100

// CompleteUpdates ends the updates that the control plane has carried out, those whose generation c.Status has observed, as
// Successful. It returns the ops that do so, for the same commit that writes c, so that nobody sees the one without the other;
// none where no update runs.
func CompleteUpdates(ctx context.Context, s store.Store, c *Cluster) ([]store.Op, error) {
	running, err := runningUpdates(ctx, s, c)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for _, item := range running {
		if item.Value.Generation > c.Status.ObservedGeneration {
			continue
		}
		item.Value.Status = UpdateSuccessful
		item.Value.Before = nil
		ops = append(ops, Updates(s).UpdateOp(item))
	}
	return ops, nil
}

// FailUpdates ends the updates that run as Failed, with the reasons, and sets c's spec back to what it was before them, as a
// new generation for the control plane to carry out. It returns the ops for the commit that writes c.
func FailUpdates(ctx context.Context, s store.Store, c *Cluster, reasons ...UpdateError) ([]store.Op, error) {
	running, err := runningUpdates(ctx, s, c)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for i, item := range running {
		if before := item.Value.Before; i == 0 && before != nil { // the oldest: before all of them
			generation := c.Spec.Generation + 1
			c.Spec = *before
			c.Spec.Generation = generation
		}
		item.Value.Status = UpdateFailed
		item.Value.Errors = reasons
		item.Value.Before = nil
		ops = append(ops, Updates(s).UpdateOp(item))
	}
	return ops, nil
}

// RemoveUpdates removes all updates of a cluster that is being deleted, and of its parts. It comes before the removal of the
// cluster's own record and may be repeated.
func RemoveUpdates(ctx context.Context, s store.Store, c *Cluster) error {
	if err := removeAll(ctx, s, c, PartUpdatesPrefix+store.ID(c.ID)+"/"); err != nil {
		return err
	}
	return removeAll(ctx, s, c, UpdatesPrefix+UpdatesOf(c))
}

// RemoveAccessEntries removes all access entries of a cluster that is being deleted. Like RemoveUpdates it comes before the
// removal of the cluster's own record and may be repeated.
func RemoveAccessEntries(ctx context.Context, s store.Store, c *Cluster) error {
	return removeAll(ctx, s, c, AccessEntriesPrefix+entriesOf(c))
}

// RemoveAddons removes all records about add-ons of a cluster that is being deleted; what they have installed goes with it. It
// comes before the removal of the cluster's own record and may be repeated.
func RemoveAddons(ctx context.Context, s store.Store, c *Cluster) error {
	if err := removeAll(ctx, s, c, AddonsPrefix+store.ID(c.ID)+"/"); err != nil {
		return err
	}
	return removeAll(ctx, s, c, DefaultAddonsPrefix+c.ID)
}

// removeAll removes all records of a cluster under a prefix.
func removeAll(ctx context.Context, s store.Store, c *Cluster, prefix string) error {
	return removeUnder(ctx, s, "cluster "+c.Name, prefix)
}

func removeUnder(ctx context.Context, s store.Store, whose, prefix string) error {
	for {
		l, err := s.List(ctx, prefix, store.ListOptions{Limit: removeBatch})
		if err != nil {
			return fmt.Errorf("removing the records of %s: %w", whose, err)
		}
		if len(l.Entries) == 0 {
			return nil
		}
		ops := make([]store.Op, len(l.Entries))
		for i, e := range l.Entries { // by key: a corrupt record goes too
			ops[i] = store.Delete(e.Key, store.AnyRevision)
		}
		if _, err := s.Commit(ctx, ops...); err != nil {
			return fmt.Errorf("removing the records of %s: %w", whose, err)
		}
	}
}

// runningUpdates are a cluster's updates that have not ended, oldest first.
func runningUpdates(ctx context.Context, s store.Store, c *Cluster) ([]store.Item[Update], error) {
	page, err := Updates(s).List(ctx, UpdatesOf(c), "", 0)
	if err != nil {
		return nil, fmt.Errorf("reading the updates of cluster %s: %w", c.Name, err)
	}
	return inProgress(page.Items), nil
}

// inProgress are those that have begun and not ended.
func inProgress(updates []store.Item[Update]) (running []store.Item[Update]) {
	for _, item := range updates {
		if item.Value.Status == UpdateInProgress && item.Value.Scheduled == nil {
			running = append(running, item)
		}
	}
	return running
}
