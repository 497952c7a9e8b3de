package eks

import (
	"context"

	"minato.dev/minato"
)

// UpdatePodIdentityRequest asks for a change of an association. Nil is what the client left out; an empty target role or policy takes
// it away.
type UpdatePodIdentityRequest struct {
	ClusterName        string
	ID                 string
	Role               *string
	TargetRole         *string
	DisableSessionTags *bool
	Policy             *string
	ClientRequestToken string `json:"-"` // not part of what is asked for
}

// UpdatePodIdentityAssociation changes which credentials the pods of a ServiceAccount get, and answers once that holds: pods get them
// when they next ask.
func (s *Service) UpdatePodIdentityAssociation(ctx context.Context, c Caller, r UpdatePodIdentityRequest) (PodIdentityAssociation, error) {
	hash := hashOf(r)
	for {
		cluster, item, err := s.readPodIdentity(ctx, c, "eks:UpdatePodIdentityAssociation", r.ClusterName, r.ID)
		if err != nil {
			return PodIdentityAssociation{}, err
		}
		a := &item.Value
		if r.ClientRequestToken != "" && a.UpdateToken == r.ClientRequestToken {
			if a.UpdateHash != hash {
				return PodIdentityAssociation{}, errTokenReused(r.ClientRequestToken, r.ClusterName)
			}
			return *a, nil
		}
		if err := s.changePodIdentity(ctx, c, &cluster.Value, a, r); err != nil {
			return PodIdentityAssociation{}, withCluster(err, r.ClusterName)
		}
		a.UpdateToken, a.UpdateHash, a.ModifiedAt = r.ClientRequestToken, hash, s.modified()
		rev, err := s.Store.Commit(ctx, s.unchanged(cluster), PodIdentityAssociations(s.Store).UpdateOp(item))
		switch {
		case err == nil:
			return *a, s.awaitApplied(ctx, "The Pod Identity association is changed", rev)
		case isRace(err) && ctx.Err() == nil:
			continue
		}
		return PodIdentityAssociation{}, s.podIdentityError(ctx, r.ClusterName, r.ID, err)
	}
}

// changePodIdentity makes the change that a request asks for. Nothing is written.
func (s *Service) changePodIdentity(ctx context.Context, c Caller, cluster *Cluster, a *PodIdentityAssociation, r UpdatePodIdentityRequest) (err error) {
	if !cluster.takesIdentities() {
		return minato.Errorf(minato.WrongState, "Cluster '%s' is not in ACTIVE status", r.ClusterName)
	}
	if r.TargetRole != nil {
		if a.TargetRole, err = checkTargetRole(*r.TargetRole, c.Scope.Account); err != nil {
			return err
		}
	}
	if r.DisableSessionTags != nil {
		a.DisableSessionTags = *r.DisableSessionTags
	}
	if r.Policy != nil {
		a.Policy = *r.Policy
	}
	if err := checkPodPolicy(a); err != nil {
		return err
	}
	if r.Role != nil {
		a.Role, err = s.checkPodRole(ctx, c, cluster, *r.Role)
	}
	return err
}
