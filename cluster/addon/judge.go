package addon

import (
	"context"
	"time"

	"minato.dev/minato/service/eks"
)

// lackOfReplicas is the issue in the words of EKS.
var lackOfReplicas = eks.HealthIssue{Code: issueReplicas, Message: "The add-on is unhealthy because it doesn't have the desired number of replicas."}

// judge looks at what an add-on runs and says how it is: what was begun ends here.
func (c *Controller) judge(ctx context.Context, p *pass, o object) (again time.Duration, err error) {
	w, err := readWorkload(ctx, p.client, o)
	if err != nil {
		return 0, problemOf(o, err)
	}
	if w.ready(o.kind) {
		c.lacking(p.item.ID, false)
		return resync, c.conclude(ctx, p, eks.AddonActive)
	}
	status := p.addon.Status
	if !status.Status.Transient() {
		if left := trouble - c.lacking(p.item.ID, true); left > 0 && status.Status == eks.AddonActive {
			return min(left, soon), nil
		}
		return resync, c.conclude(ctx, p, eks.AddonDegraded, lackOfReplicas)
	}
	if !w.observed() {
		return soon, nil
	}
	nodes, err := hasNodes(ctx, p.client)
	if err != nil {
		return 0, err
	}
	if !nodes { // there is nothing to wait for, and nothing that the update could have done
		return resync, c.conclude(ctx, p, eks.AddonDegraded, lackOfReplicas)
	}
	if c.deps.Now().Sub(status.AppliedAt) < settling {
		return soon, nil
	}
	ops, err := eks.CompleteAddonUpdates(ctx, c.deps.Store, &p.addon, eks.UpdateError(lackOfReplicas))
	if err != nil {
		return 0, err
	}
	p.ops = append(p.ops, ops...)
	p.addon.Status.Status = eks.AddonDegraded
	return resync, c.conclude(ctx, p, eks.AddonDegraded, lackOfReplicas)
}

// conclude sets the status that an add-on is found in. With it ends an update that runs.
func (c *Controller) conclude(ctx context.Context, p *pass, found eks.AddonStatus, issues ...eks.HealthIssue) error {
	a := &p.addon
	if a.Status.Status == eks.AddonUpdateFailed {
		return nil // until the next update, as on EKS: its issue says what the update met
	}
	if a.Status.Status == eks.AddonUpdating {
		ops, err := eks.CompleteAddonUpdates(ctx, c.deps.Store, a)
		if err != nil {
			return err
		}
		p.ops = append(p.ops, ops...)
	}
	a.Status.Status, a.Status.Health, a.Status.ObservedGeneration = found, issues, a.Spec.Generation
	return nil
}

// lacking notes whether an add-on lacks replicas, and tells for how long it has.
func (c *Controller) lacking(id string, lacks bool) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !lacks {
		delete(c.lacks, id)
		return 0
	}
	since, ok := c.lacks[id]
	if !ok {
		since = time.Now()
		c.lacks[id] = since
	}
	return time.Since(since)
}
