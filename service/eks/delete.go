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
		return nil, cluster.Transition(ClusterDeleting, ByAPI)
	})
}

// errUpdating answers what cannot be done while an update runs. Clients try again on "in progress".
func errUpdating(what string, c *Cluster) error {
	return minato.Errorf(minato.InUse, "Cannot %s because cluster %s currently has an update in progress", what, c.Name).
		With("clusterName", c.Name)
}
