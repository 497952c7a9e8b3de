package controlplane

import (
	"context"
	"fmt"
	"time"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/kube"
)

// generationStep decides which generation is wanted: the active one, or a next one when the active one cannot be what the
// records now say.
type generationStep struct {
	records   *store.Collection[ControlPlane]
	store     store.Store
	planFor   func(p *pass, g Generation, v kube.Version) plan
	freePorts func(ctx context.Context, n int) ([]int, func(), error)
	portTaken func(port int) bool
	processes Processes
}

func (s generationStep) do(ctx context.Context, p *pass) error {
	version, ok := kube.Lookup(p.cluster.Spec.Version)
	if !ok {
		return problemf("VersionUnknown", issueVersion, "Kubernetes %s is not a version that this Minato knows", p.cluster.Spec.Version)
	}
	want := s.planFor(p, Generation{}, version).fingerprint()
	plane := p.plane.Value
	switch {
	case plane.Active.Fingerprint == "": // a new record: nothing has ever run
		plane.Active.Fingerprint, plane.Active.Patch = want, version.Patch
		if err := s.write(ctx, p, plane); err != nil {
			return err
		}
	case plane.Next != nil && plane.Active.Fingerprint == want && plane.Next.Fingerprint != want:
		// What a next generation was begun for is not wanted any more: an update has failed, say. The active one is still there.
		// One that is the same was begun because a port of the active one is taken, and goes on.
		if err := s.abandon(ctx, p); err != nil {
			return err
		}
	case p.wanted().Fingerprint != want || s.robbed(p.cluster.ID, p.wanted()):
		if err := s.begin(ctx, p, version, want); err != nil {
			return err
		}
	}
	p.plan = s.planFor(p, p.wanted(), version)
	return nil
}

// begin makes a next generation, in the place of one that was begun and is not wanted any more. What ran of that is stopped by
// retireStep.
func (s generationStep) begin(ctx context.Context, p *pass, version kube.Version, fingerprint string) error {
	plane := p.plane.Value
	var ops []store.Op
	number := plane.Active.Number + 1
	if plane.Next != nil {
		number = plane.Next.Number + 1
		ops = releasePorts(s.store, plane.Next.Ports.all()...)
	}
	free, release, err := s.freePorts(ctx, 3)
	if err != nil {
		return err
	}
	defer release()
	plane.Next = &Generation{
		Number: number, Patch: version.Patch, Fingerprint: fingerprint,
		Ports: Ports{APIServer: free[0], ControllerManager: free[1], Scheduler: free[2]},
		Begun: time.Now().UTC(),
	}
	return s.write(ctx, p, plane, append(ops, claimPorts(s.store, p.cluster.ID, free...)...)...)
}

// abandon drops the next generation. What ran of it is stopped by retireStep, after the gate has turned back, if it had turned.
func (s generationStep) abandon(ctx context.Context, p *pass) error {
	plane := p.plane.Value
	ops := releasePorts(s.store, plane.Next.Ports.all()...)
	plane.Next = nil
	return s.write(ctx, p, plane, ops...)
}

func (s generationStep) write(ctx context.Context, p *pass, plane ControlPlane, ops ...store.Op) error {
	p.plane.Value = plane
	rev, err := s.store.Commit(ctx, append(ops, s.records.UpdateOp(p.plane))...)
	if err != nil {
		return fmt.Errorf("writing generation: %w", err)
	}
	p.plane.Revision = rev
	return nil
}

// robbed is whether another program listens on a port of ours, so that our process can only end again and again.
func (s generationStep) robbed(clusterID string, g Generation) bool {
	for component, port := range map[string]int{
		apiServerComponent:         g.Ports.APIServer,
		controllerManagerComponent: g.Ports.ControllerManager,
		schedulerComponent:         g.Ports.Scheduler,
	} {
		st, ok := s.processes.Status(processName(clusterID, component, g.Number))
		if ok && st.State == supervisor.Backoff && s.portTaken(port) {
			return true
		}
	}
	return false
}
