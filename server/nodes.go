package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/addon/catalogue"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/node"
	"minato.dev/minato/cluster/node/imageroot"
	"minato.dev/minato/cluster/node/machine"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/upstream/images"
)

// nodeWorkers is how many instances are worked on at once.
const nodeWorkers = 8

// startNodes makes the reconciler of real instances and lets it take over, or start again, what was up. Without root there
// are none.
func (s *Server) startNodes(ctx context.Context) (string, error) {
	if os.Geteuid() != 0 {
		return "none but simulated ones: Minato does not run as root", nil
	}
	nodes := node.New(node.Deps{
		Store: s.store, Home: s.dir, Clock: s.clock, Log: s.log.With("part", "nodes"),
		Programs: s.nodePrograms, Processes: controlplane.Supervised(s.sup), Client: s.planes.Client, Credentials: s.machineSession,
		Running: s.ec2.Running, Terminated: s.ec2.Terminated, Terminate: s.terminateInstance,
	})
	if err := nodes.StopLeftovers(ctx); err != nil {
		return "", err
	}
	controller := &reconcile.Controller{
		Name: "nodes", Store: s.store, Sources: []reconcile.Source{{Prefix: ec2.InstancesPrefix}}, Reconcile: nodes.Reconcile,
		Workers: nodeWorkers, Log: s.log.With("part", "nodes"),
	}
	s.onStop(s.sup.Subscribe(func(process string) {
		if key, ok := nodes.KeyOf(process); ok {
			controller.Enqueue(key)
		}
	}))
	s.clock.OnMove(func() { enqueueAll(s.runCtx, ec2.Instances(s.store), controller) }) // credentials of roles end
	s.followHybridNodes(nodes)
	s.goRun("nodes", nodes.Run)
	s.goRun("nodes", controller.Run)
	return "", nil
}

// machineSession gives a machine credentials of its role: a node of EC2's, or one of Fargate's.
func (s *Server) machineSession(ctx context.Context, role minato.ARN, session string, d time.Duration) (iam.Temporary, error) {
	if !strings.HasPrefix(session, ec2.FargatePrefix) {
		return s.sts.InstanceSession(ctx, role, session, d)
	}
	page, err := eks.FargateProfiles(s.store).List(ctx, "", "", 0)
	if err != nil {
		return iam.Temporary{}, err
	}
	var profile minato.ARN
	for _, item := range page.Items {
		if item.Value.Role == role {
			profile = item.Value.ARN()
		}
	}
	return s.sts.FargateSession(ctx, role, profile, session, d)
}

// nodePrograms are what a node of a minor is made of.
func (s *Server) nodePrograms(minor string) (machine.Programs, error) {
	program, ok := s.o.Kube.Path(minor)
	if !ok {
		return machine.Programs{}, fmt.Errorf("no Kubernetes %s is built: make kube VERSION=%[1]s", minor)
	}
	if err := s.o.Upstream.Require("containerd", "runc", "cni"); err != nil {
		return machine.Programs{}, err
	}
	p := machine.Programs{Minato: s.o.Executable, Kube: program, Plugins: s.o.Upstream.Dir("cni"), Pause: "minato.local/pause"}
	p.Containerd, _ = s.o.Upstream.Path("containerd", "containerd")
	p.Shim, _ = s.o.Upstream.Path("containerd", "containerd-shim-runc-v2")
	p.Runc, _ = s.o.Upstream.Path("runc", "runc")
	if listen, err := netip.ParseAddrPort(s.cfg.Listen); err == nil {
		port := strconv.Itoa(int(listen.Port()) + registryPortOffset)
		p.Registry = "http://" + net.JoinHostPort(machine.ServiceAddress.String(), port)
		p.Prepared = imageroot.Source{Registry: "http://" + net.JoinHostPort("127.0.0.1", port), Host: images.Registry, Images: nodeImages(minor)}
	}
	return p, nil
}

// nodeImages are what every node of a minor runs, and the smallest program that a user starts.
func nodeImages(minor string) []string {
	names := []string{"pause:latest", "echo:latest"}
	v, _ := kube.Lookup(minor)
	for _, a := range catalogue.All() {
		if a.SelfManaged {
			names = append(names, strings.TrimPrefix(a.ImageOf(a.Default(v)), images.Registry+"/"))
		}
	}
	return names
}

// registryPortOffset is how far the registry's port lies from that of the AWS API.
const registryPortOffset = 2

// terminateInstance has an instance end for a reason of its own.
func (s *Server) terminateInstance(ctx context.Context, scope minato.Scope, id string, reason ec2.InstanceReason) error {
	ops, err := s.ec2.TerminateOps(ctx, scope, []string{id}, reason)
	if err != nil || len(ops) == 0 {
		return err
	}
	_, err = s.store.Commit(ctx, ops...)
	return err
}
