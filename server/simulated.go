package server

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/node/simulated"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// startSimulatedNodes makes the reconciler of simulated nodes.
func (s *Server) startSimulatedNodes(ctx context.Context) (string, error) {
	s.simulated = simulated.New(simulated.Deps{
		Context:   s.runCtx,
		Store:     s.store,
		Home:      s.dir,
		Log:       s.log.With("part", "simulated nodes"),
		Processes: controlplane.Supervised(s.sup),
		Program:   s.kwok,
		Client:    s.planes.Client,
		Companion: s.planes.Companion,
		Admitted:  s.admitted,
		Running:   s.ec2.Running, Terminated: s.ec2.Terminated,
	})
	if err := s.simulated.StopLeftovers(ctx); err != nil {
		return "", err
	}
	s.goRun("simulated nodes", s.simulated.Run)
	if _, err := s.kwok(); err != nil {
		return "none: " + err.Error(), nil //nolint:nilerr // a server without kwok is whole but for simulated nodes
	}
	return "", nil
}

// kwok is the program that plays simulated nodes.
func (s *Server) kwok() (string, error) {
	if err := s.o.Upstream.Require("kwok"); err != nil {
		return "", err
	}
	path, _ := s.o.Upstream.Path("kwok", "kwok")
	return path, nil
}

// nodesGroup is what a role's sessions must be on a cluster for its machines to be nodes.
const nodesGroup = "system:nodes"

// admitted is nil when a cluster takes an instance's role for a node's, by an access entry or by aws-auth, as it would find when a
// kubelet came. Simulated nodes have none that could be turned away.
func (s *Server) admitted(ctx context.Context, cluster *eks.Cluster, i ec2.Instance) error {
	refuse := func(format string, args ...any) error {
		return minato.Errorf(minato.Unauthenticated, format, args...)
	}
	if i.RoleARN == (minato.ARN{}) {
		return refuse("instance %s has no role: give it an instance profile", i.ID)
	}
	principal, err := s.findPrincipal(ctx, i.RoleARN.String(), i.ID)
	if err != nil {
		return refuse("instance %s: %w", i.ID, err)
	}
	entry, err := eks.AccessEntries(s.store).Get(ctx, eks.AccessEntryKey(cluster.ID, principal.IAMARN()))
	switch {
	case err == nil && cluster.Spec.AuthenticationMode != "CONFIG_MAP" && entry.Value.PrincipalID == principal.UniqueID():
		if !slices.Contains(entry.Value.Groups, nodesGroup) {
			return refuse("the access entry of %s is of the type %s: want EC2_LINUX", i.RoleARN, entry.Value.Type)
		}
		return nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	case cluster.Spec.AuthenticationMode == "API":
		return refuse("%s has no access entry on cluster %s", i.RoleARN, cluster.Name)
	}
	data, found, err := s.planes.AWSAuth(ctx, cluster.ID)
	if err != nil {
		return fmt.Errorf("reading aws-auth: %w", err)
	}
	if found {
		auth, _ := access.ParseAWSAuth(data) // what is wrong with it is in the cluster's health
		if row, _, ok := auth.Find(principal); ok && slices.Contains(row.Groups, nodesGroup) {
			return nil
		}
	}
	return refuse("neither an access entry nor aws-auth lets %s into cluster %s as a node", i.RoleARN, cluster.Name)
}
