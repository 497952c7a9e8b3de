package nodegroup

import (
	"context"
	"errors"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// step is one thing that must be so. do begins by asking whether it is; an error of it ends the pass.
type step struct {
	name string // the type of its condition
	do   func(ctx context.Context, p *pass) error
}

// buildSteps is what a nodegroup needs, in order.
func (c *Controller) buildSteps() []step {
	return []step{
		{"Cluster", c.readCluster},
		{"Role", c.checkRole},
		{"Connection", c.connect},
		{"Members", c.findMembers},
		{"Access", c.giveAccess},
		{"Profile", c.ensureProfile},
		{"Lost", c.replaceLost},
		{"Repair", c.repair},
		{"Labels", c.syncNodes},
		{"Sources", c.checkSources},
		{"Size", c.resize},
		{"Drain", c.drainMembers},
	}
}

// demolishSteps is what must go, in order: pods, nodes and instances, then what let them in, and the record last.
func (c *Controller) demolishSteps() []step {
	return []step{
		{"Cluster", c.readClusterIfThere},
		{"Connection", c.connectIfThere},
		{"Members", c.findMembers},
		{"Emptied", c.drainAll},
		{"Drain", c.drainMembers},
		{"Terminated", c.awaitTerminated},
		{"AccessRemoved", c.removeAccess},
		{"ProfileRemoved", c.removeProfile},
		{"RecordRemoved", c.removeRecord},
	}
}

// readCluster reads the nodegroup's cluster, which must have been ACTIVE.
func (c *Controller) readCluster(ctx context.Context, p *pass) error {
	item, err := eks.Clusters(c.deps.Store).Get(ctx, eks.ClusterKey(p.group.Scope, p.group.ClusterName))
	if errors.Is(err, store.ErrNotFound) || err == nil && item.Value.ID != p.group.ClusterID {
		return &problem{reason: "ClusterGone", message: "the cluster of the nodegroup is not there any more", err: store.ErrNotFound}
	}
	if err != nil {
		return err
	}
	p.cluster = item.Value
	if p.cluster.Status.Endpoint == "" {
		return &problem{reason: "ClusterNotReady", message: "the cluster has no endpoint yet"}
	}
	return nil
}

func (c *Controller) readClusterIfThere(ctx context.Context, p *pass) error {
	err := c.readCluster(ctx, p)
	if _, known := errors.AsType[*problem](err); known {
		return nil
	}
	return err
}

// checkRole looks whether the nodes' role can still be theirs. One that is gone is a health issue, and the nodes that there are go on.
func (c *Controller) checkRole(ctx context.Context, p *pass) error {
	role := p.group.Spec.NodeRole
	switch err := c.deps.CheckRole(ctx, role, eks.NodeServicePrincipal, minato.ARN{}); minato.KindOf(err) {
	case "":
		return nil
	case minato.NotFound:
		return problemf(issueRole, []string{role.ResourceName()}, "The IAM role %s of the nodes was not found", role)
	case minato.Denied:
		return problemf(issueAccess, []string{role.ResourceName()}, "The role %s of the nodes cannot be assumed by %s any more", role, eks.NodeServicePrincipal)
	default:
		return err
	}
}

func (c *Controller) connect(ctx context.Context, p *pass) (err error) {
	p.kube, err = c.clients.get(ctx, p.group.ClusterID, p.now)
	return err
}

func (c *Controller) connectIfThere(ctx context.Context, p *pass) error {
	if p.cluster.ID == "" {
		return nil
	}
	return c.connect(ctx, p)
}

// ensureProfile makes the instance profile that gives the nodes their role.
func (c *Controller) ensureProfile(ctx context.Context, p *pass) (err error) {
	p.profile, err = c.deps.EnsureProfile(ctx, p.group.Scope.Account, profileName(&p.group), p.group.Spec.NodeRole.ResourceName())
	p.group.Status.GroupName = p.group.GroupName()
	return err
}

func profileName(n *eks.Nodegroup) string { return "eks-" + n.UUID }

// findMembers finds the instances of the nodegroup, and the nodes that they are.
func (c *Controller) findMembers(ctx context.Context, p *pass) error {
	nodes := map[string]*node{}
	if p.kube != nil {
		list, err := listNodes(ctx, p.kube, &p.group)
		if err != nil {
			c.clients.forget(p.group.ClusterID)
		}
		if err != nil && p.goneQuiet() {
			p.kube, list = nil, nil // it is not going to say anything about its nodes any more
		} else if err != nil {
			return &problem{reason: "ClusterUnreachable", code: issueCluster, message: "The cluster does not answer: " + err.Error(), err: err}
		}
		for _, n := range list {
			nodes[n.Metadata.Name] = n
		}
	}
	seen := map[string]bool{}
	for item := range c.instances.All() {
		i := item.Value
		if i.Scope != p.group.Scope || i.Tags[groupTag] != p.group.GroupName() {
			continue
		}
		machine, known := p.group.Status.Machines[i.ID]
		if !known {
			machine = eks.Machine{SeenAt: p.now}
		}
		m := &member{instance: i, node: nodes[i.PrivateDNSName], machine: machine}
		if i.State == ec2.InstanceTerminated && m.node == nil {
			continue
		}
		seen[i.ID] = true
		if i.Ended() {
			p.ended = append(p.ended, m)
			continue
		}
		if m.ready() && m.machine.JoinedAt.IsZero() {
			m.machine.JoinedAt = p.now
			p.group.Status.Failures, p.group.Status.FailedAt, p.group.Status.Failure = 0, time.Time{}, ""
		}
		p.members = append(p.members, m)
		p.remember(m)
	}
	return c.forgetEnded(ctx, p, seen)
}

// patience is how long a nodegroup that is being deleted waits for a cluster that does not answer.
const patience = time.Minute

// goneQuiet is whether the nodegroup is being deleted and its cluster has not answered for long.
func (p *pass) goneQuiet() bool {
	if p.group.Status.Status != eks.NodegroupDeleting {
		return false
	}
	for _, condition := range p.group.Status.Conditions {
		if condition.Type == "Members" && !condition.OK {
			return p.now.Sub(condition.Since) > patience
		}
	}
	return false
}

// forgetEnded removes what is left of instances that have ended: their nodes, with the pods that were on them.
func (c *Controller) forgetEnded(ctx context.Context, p *pass, seen map[string]bool) error {
	for _, m := range p.ended {
		if m.node != nil && p.kube != nil {
			if err := removeNode(ctx, p.kube, m.node.Metadata.Name); err != nil {
				return err
			}
		}
	}
	for id, machine := range p.group.Status.Machines {
		if seen[id] && !c.ended(p, id) {
			continue
		}
		if machine.JoinedAt.IsZero() && machine.DrainingAt.IsZero() {
			p.group.Status.Failures++
			p.group.Status.FailedAt = p.now
			p.group.Status.Failure = c.reasonOf(p, id)
		}
		delete(p.group.Status.Machines, id)
	}
	return nil
}

func (c *Controller) ended(p *pass, id string) bool {
	item, ok := c.instances.Get(ec2.RecordID(p.group.Scope, id))
	return !ok || item.Value.Ended()
}

// reasonOf is why an instance ended.
func (c *Controller) reasonOf(p *pass, id string) string {
	item, ok := c.instances.Get(ec2.RecordID(p.group.Scope, id))
	if !ok || item.Value.Reason == nil {
		return "instance " + id + " has ended"
	}
	return "instance " + id + ": " + item.Value.Reason.Message
}

func (m *member) ready() bool { return m.node != nil && m.node.ready() }

func (m *member) draining() bool { return !m.machine.DrainingAt.IsZero() }
