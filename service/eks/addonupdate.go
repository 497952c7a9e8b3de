package eks

import (
	"context"
	"fmt"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// errAddonBusy answers what cannot be done while an add-on is on its way to another status.
func errAddonBusy(a *Addon, done string) error {
	return minato.Errorf(minato.InUse, "Addon %s cannot be %s as it is currently in %s state", a.Name, done, a.Status.Status)
}

// UpdateAddon begins a change of an add-on: another version, other configuration values, another role, or the same again, which
// sets back what others have changed.
func (s *Service) UpdateAddon(ctx context.Context, c Caller, r UpdateAddonRequest) (Update, error) {
	var update Update
	hash := hashOf(r)
	_, err := s.modifyAddon(ctx, c, "eks:UpdateAddon", r.ClusterName, r.Name, func(cluster *Cluster, a *Addon) (ops []store.Op, err error) {
		prefix := PartUpdatesOf(a.ClusterID, addonPart, a.UUID)
		before, err := beganBefore(ctx, PartUpdates(s.Store), prefix, r.ClientRequestToken, hash, a.ClusterName)
		if before != nil {
			update, err = *before, errUnchanged
		}
		if err != nil {
			return nil, err
		}
		if a.Status.Status.Transient() {
			return nil, errAddonBusy(a, "updated")
		}
		was := a.Spec
		params, err := s.changeAddon(ctx, c, cluster, &a.Spec, r)
		if err != nil {
			return nil, err
		}
		wanted, given, err := readAddonIdentities(r.PodIdentity)
		if err != nil {
			return nil, err
		}
		if given {
			if ops, err = s.changeIdentities(ctx, c, cluster, a, wanted); err != nil {
				return nil, err
			}
			params = append(params, UpdateParam{"PodIdentityAssociations", string(r.PodIdentity)})
		}
		a.Spec.Generation++
		now := s.modified()
		update = Update{
			ID: newUpdateID(now), ClusterID: a.ClusterID, Type: "AddonUpdate", Status: UpdateInProgress, Params: params, CreatedAt: now,
			Generation: a.Spec.Generation, AddonBefore: &was, ClientRequestToken: r.ClientRequestToken, RequestHash: hash,
		}
		a.Status.Status, a.ModifiedAt = AddonUpdating, now
		return append(ops, PartUpdates(s.Store).CreateOp(prefix+store.ID(update.ID), update)), nil
	})
	if err != nil {
		return Update{}, err
	}
	return update, nil
}

// changeAddon makes the change that a request asks for and tells the parameters of the update.
func (s *Service) changeAddon(ctx context.Context, c Caller, cluster *Cluster, spec *AddonSpec, r UpdateAddonRequest) (params []UpdateParam, err error) {
	k, err := s.addonKind(r.Name)
	if err != nil {
		return nil, err
	}
	if r.Version != "" {
		if spec.Version, err = k.choose(r.Version, cluster.Spec.Version); err != nil {
			return nil, err
		}
		params = append(params, UpdateParam{"AddonVersion", spec.Version})
	}
	if r.RoleARN != nil {
		spec.RoleARN = minato.ARN{}
		if *r.RoleARN != "" {
			if spec.RoleARN, err = s.checkAddonRole(ctx, c, k, *r.RoleARN); err != nil {
				return nil, err
			}
		}
		params = append(params, UpdateParam{"ServiceAccountRoleArn", *r.RoleARN})
	}
	if spec.ResolveConflicts, err = checkResolveConflicts(r.ResolveConflicts); err != nil {
		return nil, err
	}
	if r.ResolveConflicts != "" {
		params = append(params, UpdateParam{"ResolveConflicts", r.ResolveConflicts})
	}
	if r.Values != nil {
		if err := s.checkAddonValues(k.Name, *r.Values); err != nil {
			return nil, err
		}
		spec.Values = *r.Values
		params = append(params, UpdateParam{"ConfigurationValues", *r.Values})
	}
	return params, nil
}

// CompleteAddonUpdates ends the updates of an add-on that run: as Successful, or as Failed where there are reasons. It returns the
// ops for the commit that writes a, none where no update runs.
func CompleteAddonUpdates(ctx context.Context, s store.Store, a *Addon, reasons ...UpdateError) ([]store.Op, error) {
	running, err := runningAddonUpdates(ctx, s, a)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for _, item := range running {
		item.Value.Status, item.Value.Errors, item.Value.AddonBefore = UpdateSuccessful, reasons, nil
		if len(reasons) > 0 {
			item.Value.Status = UpdateFailed
		}
		ops = append(ops, PartUpdates(s).UpdateOp(item))
	}
	return ops, nil
}

// AddonBefore is what an add-on was before the update that runs; nil where none does.
func AddonBefore(ctx context.Context, s store.Store, a *Addon) (*AddonSpec, error) {
	running, err := runningAddonUpdates(ctx, s, a)
	if err != nil || len(running) == 0 {
		return nil, err
	}
	return running[0].Value.AddonBefore, nil
}

// RemoveAddonUpdates removes all updates of an add-on that is being deleted. It may be repeated.
func RemoveAddonUpdates(ctx context.Context, s store.Store, a *Addon) error {
	return removeUnder(ctx, s, "add-on "+a.Name, PartUpdatesPrefix+PartUpdatesOf(a.ClusterID, addonPart, a.UUID))
}

func runningAddonUpdates(ctx context.Context, s store.Store, a *Addon) ([]store.Item[Update], error) {
	page, err := PartUpdates(s).List(ctx, PartUpdatesOf(a.ClusterID, addonPart, a.UUID), "", 0)
	if err != nil {
		return nil, fmt.Errorf("reading the updates of add-on %s: %w", a.Name, err)
	}
	return inProgress(page.Items), nil
}
