package nodegroup

import (
	"context"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// awaitTerminated ends the pass while there is anything left of the instances.
func (c *Controller) awaitTerminated(_ context.Context, p *pass) error {
	p.over = len(p.members) > 0
	for _, m := range p.ended {
		item, ok := c.instances.Get(ec2.RecordID(p.group.Scope, m.instance.ID))
		if ok && item.Value.State != ec2.InstanceTerminated {
			p.over = true
		}
	}
	return nil
}

func (c *Controller) removeProfile(ctx context.Context, p *pass) error {
	return c.deps.RemoveProfile(ctx, p.group.Scope.Account, profileName(&p.group), p.group.Spec.NodeRole.ResourceName())
}

// removeRecord removes what remains: the updates and the nodegroup itself.
func (c *Controller) removeRecord(ctx context.Context, p *pass) error {
	if err := eks.RemoveNodegroupUpdates(ctx, c.deps.Store, &p.group); err != nil {
		return err
	}
	p.ops, p.gone = append(p.ops, c.groups.DeleteOp(p.item)), true
	return nil
}

// idPrefix is the id prefix of a cluster's nodegroups.
func idPrefix(clusterID string) string { return store.ID(clusterID) + "/" }
