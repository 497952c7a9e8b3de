package server

import (
	"context"
	"errors"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/cluster/health"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
)

// resources is where clusters' resources are looked up: in memory, as they are for every address that a node takes.
func (s *Server) resources() health.World {
	return health.World{
		CheckRole: s.iam.CheckServiceRole,
		Subnets: func(ctx context.Context, scope minato.Scope, ids []string) ([]eks.Subnet, error) {
			found, err := s.ec2.Subnets(ctx, scope, ids)
			out := make([]eks.Subnet, len(found))
			for i, n := range found {
				out[i] = eks.Subnet{ID: n.ID, FreeAddresses: n.AvailableAddresses()}
			}
			return out, err
		},
		SecurityGroups: s.eks.Network.SecurityGroups,
	}
}

// resourceIssues are what is wrong with a cluster's resources. While they cannot be looked at it is what its record says.
func (s *Server) resourceIssues(ctx context.Context, c *eks.Cluster) []eks.HealthIssue {
	issues, err := s.resources().Issues(ctx, c)
	if err != nil {
		s.log.WarnContext(ctx, "cluster health is not known", "cluster", c.Name, "error", err)
		return health.Told(c)
	}
	return issues
}

// watchResources has a cluster looked at when something that it was given has changed so that its health has, too. Most changes are
// addresses that nodes take: they are none of the control plane's business.
func (s *Server) watchResources(planes *reconcile.Controller) {
	account := func(id string) string {
		first, _, _ := strings.Cut(id, "/")
		return first
	}
	controller := &reconcile.Controller{
		Name:  "cluster health",
		Store: s.store,
		Sources: []reconcile.Source{
			{Prefix: iam.RolesPrefix, Key: account}, {Prefix: ec2.SubnetsPrefix, Key: account}, {Prefix: ec2.SecurityGroupsPrefix, Key: account},
		},
		Reconcile: func(ctx context.Context, account string) (reconcile.Result, error) {
			return reconcile.Result{}, s.wakeUnhealthy(ctx, planes, account)
		},
		Log: s.log.With("part", "cluster health"),
	}
	s.goRun("cluster health", controller.Run)
}

// wakeUnhealthy has those clusters of an account looked at whose records do not say what is wrong with their resources.
func (s *Server) wakeUnhealthy(ctx context.Context, planes *reconcile.Controller, account string) (err error) {
	world := s.resources()
	for item := range s.pods.clusters.All() {
		c := &item.Value
		if c.Scope.Account != account || c.Status.Status != eks.ClusterActive && c.Status.Status != eks.ClusterUpdating {
			continue
		}
		issues, lookErr := world.Issues(ctx, c)
		if err = errors.Join(err, lookErr); lookErr == nil && !health.Same(issues, health.Told(c)) {
			planes.Enqueue(item.ID)
		}
	}
	return err
}
