package eks

import (
	"context"
	"time"

	"minato.dev/minato/engine/store"
)

// readAddon reads an add-on and its cluster for an action, and authorizes it. Who may not do the action learns nothing about
// whether they exist.
func (s *Service) readAddon(ctx context.Context, c Caller, action, clusterName, name string) (cluster store.Item[Cluster], addon store.Item[Addon], err error) {
	cluster, clusterErr := Clusters(s.Store).Get(ctx, ClusterKey(c.Scope, clusterName))
	addonErr := store.ErrNotFound
	if clusterErr == nil {
		addon, addonErr = Addons(s.Store).Get(ctx, AddonKey(cluster.Value.ID, name))
	}
	uuid := addon.Value.UUID
	if uuid == "" {
		uuid = "*"
	}
	if err := s.authorize(ctx, c, action, addonARN(c.Scope, clusterName, name, uuid), resourceTags(addon.Value.Tags)); err != nil {
		return cluster, addon, err
	}
	if clusterErr != nil {
		return cluster, addon, s.clusterError(ctx, clusterName, clusterErr)
	}
	return cluster, addon, s.partError(ctx, addonWords, clusterName, name, addonErr)
}

// modifyAddon reads an add-on for an action, lets change work on it and give ops that go along, and writes all of it, from the
// start again whenever somebody else wrote in between. It answers the add-on as it then is.
func (s *Service) modifyAddon(ctx context.Context, c Caller, action, clusterName, name string, change func(*Cluster, *Addon) ([]store.Op, error)) (Addon, error) {
	for {
		cluster, addon, err := s.readAddon(ctx, c, action, clusterName, name)
		if err != nil {
			return Addon{}, err
		}
		ops, err := change(&cluster.Value, &addon.Value)
		if err == errUnchanged { //nolint:errorlint // it is never wrapped
			return addon.Value, nil
		}
		if err != nil {
			return Addon{}, addonWords.on(err, clusterName, name)
		}
		_, err = s.Store.Commit(ctx, append(ops, Addons(s.Store).UpdateOp(addon))...)
		if isRace(err) && ctx.Err() == nil {
			continue
		}
		return addon.Value, s.partError(ctx, addonWords, clusterName, name, err)
	}
}

// DescribeAddon reads an add-on.
func (s *Service) DescribeAddon(ctx context.Context, c Caller, clusterName, name string) (Addon, error) {
	_, addon, err := s.readAddon(ctx, c, "eks:DescribeAddon", clusterName, name)
	return addon.Value, err
}

// AwaitAddon is DescribeAddon for a client that waits: the answer is held back until the add-on is in a status that lasts, or
// gone, for as long as hold at most.
func (s *Service) AwaitAddon(ctx context.Context, c Caller, clusterName, name string, hold time.Duration) (Addon, error) {
	_, addon, err := s.readAddon(ctx, c, "eks:DescribeAddon", clusterName, name)
	if err != nil {
		return Addon{}, err
	}
	addon, err = await(ctx, Addons(s.Store), addon, hold, func(a *Addon) bool { return a.Status.Status.Transient() })
	return addon.Value, s.partError(ctx, addonWords, clusterName, name, err)
}

// ListAddons lists the names of a cluster's add-ons. Those that it came with are not among them: they are their owner's.
func (s *Service) ListAddons(ctx context.Context, c Caller, clusterName string, page PageRequest) ([]string, string, error) {
	cluster, err := s.cluster(ctx, c, "eks:ListAddons", clusterName)
	if err != nil {
		return nil, "", err
	}
	return partNames(ctx, s, Addons(s.Store), &cluster.Value, "addons", page, func(a *Addon) string { return a.Name })
}

// DeleteAddon moves an add-on to DELETING; its reconciler takes it out of the cluster, unless preserve leaves it there, and at
// last removes the record. Deleting it again while that goes on answers the same.
func (s *Service) DeleteAddon(ctx context.Context, c Caller, clusterName, name string, preserve bool) (Addon, error) {
	return s.modifyAddon(ctx, c, "eks:DeleteAddon", clusterName, name, func(_ *Cluster, a *Addon) ([]store.Op, error) {
		switch a.Status.Status {
		case AddonDeleting:
			return nil, errUnchanged
		case AddonUpdating:
			return nil, errAddonBusy(a, "deleted")
		}
		a.Status.Status, a.Spec.Preserve = AddonDeleting, preserve
		a.ModifiedAt = s.modified()
		return nil, nil
	})
}
