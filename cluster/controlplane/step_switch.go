package controlplane

import (
	"context"
	"fmt"
	"slices"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/supervisor"
)

// switchStep makes a next generation that serves the active one: the gate sends new connections to it, and the controllers of
// the old one end before those of the new one begin, because there is no leader election between them.
type switchStep struct {
	records   *store.Collection[ControlPlane]
	store     store.Store
	route     routeStep
	processes Processes
}

func (s switchStep) do(ctx context.Context, p *pass) error {
	plane := p.plane.Value
	if plane.Next == nil {
		return nil
	}
	if err := s.route.set(ctx, p, backendsOf(*plane.Next), backendsOf(plane.Active)...); err != nil {
		return err
	}
	if _, err := s.route.obeyed(ctx, p); err != nil {
		return err
	}
	if err := s.processes.stop(ctx,
		processName(p.cluster.ID, controllerManagerComponent, plane.Active.Number),
		processName(p.cluster.ID, schedulerComponent, plane.Active.Number)); err != nil {
		return err
	}
	ops := releasePorts(s.store, plane.Active.Ports.all()...)
	plane.Active, plane.Next = *plane.Next, nil
	p.plane.Value = plane
	rev, err := s.store.Commit(ctx, append(ops, s.records.UpdateOp(p.plane))...)
	if err != nil {
		return fmt.Errorf("writing generation: %w", err)
	}
	p.plane.Revision = rev
	return nil
}

// controllersStep runs kube-controller-manager and kube-scheduler of the active generation.
type controllersStep struct{ processes Processes }

func (s controllersStep) do(ctx context.Context, p *pass) error {
	if err := s.run(ctx, p, p.plan.controllerManager(), p.plan.Ports.ControllerManager); err != nil {
		return err
	}
	return s.run(ctx, p, p.plan.scheduler(), p.plan.Ports.Scheduler)
}

func (s controllersStep) run(ctx context.Context, p *pass, spec supervisor.Spec, port int) (err error) {
	if spec.Ready, err = answers(p, port, "/healthz"); err != nil {
		return err
	}
	return s.processes.ensure(ctx, spec)
}

// retireStep stops every process of the cluster that is not of the active generation, once no new connection goes there, and
// removes those generations' files.
type retireStep struct {
	route     routeStep
	processes Processes
}

func (s retireStep) do(ctx context.Context, p *pass) error {
	active := p.plane.Value.Active.Number
	keep := []string{
		processName(p.cluster.ID, apiServerComponent, active),
		processName(p.cluster.ID, controllerManagerComponent, active),
		processName(p.cluster.ID, schedulerComponent, active),
	}
	old := slices.DeleteFunc(s.processes.of(p.cluster.ID), func(name string) bool { return slices.Contains(keep, name) })
	if len(old) > 0 {
		if _, err := s.route.obeyed(ctx, p); err != nil {
			return err
		}
		if err := s.route.drained(ctx, p); err != nil {
			return err
		}
	}
	if err := s.processes.stop(ctx, old...); err != nil {
		return err
	}
	if err := s.route.set(ctx, p, backendsOf(p.plane.Value.Active)); err != nil {
		return err
	}
	return p.plan.Dir.prune(active)
}

// stopStep stops every process of the cluster.
type stopStep struct{ processes Processes }

func (s stopStep) do(ctx context.Context, p *pass) error {
	return s.processes.stop(ctx, s.processes.of(p.cluster.ID)...)
}
