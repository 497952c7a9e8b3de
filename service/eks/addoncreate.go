package eks

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// CreateAddon writes the record of a new add-on, CREATING. The same request with the same token gives the same add-on again.
func (s *Service) CreateAddon(ctx context.Context, c Caller, r CreateAddonRequest) (Addon, error) {
	hash := hashOf(r)
	for {
		cluster, err := s.cluster(ctx, c, "eks:CreateAddon", r.ClusterName, requestTags(r.Tags))
		if err == nil && len(r.Tags) > 0 {
			err = s.authorize(ctx, c, "eks:TagResource", addonARN(c.Scope, r.ClusterName, r.Name, "*"), requestTags(r.Tags))
		}
		if err != nil {
			return Addon{}, err
		}
		a, err := s.putNewAddon(ctx, c, cluster, r, hash)
		if isRace(err) && ctx.Err() == nil {
			continue // look at it all again
		}
		if err != nil {
			return Addon{}, addonWords.on(err, r.ClusterName, r.Name)
		}
		return a, nil
	}
}

// putNewAddon writes the add-on that a request asks for, or finds the one that the very same request has made before.
func (s *Service) putNewAddon(ctx context.Context, c Caller, cluster store.Item[Cluster], r CreateAddonRequest, hash string) (Addon, error) {
	addons := Addons(s.Store)
	page, err := addons.List(ctx, store.ID(cluster.Value.ID)+"/", "", 0)
	if err != nil {
		return Addon{}, s.partError(ctx, addonWords, r.ClusterName, r.Name, err)
	}
	exists := minato.Errorf(minato.AlreadyExists, "Addon already exists.")
	if isCorrupt(page, addons.Key(AddonKey(cluster.Value.ID, r.Name))) {
		return Addon{}, exists
	}
	for _, item := range page.Items {
		sameToken := r.ClientRequestToken != "" && item.Value.ClientRequestToken == r.ClientRequestToken
		switch {
		case sameToken && item.Value.RequestHash == hash:
			return item.Value, nil
		case sameToken:
			return Addon{}, errTokenReused(r.ClientRequestToken, r.ClusterName)
		case item.Value.Name == r.Name:
			return Addon{}, exists
		}
	}
	if cluster.Value.Status.Status != ClusterActive {
		return Addon{}, minato.Errorf(minato.WrongState, "Cluster '%s' is not in ACTIVE status", r.ClusterName)
	}
	a, err := s.newAddon(ctx, c, &cluster.Value, r)
	if err != nil {
		return Addon{}, err
	}
	a.ClientRequestToken, a.RequestHash = r.ClientRequestToken, hash
	ops := []store.Op{s.unchanged(cluster), addons.CreateOp(AddonKey(a.ClusterID, a.Name), a)}
	wanted, _, err := readAddonIdentities(r.PodIdentity)
	if err != nil {
		return Addon{}, err
	}
	identities, err := s.changeIdentities(ctx, c, &cluster.Value, &a, wanted)
	if err != nil {
		return Addon{}, err
	}
	_, err = s.Store.Commit(ctx, append(ops, identities...)...)
	return a, err
}

// newAddon checks a request and makes the record that it asks for. Nothing is written.
func (s *Service) newAddon(ctx context.Context, c Caller, cluster *Cluster, r CreateAddonRequest) (Addon, error) {
	k, err := s.addonKind(r.Name)
	if err != nil {
		return Addon{}, err
	}
	spec := AddonSpec{Generation: 1, Values: r.Values}
	if spec.Version, err = k.choose(r.Version, cluster.Spec.Version); err != nil {
		return Addon{}, err
	}
	if spec.ResolveConflicts, err = checkResolveConflicts(r.ResolveConflicts); err != nil {
		return Addon{}, err
	}
	if spec.ResolveConflicts == ResolvePreserve { // for a new add-on that is NONE (API reference, CreateAddon)
		spec.ResolveConflicts = ResolveNone
	}
	if spec.Namespace, err = addonNamespace(k, r.Namespace); err != nil {
		return Addon{}, err
	}
	if err := s.checkAddonValues(k.Name, r.Values); err != nil {
		return Addon{}, err
	}
	if r.RoleARN != "" {
		if spec.RoleARN, err = s.checkAddonRole(ctx, c, k, r.RoleARN); err != nil {
			return Addon{}, err
		}
	}
	now := s.modified()
	return Addon{
		Scope: c.Scope, ClusterID: cluster.ID, ClusterName: cluster.Name, Name: k.Name, UUID: newUpdateID(now), Publisher: k.Publisher, Owner: k.Owner,
		CreatedAt: now, ModifiedAt: now, Spec: spec, Status: AddonState{Status: AddonCreating}, Tags: r.Tags,
	}, checkTags(r.Tags)
}
