package eks

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// maxNodegroups is the quota "Managed node groups per cluster" (L-6D54EA21).
const maxNodegroups = 30

// CreateNodegroup writes the record of a new nodegroup, CREATING. The same request with the same token gives the same
// nodegroup again.
func (s *Service) CreateNodegroup(ctx context.Context, c Caller, r CreateNodegroupRequest) (Nodegroup, error) {
	hash := hashOf(r)
	for {
		cluster, err := s.cluster(ctx, c, "eks:CreateNodegroup", r.ClusterName, requestTags(r.Tags))
		if err == nil && len(r.Tags) > 0 {
			err = s.authorize(ctx, c, "eks:TagResource", nodegroupARN(c.Scope, r.ClusterName, r.Name, "*"), requestTags(r.Tags))
		}
		if err != nil {
			return Nodegroup{}, err
		}
		n, err := s.putNewNodegroup(ctx, c, cluster, r, hash)
		if isRace(err) && ctx.Err() == nil {
			continue // look at it all again
		}
		if err != nil {
			return Nodegroup{}, nodegroupWords.on(err, r.ClusterName, r.Name)
		}
		return n, nil
	}
}

// putNewNodegroup writes the nodegroup that a request asks for, or finds the one that the very same request has made before. The
// cluster's record is written again as it is, so that its deletion cannot overlook the new nodegroup.
func (s *Service) putNewNodegroup(ctx context.Context, c Caller, cluster store.Item[Cluster], r CreateNodegroupRequest, hash string) (Nodegroup, error) {
	groups := Nodegroups(s.Store)
	page, err := groups.List(ctx, store.ID(cluster.Value.ID)+"/", "", 0)
	if err != nil {
		return Nodegroup{}, s.partError(ctx, nodegroupWords, r.ClusterName, r.Name, err)
	}
	exists := minato.Errorf(minato.AlreadyExists, "NodeGroup already exists with name %s and cluster name %s", r.Name, r.ClusterName)
	if isCorrupt(page, groups.Key(NodegroupKey(cluster.Value.ID, r.Name))) {
		return Nodegroup{}, exists
	}
	for _, item := range page.Items {
		sameToken := r.ClientRequestToken != "" && item.Value.ClientRequestToken == r.ClientRequestToken
		switch {
		case sameToken && item.Value.RequestHash == hash:
			return item.Value, nil
		case sameToken:
			return Nodegroup{}, errTokenReused(r.ClientRequestToken, r.ClusterName)
		case item.Value.Name == r.Name:
			return Nodegroup{}, exists
		}
	}
	if n := len(page.Items) + len(page.Corrupt); n >= maxNodegroups {
		return Nodegroup{}, minato.Errorf(minato.LimitExceeded, "Cluster %s has %d nodegroups already, at most %d are allowed", r.ClusterName, n, maxNodegroups)
	}
	if cluster.Value.Status.Status != ClusterActive {
		return Nodegroup{}, minato.Errorf(minato.WrongState, "Cluster '%s' is not in ACTIVE status", r.ClusterName)
	}
	n, err := s.newNodegroup(ctx, c, &cluster.Value, r)
	if err != nil {
		return Nodegroup{}, err
	}
	n.ClientRequestToken, n.RequestHash = r.ClientRequestToken, hash
	_, err = s.Store.Commit(ctx, Clusters(s.Store).UpdateOp(cluster), groups.CreateOp(NodegroupKey(n.ClusterID, n.Name), n))
	return n, err
}

// newNodegroup checks a request and makes the record that it asks for. Nothing is written.
func (s *Service) newNodegroup(ctx context.Context, c Caller, cluster *Cluster, r CreateNodegroupRequest) (Nodegroup, error) {
	if !nodegroupName.MatchString(r.Name) {
		return Nodegroup{}, minato.Errorf(minato.Invalid, "The nodegroup name %q is not valid: 1 to 63 letters, digits, hyphens and underscores, beginning with a letter or digit", shorten(r.Name))
	}
	spec, err := s.newNodegroupSpec(r)
	if err != nil {
		return Nodegroup{}, err
	}
	if err := checkTags(r.Tags); err != nil {
		return Nodegroup{}, err
	}
	if err := s.chooseMachines(ctx, cluster, r, &spec); err != nil {
		return Nodegroup{}, err
	}
	if spec.NodeRole, err = s.checkNodeRole(ctx, c, cluster, r.NodeRole); err != nil {
		return Nodegroup{}, err
	}
	if err := s.checkNodeSubnets(ctx, cluster, spec); err != nil {
		return Nodegroup{}, err
	}
	now := s.Now().UTC().Truncate(time.Millisecond)
	return Nodegroup{
		Scope: c.Scope, ClusterID: cluster.ID, ClusterName: cluster.Name, Name: r.Name, UUID: newUpdateID(now),
		CreatedAt: now, ModifiedAt: now, Spec: spec, Status: NodegroupState{Status: NodegroupCreating}, Tags: r.Tags,
	}, nil
}

// newNodegroupSpec checks what needs no other service and fills in the defaults (API reference, CreateNodegroup).
func (s *Service) newNodegroupSpec(r CreateNodegroupRequest) (NodegroupSpec, error) {
	spec := NodegroupSpec{
		Generation: 1, Revision: 1, LastRevision: 1, CapacityType: r.CapacityType, SubnetIDs: r.SubnetIDs, Labels: r.Labels, Taints: r.Taints, Repair: r.Repair,
		Update: NodegroupUpdates{MaxUnavailable: 1},
	}
	if spec.CapacityType == "" {
		spec.CapacityType = "ON_DEMAND"
	}
	if r.Update != nil {
		spec.Update = spec.Update.with(*r.Update)
	}
	var err error
	if spec.Scaling, err = newScaling(r.Scaling); err != nil {
		return spec, err
	}
	if err := checkNodegroupOther(r.Other); err != nil {
		return spec, err
	}
	if r.RemoteAccess {
		if r.Template != nil {
			return spec, minato.Errorf(minato.Invalid, "Remote access configuration cannot be specified with a launch template.")
		}
		return spec, minato.Errorf(minato.Invalid, "remoteAccess is not supported: Minato's nodes run no SSH server. `kubectl debug node/NAME` gives a shell")
	}
	if s.Compute.Simulated {
		spec.Labels = withLabel(spec.Labels, SimulatedLabel, Simulated)
	}
	return spec, checkNodegroupSpec(spec)
}
