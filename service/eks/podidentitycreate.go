package eks

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// CreatePodIdentityRequest asks for an association. Zero values are what the client left out.
type CreatePodIdentityRequest struct {
	ClusterName        string
	Namespace          string
	ServiceAccount     string
	Role               string
	TargetRole         string
	DisableSessionTags bool
	Policy             string
	Tags               minato.Tags
	ClientRequestToken string `json:"-"` // not part of what is asked for
}

// CreatePodIdentityAssociation gives the pods of a ServiceAccount the credentials of a role, and answers once that holds: pods that are
// made from then on get them. The same request with the same token gives the same association again.
func (s *Service) CreatePodIdentityAssociation(ctx context.Context, c Caller, r CreatePodIdentityRequest) (PodIdentityAssociation, error) {
	hash := hashOf(r)
	for {
		cluster, err := s.cluster(ctx, c, "eks:CreatePodIdentityAssociation", r.ClusterName, requestTags(r.Tags))
		if err == nil && len(r.Tags) > 0 {
			err = s.authorize(ctx, c, "eks:TagResource", podIdentityARN(c.Scope, r.ClusterName, "*"), requestTags(r.Tags))
		}
		if err != nil {
			return PodIdentityAssociation{}, err
		}
		a, rev, err := s.putNewPodIdentity(ctx, c, cluster, r, hash)
		switch {
		case err == nil:
			return a, s.awaitApplied(ctx, "The Pod Identity association is made", rev)
		case isRace(err) && ctx.Err() == nil:
			continue // look at it all again
		}
		return PodIdentityAssociation{}, withCluster(err, r.ClusterName)
	}
}

// putNewPodIdentity writes the association that a request asks for, or finds the one that the very same request has made before. The
// revision is that at which it was written.
func (s *Service) putNewPodIdentity(ctx context.Context, c Caller, cluster store.Item[Cluster], r CreatePodIdentityRequest, hash string) (PodIdentityAssociation, store.Revision, error) {
	room, err := s.roomForPodIdentities(ctx, &cluster.Value)
	if err != nil {
		return PodIdentityAssociation{}, 0, err
	}
	for _, item := range room.all.Items {
		sameToken := r.ClientRequestToken != "" && item.Value.ClientRequestToken == r.ClientRequestToken
		switch {
		case sameToken && item.Value.RequestHash == hash:
			return item.Value, item.Revision, nil
		case sameToken:
			return PodIdentityAssociation{}, 0, errTokenReused(r.ClientRequestToken, r.ClusterName)
		}
	}
	if err := room.take(s.Store, r.Namespace, r.ServiceAccount); err != nil {
		return PodIdentityAssociation{}, 0, err
	}
	a, err := s.newPodIdentity(ctx, c, &cluster.Value, r)
	if err != nil {
		return PodIdentityAssociation{}, 0, err
	}
	a.ClientRequestToken, a.RequestHash = r.ClientRequestToken, hash
	ops := append(createPodIdentity(s.Store, a), s.unchanged(cluster))
	rev, err := s.Store.Commit(ctx, append(ops, room.ops()...)...)
	return a, rev, err
}

// newPodIdentity checks a request and makes the record that it asks for. Nothing is written.
func (s *Service) newPodIdentity(ctx context.Context, c Caller, cluster *Cluster, r CreatePodIdentityRequest) (a PodIdentityAssociation, err error) {
	if !cluster.takesIdentities() {
		return a, minato.Errorf(minato.WrongState, "Cluster '%s' is not in ACTIVE status", r.ClusterName)
	}
	if err := checkPodSubject(r.Namespace, r.ServiceAccount); err != nil {
		return a, err
	}
	if err := checkTags(r.Tags); err != nil {
		return a, err
	}
	now := s.modified()
	a = PodIdentityAssociation{
		Scope: c.Scope, ClusterID: cluster.ID, ClusterName: cluster.Name, ID: newPodIdentityID(), Namespace: r.Namespace, ServiceAccount: r.ServiceAccount,
		DisableSessionTags: r.DisableSessionTags, Policy: r.Policy, Tags: r.Tags, CreatedAt: now, ModifiedAt: now,
	}
	if a.TargetRole, err = checkTargetRole(r.TargetRole, c.Scope.Account); err != nil {
		return a, err
	}
	if err := checkPodPolicy(&a); err != nil {
		return a, err
	}
	a.Role, err = s.checkPodRole(ctx, c, cluster, r.Role)
	return a, err
}
