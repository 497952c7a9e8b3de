package nodegroup

import (
	"context"
	"errors"
	"slices"

	"minato.dev/minato/service/eks"
)

// settle sets the status and the health that follow from a pass: ACTIVE when all is as it should be, and DEGRADED, or failed, when
// something is wrong that the owner can see.
func (c *Controller) settle(ctx context.Context, p *pass, failed error) error {
	problems := p.problems
	if failed != nil {
		pr, known := errors.AsType[*problem](failed)
		if !known || pr.code == "" {
			return nil // it says nothing about whether what was wrong has gone
		}
		problems = append(problems, pr)
	}
	p.group.Status.Health = nil
	for _, pr := range problems {
		same := func(known eks.HealthIssue) bool { return known.Code == pr.code && known.Message == pr.message }
		if !slices.ContainsFunc(p.group.Status.Health, same) { // what was noted may have ended the pass too
			p.group.Status.Health = append(p.group.Status.Health, pr.issue())
		}
	}
	p.settled = failed == nil && p.asWanted()
	if p.settled {
		p.group.Status.ObservedGeneration = p.group.Spec.Generation
		ops, err := eks.CompleteNodegroupUpdates(ctx, c.deps.Store, &p.group)
		if err != nil {
			return err
		}
		p.ops = append(p.ops, ops...)
	}
	return c.setStatus(ctx, p, problems)
}

// asWanted is whether there are just the nodes that there are to be, and they serve.
func (p *pass) asWanted() bool {
	if p.launched || p.unsynced || len(p.members) != p.group.Spec.Scaling.Desired {
		return false
	}
	for _, m := range p.members {
		if !m.ready() || m.draining() || !p.current(m) {
			return false
		}
	}
	return true
}

func (c *Controller) setStatus(ctx context.Context, p *pass, problems []*problem) error {
	status := &p.group.Status.Status
	healthy := eks.NodegroupActive
	if len(problems) > 0 {
		healthy = eks.NodegroupDegraded
	}
	switch {
	case p.settled:
		*status = healthy
	case p.creating():
		for _, pr := range problems {
			if pr.fatal {
				*status = eks.NodegroupCreateFailed
			}
		}
	case p.updating():
		for _, pr := range problems {
			if !pr.fatal {
				continue
			}
			ops, err := eks.FailNodegroupUpdates(ctx, c.deps.Store, &p.group, pr.updateError())
			if err != nil {
				return err
			}
			p.ops = append(p.ops, ops...)
			*status = healthy
			break
		}
	default:
		*status = healthy
	}
	return nil
}
