package eks

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// DeleteCluster moves a cluster to DELETING; the control plane's reconciler takes it apart and at last
// removes the record. Deleting it again while that goes on answers the same.
func (s *Service) DeleteCluster(ctx context.Context, c Caller, name string) (Cluster, error) {
	return s.modify(ctx, c, "eks:DeleteCluster", name, func(cluster *Cluster) ([]store.Op, error) {
		switch cluster.Status.Status {
		case ClusterDeleting:
			return nil, errUnchanged
		case ClusterUpdating:
			return nil, errUpdating("DeleteCluster", cluster)
		case ClusterActive: // protection does not hold for a cluster that is being created, or has failed
			if cluster.Spec.DeletionProtection {
				return nil, minato.Errorf(minato.WrongState, "Cluster '%s' has deletion protection enabled: disable it with UpdateClusterConfig before deleting the cluster", name).
					With("clusterName", name)
			}
		}
		if err := s.checkNoParts(ctx, cluster); err != nil {
			return nil, err
		}
		return nil, cluster.Transition(ClusterDeleting, ByAPI)
	})
}

// errUpdating answers what cannot be done while an update runs. Clients try again on "in progress".
func errUpdating(what string, c *Cluster) error {
	return minato.Errorf(minato.InUse, "Cannot %s because cluster %s currently has an update in progress", what, c.Name).
		With("clusterName", c.Name)
}

// checkNoParts refuses to delete a cluster that still has machines of ours. Whoever gives it new ones writes its record too, so
// that the deletion then starts over.
func (s *Service) checkNoParts(ctx context.Context, c *Cluster) error {
	for _, part := range []struct{ prefix, message string }{
		{NodegroupsPrefix, "Cluster has nodegroups attached"},
		{FargateProfilesPrefix, "Cluster has Fargate profiles attached"},
	} {
		l, err := s.Store.List(ctx, part.prefix+store.ID(c.ID)+"/", store.ListOptions{Limit: 1})
		if err != nil {
			return s.clusterError(ctx, c.Name, err)
		}
		if len(l.Entries) > 0 {
			return minato.Errorf(minato.InUse, "%s", part.message).With("clusterName", c.Name)
		}
	}
	return nil
}
