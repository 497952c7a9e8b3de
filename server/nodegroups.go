package server

import (
	"context"
	"fmt"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/nodegroup"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/service/eks"
)

// nodegroupWorkers is how many nodegroups are worked on at once.
const nodegroupWorkers = 8

// startNodegroups makes the reconciler of nodegroups.
func (s *Server) startNodegroups(ctx context.Context) (string, error) {
	deps := nodegroup.Deps{
		Store: s.store, EC2: s.ec2, Now: time.Now, Log: s.log.With("part", "nodegroups"),
		CheckRole:     s.iam.CheckServiceRole,
		EnsureProfile: s.ensureProfile,
		RemoveProfile: s.removeProfile,
		EnsureEntry:   s.eks.EnsureNodeEntry,
		RemoveEntry:   s.eks.RemoveNodeEntry,
		Connect:       s.planes.Client,
		Limits:        nodegroup.DefaultLimits,
	}
	groups := nodegroup.New(deps)
	controller := &reconcile.Controller{
		Name:    "nodegroups",
		Store:   s.store,
		Sources: []reconcile.Source{{Prefix: eks.NodegroupsPrefix}},
		Reconcile: func(ctx context.Context, id string) (reconcile.Result, error) {
			again, err := groups.Reconcile(ctx, id)
			return reconcile.Result{RequeueAfter: again}, err
		},
		Workers: nodegroupWorkers,
		Log:     s.log.With("part", "nodegroups"),
	}
	groups.OnInstance(controller.Enqueue)
	s.goRun("nodegroups", groups.Run)
	s.goRun("nodegroups", controller.Run)
	s.startFargate(deps)
	page, err := eks.Nodegroups(s.store).List(ctx, "", "", 0)
	return fmt.Sprintf("%d nodegroups", len(page.Items)), err
}

// startFargate makes the reconciler of Fargate profiles.
func (s *Server) startFargate(deps nodegroup.Deps) {
	deps.Log = s.log.With("part", "fargate")
	fargate := nodegroup.NewFargate(deps, nodegroup.FargateDeps{
		WebhookURL:  func(clusterID string) string { return controlplane.MutateURL(s.cfg.HookPort, clusterID) },
		WebhookCA:   s.ca.Pair.CertPEM,
		HookApplied: s.hookApplied,
	})
	controller := &reconcile.Controller{
		Name:    "fargate",
		Store:   s.store,
		Sources: []reconcile.Source{{Prefix: eks.FargateProfilesPrefix, Key: nodegroup.ClusterOfProfile}},
		Reconcile: func(ctx context.Context, clusterID string) (reconcile.Result, error) {
			again, err := fargate.Reconcile(ctx, clusterID)
			return reconcile.Result{RequeueAfter: again}, err
		},
		Workers: nodegroupWorkers,
		Log:     deps.Log,
	}
	s.goRun("fargate", fargate.Run)
	s.goRun("fargate", controller.Run)
}

// ensureProfile makes an instance profile with a role in it.
func (s *Server) ensureProfile(ctx context.Context, account, name, role string) (minato.ARN, error) {
	profile, err := s.iam.InstanceProfile(ctx, account, name)
	if minato.Is(err, minato.NotFound) {
		profile, err = s.iam.CreateInstanceProfile(ctx, account, "/", name, nil)
	}
	if err != nil || profile.Role == role {
		return profile.ARN(), err
	}
	return profile.ARN(), s.iam.AddRoleToInstanceProfile(ctx, account, name, role)
}

// removeProfile removes an instance profile, if there is one, with the role in it.
func (s *Server) removeProfile(ctx context.Context, account, name, role string) error {
	profile, err := s.iam.InstanceProfile(ctx, account, name)
	if minato.Is(err, minato.NotFound) {
		return nil
	}
	if err == nil && profile.Role == role {
		err = s.iam.RemoveRoleFromInstanceProfile(ctx, account, name, role)
	}
	if err != nil {
		return err
	}
	return s.iam.DeleteInstanceProfile(ctx, account, name)
}
