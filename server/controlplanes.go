package server

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/internal/ports"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// planeWorkers is how many clusters are worked on at once. A pass mostly waits for processes to come up.
const planeWorkers = 16

// startControlPlanes makes the reconciler of control planes and lets it take over, or start again, what was up.
func (s *Server) startControlPlanes(ctx context.Context) (string, error) {
	etcdCA, err := os.ReadFile(s.etcdPKI.ServerAuthorityFile())
	if err != nil {
		return "", err
	}
	s.planes = controlplane.New(controlplane.Deps{
		Store:  s.store,
		Sealer: s.sealer,
		Home:   s.dir,
		Settings: controlplane.Settings{
			Advertise:     s.cfg.AdvertiseAddress,
			TLSPort:       s.cfg.TLSPort,
			HookPort:      s.cfg.HookPort,
			EtcdEndpoints: s.cfg.EtcdEndpoints,
			VPCs:          realVPCs(),
		},
		Kube:           s.o.Kube,
		Clock:          s.clock,
		Log:            s.log.With("part", "control planes"),
		OwnUIDs:        os.Geteuid() == 0,
		EnsureTenant:   s.etcd.EnsureTenant,
		TenantIdentity: s.etcd.TenantIdentity,
		DeleteTenant:   s.etcd.DeleteTenant,
		EtcdCA:         etcdCA,
		HookCA:         s.ca.Pair.CertPEM,
		FreePorts:      ports.Free,
		PortTaken:      func(port int) bool { return ports.Taken("127.0.0.1", port) },
		Processes:      controlplane.Supervised(s.sup),
		GateApplied:    s.gateApplied,
		GateState:      s.gateState,
		HookApplied:    s.hookApplied,

		ResourceIssues:      s.resourceIssues,
		EnsureInterfaces:    s.ensureInterfaces,
		RemoveInterfaces:    s.removeInterfaces,
		DeleteSecurityGroup: s.deleteSecurityGroup,
	})
	if err := s.planes.StopLeftovers(ctx); err != nil {
		return "", err
	}
	controller := &reconcile.Controller{
		Name:    "control planes",
		Store:   s.store,
		Sources: []reconcile.Source{{Prefix: eks.ClustersPrefix}},
		Reconcile: func(ctx context.Context, id string) (reconcile.Result, error) {
			again, err := s.planes.Reconcile(ctx, id)
			return reconcile.Result{RequeueAfter: again}, err
		},
		Workers: planeWorkers,
		Log:     s.log.With("part", "control planes"),
	}
	s.onStop(s.wakeOnProcesses(controller))
	s.clock.OnMove(func() { s.enqueueClusters(controller) }) // certificates fall due
	s.goRun("control planes", s.planes.Run)
	s.goRun("control planes", controller.Run)
	s.watchResources(controller)
	s.goRun("what users change in clusters", func(ctx context.Context) error {
		return s.planes.Follow(ctx, func(clusterID string) { s.wakeCluster(ctx, controller, clusterID) })
	})
	return s.countClusters(ctx)
}

// wakeOnProcesses has a cluster looked at when one of its processes has changed its state.
func (s *Server) wakeOnProcesses(controller *reconcile.Controller) (cancel func()) {
	return s.sup.Subscribe(func(process string) {
		id, ok := controlplane.ClusterOf(process)
		if !ok {
			return
		}
		go s.wakeCluster(s.runCtx, controller, id)
	})
}

// wakeCluster has the cluster with an id looked at.
func (s *Server) wakeCluster(ctx context.Context, controller *reconcile.Controller, clusterID string) {
	if key, ok := s.clusterKey(ctx, clusterID); ok {
		controller.Enqueue(key)
	}
}

// clusterKey finds the record id of the cluster with an id.
func (s *Server) clusterKey(ctx context.Context, clusterID string) (string, bool) {
	page, err := eks.Clusters(s.store).List(ctx, "", "", 0)
	if err != nil {
		return "", false
	}
	for _, item := range page.Items {
		if item.Value.ID == clusterID {
			return item.ID, true
		}
	}
	return "", false
}

func (s *Server) countClusters(ctx context.Context) (string, error) {
	page, err := eks.Clusters(s.store).List(ctx, "", "", 0)
	if err != nil {
		return "", err
	}
	minors := make([]string, 0)
	for _, v := range s.o.Kube.Built() {
		minors = append(minors, v.Minor)
	}
	built := "Kubernetes " + strings.Join(minors, ", ")
	if len(minors) == 0 {
		built = "no Kubernetes is built yet: make kube VERSION=1.35"
	}
	return fmt.Sprintf("%d clusters; %s", len(page.Items), built), nil
}

// ensureInterfaces gives a control plane its interfaces, with the cluster's own security group and those that it was given.
func (s *Server) ensureInterfaces(ctx context.Context, c *eks.Cluster) error {
	want := ec2.ClusterInterfaces{ClusterID: c.ID, ClusterName: c.Name, Role: c.Spec.RoleARN, Subnets: c.Spec.SubnetIDs}
	for _, id := range append([]string{c.Spec.ClusterSecurityGroup}, c.Spec.SecurityGroupIDs...) {
		if !slices.Contains(want.SecurityGroups, id) {
			want.SecurityGroups = append(want.SecurityGroups, id)
		}
	}
	return s.ec2.EnsureClusterInterfaces(ctx, c.Scope, want)
}

func (s *Server) removeInterfaces(ctx context.Context, c *eks.Cluster) error {
	return s.ec2.RemoveClusterInterfaces(ctx, c.Scope, c.ID)
}

func (s *Server) deleteSecurityGroup(ctx context.Context, scope minato.Scope, id string) error {
	ops, err := s.ec2.RemoveSecurityGroup(ctx, scope, id)
	if err != nil || len(ops) == 0 {
		return err
	}
	_, err = s.store.Commit(ctx, ops...)
	return ignoreGone(err)
}
