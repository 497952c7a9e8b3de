package controlplane

import (
	"context"

	"minato.dev/minato/engine/supervisor"
)

// apiServerStep runs the kube-apiserver of the generation that is wanted, and waits until it serves.
type apiServerStep struct {
	built     func(minor string) bool
	processes Processes
	slots     slots
}

func (s apiServerStep) do(ctx context.Context, p *pass) error {
	spec := p.plan.apiServer()
	st, known := s.processes.Status(spec.Name)
	if !known && !s.built(p.plan.Version.Minor) {
		minor := p.plan.Version.Minor
		return problemf(reasonNotBuilt, issueVersion, "Kubernetes %s is not built on this machine: run `make kube VERSION=%s`", minor, minor)
	}
	api, err := newAPI(p, loopback(p.plan.Ports.APIServer))
	if err != nil {
		return err
	}
	defer api.Close()
	if spec.Ready, err = answers(p, p.plan.Ports.APIServer, "/readyz"); err != nil {
		return err
	}
	if st.State != supervisor.Running {
		if p.started, err = s.slots.take(ctx); err != nil {
			return err
		}
	}
	if err := s.processes.ensure(ctx, spec); err != nil {
		return err
	}
	return poll(ctx, "kube-apiserver to be ready", func(ctx context.Context) error {
		if err := s.processes.crashLoop(spec.Name); err != nil {
			return err
		}
		return api.ready(ctx)
	})
}
