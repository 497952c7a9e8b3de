package eks

import (
	"context"
	"fmt"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// DeleteCluster moves a cluster to DELETING; the control plane's reconciler takes it apart and at last calls Remove. Deleting
// it again while that goes on answers the same.
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

// Remove is the end of a deletion: it removes the record of a cluster whose control plane is gone, its updates and its
// security group. After it the name is free. It may be repeated until it succeeds; store.ErrConflict means that the record
// is no longer the one that was read.
func (s *Service) Remove(ctx context.Context, item store.Item[Cluster]) error {
	cluster := &item.Value
	if cluster.Status.Status != ClusterDeleting {
		return minato.Errorf(minato.WrongState, "cluster %s is %s, not DELETING", cluster.Name, cluster.Status.Status)
	}
	if err := RemoveUpdates(ctx, s.Store, cluster); err != nil {
		return err
	}
	ops, err := s.Network.RemoveSecurityGroup(ctx, cluster.Scope, cluster.Spec.ClusterSecurityGroup)
	if err != nil {
		return fmt.Errorf("removing the security group of cluster %s: %w", cluster.Name, err)
	}
	if _, err := s.Store.Commit(ctx, append(ops, Clusters(s.Store).DeleteOp(item))...); err != nil {
		return fmt.Errorf("removing the record of cluster %s: %w", cluster.Name, err)
	}
	return nil
}
