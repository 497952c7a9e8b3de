package server

import (
	"context"
	"fmt"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/nodegroup"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/service/eks"
)

// nodegroupWorkers is how many nodegroups are worked on at once.
const nodegroupWorkers = 8

// startNodegroups makes the reconciler of nodegroups.
func (s *Server) startNodegroups(ctx context.Context) (string, error) {
	groups := nodegroup.New(nodegroup.Deps{
		Store: s.store, EC2: s.ec2, Now: time.Now, Log: s.log.With("part", "nodegroups"),
		CheckRole:     s.iam.CheckServiceRole,
		EnsureProfile: s.ensureProfile,
		RemoveProfile: s.removeProfile,
		EnsureEntry:   s.eks.EnsureNodeEntry,
		RemoveEntry:   s.eks.RemoveNodeEntry,
		Connect:       s.planes.Client,
		Limits:        nodegroup.DefaultLimits,
	})
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
	page, err := eks.Nodegroups(s.store).List(ctx, "", "", 0)
	return fmt.Sprintf("%d nodegroups", len(page.Items)), err
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
