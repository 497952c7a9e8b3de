package controlplane

import (
	"context"
)

// apiServerStep runs the kube-apiserver of the generation that is wanted, and waits until it serves.
type apiServerStep struct {
	built     func(minor string) bool
	processes Processes
}

func (s apiServerStep) do(ctx context.Context, p *pass) error {
	spec := p.plan.apiServer()
	if _, known := s.processes.Status(spec.Name); !known && !s.built(p.plan.Version.Minor) {
		minor := p.plan.Version.Minor
		return problemf("NotBuilt", issueVersion, "Kubernetes %s is not built on this machine: run `make kube VERSION=%s`", minor, minor)
	}
	api, err := newAPI(p, loopback(p.plan.Ports.APIServer))
	if err != nil {
		return err
	}
	defer api.close()
	if spec.Ready, err = answers(p, p.plan.Ports.APIServer, "/readyz"); err != nil {
		return err
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
