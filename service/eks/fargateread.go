package eks

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// readProfile reads a Fargate profile and its cluster for an action, and authorizes it.
func (s *Service) readProfile(ctx context.Context, c Caller, action, clusterName, name string) (cluster store.Item[Cluster], profile store.Item[FargateProfile], err error) {
	cluster, clusterErr := Clusters(s.Store).Get(ctx, ClusterKey(c.Scope, clusterName))
	profileErr := store.ErrNotFound
	if clusterErr == nil {
		profile, profileErr = FargateProfiles(s.Store).Get(ctx, FargateProfileKey(cluster.Value.ID, name))
	}
	uuid := orWord(profile.Value.UUID, "*")
	if err := s.authorize(ctx, c, action, fargateARN(c.Scope, clusterName, name, uuid), resourceTags(profile.Value.Tags)); err != nil {
		return cluster, profile, err
	}
	if clusterErr != nil {
		return cluster, profile, s.clusterError(ctx, clusterName, clusterErr)
	}
	return cluster, profile, s.partError(ctx, profileWords, clusterName, name, profileErr)
}

// DescribeFargateProfile reads a Fargate profile.
func (s *Service) DescribeFargateProfile(ctx context.Context, c Caller, clusterName, name string) (FargateProfile, error) {
	_, profile, err := s.readProfile(ctx, c, "eks:DescribeFargateProfile", clusterName, name)
	return profile.Value, err
}

// AwaitFargateProfile is DescribeFargateProfile for a client that waits: the answer is held back until the profile is in a status that
// lasts, or gone, for as long as hold at most.
func (s *Service) AwaitFargateProfile(ctx context.Context, c Caller, clusterName, name string, hold time.Duration) (FargateProfile, error) {
	_, profile, err := s.readProfile(ctx, c, "eks:DescribeFargateProfile", clusterName, name)
	if err != nil {
		return FargateProfile{}, err
	}
	profile, err = await(ctx, FargateProfiles(s.Store), profile, hold, func(p *FargateProfile) bool { return p.Status.Transient() })
	return profile.Value, s.partError(ctx, profileWords, clusterName, name, err)
}

// ListFargateProfiles lists the names of a cluster's Fargate profiles.
func (s *Service) ListFargateProfiles(ctx context.Context, c Caller, clusterName string, page PageRequest) ([]string, string, error) {
	cluster, err := s.cluster(ctx, c, "eks:ListFargateProfiles", clusterName)
	if err != nil {
		return nil, "", err
	}
	return partNames(ctx, s, FargateProfiles(s.Store), &cluster.Value, "fargateProfileNames", page, func(p *FargateProfile) string { return p.Name })
}

// DeleteFargateProfile moves a Fargate profile to DELETING; its reconciler deletes the profile's pods, their nodes, and at last the
// record. A cluster can have one that is being deleted at a time.
func (s *Service) DeleteFargateProfile(ctx context.Context, c Caller, clusterName, name string) (FargateProfile, error) {
	for {
		cluster, profile, err := s.readProfile(ctx, c, "eks:DeleteFargateProfile", clusterName, name)
		if err != nil || profile.Value.Status == FargateDeleting {
			return profile.Value, err
		}
		if err := s.checkNoneDeleting(ctx, &cluster.Value, name); err != nil {
			return FargateProfile{}, err
		}
		profile.Value.Status = FargateDeleting
		// The cluster's record is written as well, so that two deletions at once meet.
		_, err = s.Store.Commit(ctx, Clusters(s.Store).UpdateOp(cluster), FargateProfiles(s.Store).UpdateOp(profile))
		if isRace(err) && ctx.Err() == nil {
			continue
		}
		return profile.Value, s.partError(ctx, profileWords, clusterName, name, err)
	}
}

func (s *Service) checkNoneDeleting(ctx context.Context, cluster *Cluster, name string) error {
	page, err := FargateProfiles(s.Store).List(ctx, store.ID(cluster.ID)+"/", "", 0)
	if err != nil {
		return s.partError(ctx, profileWords, cluster.Name, name, err)
	}
	for _, item := range page.Items {
		if item.Value.Status == FargateDeleting {
			err := minato.Errorf(minato.InUse, "Cannot delete Fargate Profile %s because cluster %s currently has Fargate profile %s in status DELETING", name, cluster.Name, item.Value.Name)
			return profileWords.on(err, cluster.Name, name)
		}
	}
	return nil
}
