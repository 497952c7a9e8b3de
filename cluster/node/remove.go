package node

import (
	"context"
	"errors"
	"strings"

	"minato.dev/minato/cluster/node/machine"
	"minato.dev/minato/cluster/node/nodeadm"
	"minato.dev/minato/cluster/vpc"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// remove ends an instance and leaves nothing of it. Each part may be done already.
func (c *Controller) remove(ctx context.Context, i ec2.Instance) error {
	if err := c.deps.Processes.Stop(ctx, processName(i.ID)); err != nil {
		return err
	}
	if err := vpc.Unplug(c.deps.Home, i.VPCID, i.InterfaceID); err != nil {
		return c.wrap(i, err)
	}
	if err := machine.Remove(c.deps.Home, i.ID); err != nil {
		return c.wrap(i, err)
	}
	if err := c.deleteNode(ctx, i); err != nil {
		return c.wrap(i, err)
	}
	return c.deps.Terminated(ctx, i.Scope, i.ID, ec2.InstanceReason{})
}

// deleteNode removes the Node of an instance that is gone, as the cloud controller does. A cluster that is on its way out
// takes its Nodes with it.
func (c *Controller) deleteNode(ctx context.Context, i ec2.Instance) error {
	config, err := nodeadm.Parse(i.UserData)
	if err != nil {
		return nil // such an instance never was a node
	}
	item, err := c.clusters.Get(ctx, eks.ClusterKey(i.Scope, config.Cluster.Name))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if s := item.Value.Status.Status; s == eks.ClusterDeleting || s == eks.ClusterFailed || item.Value.Spec.VPCID != i.VPCID {
		return nil
	}
	client, err := c.deps.Client(ctx, item.Value.ID)
	if err != nil {
		return err
	}
	defer client.Close()
	return deleteNodeOf(ctx, client, i)
}

// StopLeftovers ends the machines of instances that have no record, or are gone by it, and removes what is left of them.
func (c *Controller) StopLeftovers(ctx context.Context) error {
	page, err := c.instances.List(ctx, "", "", 0)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, item := range page.Items {
		if item.Value.State != ec2.InstanceTerminated {
			wanted[item.Value.ID] = true
		}
	}
	left, err := machine.Left(c.deps.Home)
	if err != nil {
		return err
	}
	for _, name := range c.deps.Processes.Names() {
		if id, ok := strings.CutPrefix(name, processPrefix); ok {
			left = append(left, id)
		}
	}
	for _, id := range left {
		if wanted[id] {
			continue
		}
		c.deps.Log.InfoContext(ctx, "removing what is left of an instance", "instance", id)
		if err := c.deps.Processes.Stop(ctx, processName(id)); err != nil {
			return err
		}
		if err := machine.Remove(c.deps.Home, id); err != nil {
			return err
		}
	}
	return nil
}
