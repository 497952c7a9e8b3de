package eks

import (
	"context"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/kube"
)

// rollbackWindow is how long after an upgrade a cluster can go back (EKS user guide, "Roll back a cluster version").
const rollbackWindow = 7 * 24 * time.Hour

// Bounds of rollbackConfig.timeoutMinutes (API reference, RollbackConfig).
const (
	minRollbackTimeout = 120
	maxRollbackTimeout = 10080
)

// checkRollback is whether a cluster may go back to the minor that it was upgraded from.
func (s *Service) checkRollback(ctx context.Context, cluster *Cluster, target kube.Version, r UpdateClusterVersionRequest) error {
	if t := r.RollbackTimeout; t != nil && *t != 0 && (*t < minRollbackTimeout || *t > maxRollbackTimeout) {
		return minato.Errorf(minato.Invalid, "rollbackConfig.timeoutMinutes must be between %d and %d, not %d", minRollbackTimeout, maxRollbackTimeout, *t)
	}
	from, at, upgraded := cluster.Upgraded()
	switch {
	case !upgraded || from != target.Minor:
		return minato.Errorf(minato.Invalid, "%s: the cluster was not upgraded from %s to %s, and can be rolled back only to the version before an upgrade",
			errMinorUpdate(cluster, target.Minor).Message, target.Minor, cluster.Spec.Version)
	case !s.Now().Before(at.Add(rollbackWindow)):
		return minato.Errorf(minato.Invalid, "%s: the cluster was upgraded at %s, and can be rolled back within 7 days only",
			errMinorUpdate(cluster, target.Minor).Message, at.Format(time.RFC3339))
	case target.SupportAt(s.Now()) == kube.ExtendedSupport && cluster.Spec.SupportType != extendedSupport:
		return minato.Errorf(minato.Invalid, "Kubernetes %s is in extended support: set the cluster's upgrade policy to EXTENDED before rolling back to it", target.Minor)
	}
	if err := s.checkNodesForRollback(ctx, cluster, target); err != nil {
		return err
	}
	if r.Force || s.RollbackBlockers == nil {
		return nil
	}
	blockers, err := s.RollbackBlockers(ctx, cluster, target.Minor)
	if err != nil || len(blockers) == 0 {
		return err
	}
	return minato.Errorf(minato.PreconditionFail, "Rollback readiness issues detected: %s. Call the EKS ListInsights API to view rollback blocking issues detected by EKS. "+
		"Pass the force flag to override rollback readiness errors and proceed with rollback.", strings.Join(blockers, ", "))
}

// checkNodesForRollback is that no node is newer than the version to go back to. Nodes are rolled back first.
func (s *Service) checkNodesForRollback(ctx context.Context, cluster *Cluster, target kube.Version) error {
	ahead, err := s.nodegroupsWhere(ctx, cluster, func(minor string) bool { return number(minor) > target.Number() })
	if err != nil {
		return err
	}
	if len(ahead) > 0 {
		return minato.Errorf(minato.Invalid, "Nodegroups %s must be updated to version %s before rolling back the cluster version", strings.Join(ahead, ", "), target.Minor)
	}
	newer, err := s.kubeletsWhere(ctx, cluster, func(minor int) bool { return minor > target.Number() })
	if err != nil || len(newer) == 0 {
		return err
	}
	return minato.Errorf(minato.Invalid, "Nodes %s have kubelets newer than %s: roll them back before rolling back the cluster version", strings.Join(newer, ", "), target.Minor)
}
