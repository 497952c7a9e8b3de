package nodegroup

import (
	"context"
	"slices"
	"time"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
)

// Why an instance goes.
const (
	drainScaleIn  = "ScaleIn"
	drainOutdated = "Outdated"
	drainRepair   = "Repair"
	drainDeleted  = "NodegroupDeleted"
)

// terminations are what an instance's state reason says, by why it goes. EC2 has these words for Auto Scaling.
var terminations = map[string]ec2.InstanceReason{
	drainScaleIn:  {Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: the nodegroup was made smaller"},
	drainOutdated: {Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: the nodegroup was updated"},
	drainRepair:   {Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: the node was not healthy"},
	drainDeleted:  {Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: the nodegroup was deleted"},
	"Lost":        {Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: the node was deleted from the cluster"},
	"NotJoined":   {Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: the instance did not join the cluster"},
}

// terminate has instances end, and takes them out of the members.
func (c *Controller) terminate(ctx context.Context, p *pass, reason string, gone ...*member) error {
	if len(gone) == 0 {
		return nil
	}
	var ids []string
	for _, m := range gone {
		ids = append(ids, m.instance.ID)
	}
	err := c.commit(ctx, func() ([]store.Op, error) {
		return c.deps.EC2.TerminateOps(ctx, p.group.Scope, ids, terminations[reason])
	})
	if err != nil {
		return err
	}
	for _, m := range gone {
		if m.node != nil && p.kube != nil {
			if err := removeNode(ctx, p.kube, m.node.Metadata.Name); err != nil {
				return err
			}
		}
		delete(p.group.Status.Machines, m.instance.ID)
	}
	p.ended = append(p.ended, gone...)
	p.members = slices.DeleteFunc(p.members, func(m *member) bool { return slices.Contains(gone, m) })
	return nil
}

// replaceLost terminates instances that are no nodes any more: those whose node has been deleted, and after a creation those that did
// not become one in time.
func (c *Controller) replaceLost(ctx context.Context, p *pass) error {
	var lost, late []*member
	for _, m := range p.members {
		switch joined := !m.machine.JoinedAt.IsZero(); {
		case joined && m.node == nil:
			_, err := p.kube.Do(ctx, "GET", nodesPath+"/"+m.instance.PrivateDNSName, nil)
			if kubeapi.NotFound(err) { // and has not lost its label only
				lost = append(lost, m)
			} else if err != nil {
				return err
			}
		case !joined && p.now.Sub(m.machine.SeenAt) > c.deps.Limits.Join:
			late = append(late, m)
		}
	}
	if len(late) > 0 {
		p.problems = append(p.problems, problemf(issueJoin, instanceIDs(late), "Instances failed to join the kubernetes cluster"))
	}
	if err := c.terminate(ctx, p, "Lost", lost...); err != nil {
		return err
	}
	if p.creating() { // the owner may want to look at them
		return nil
	}
	for _, m := range late { // and not every instance at once after a long time away
		if p.now.Sub(m.machine.SeenAt) > 2*c.deps.Limits.Join {
			if err := c.terminate(ctx, p, "NotJoined", m); err != nil {
				return err
			}
		}
	}
	return nil
}

func instanceIDs(members []*member) (ids []string) {
	for _, m := range members {
		ids = append(ids, m.instance.ID)
	}
	return ids
}

// drain begins to drain a member.
func (p *pass) drain(m *member, reason string) {
	if m.draining() {
		return
	}
	m.machine.DrainingAt, m.machine.Reason = p.now, reason
	p.remember(m)
}

// Node repair without numbers of the owner's own stops when too many nodes are unhealthy, because then it is not the nodes ("Amazon EKS
// User Guide", node auto repair).
const (
	defaultUnhealthyPercentage = 20
	alwaysRepaired             = 5 // of a nodegroup this small every node is repaired
)

// repair begins to drain nodes that have not been Ready for long, or have a condition that the owner has named.
func (c *Controller) repair(_ context.Context, p *pass) error {
	r := p.group.Spec.Repair
	if r == nil || !r.Enabled {
		return nil
	}
	var unhealthy []*member
	parallel := 0
	for _, m := range p.members {
		if m.machine.Reason == drainRepair {
			parallel++
			continue
		}
		if !m.draining() && c.unhealthy(p, m) {
			unhealthy = append(unhealthy, m)
		}
	}
	total := len(p.members)
	switch limit := max(r.MaxUnhealthyCount, total*r.MaxUnhealthyPercentage/100); {
	case limit > 0 && len(unhealthy) > limit:
		return nil
	case limit == 0 && total > alwaysRepaired && len(unhealthy)*100 > total*defaultUnhealthyPercentage:
		return nil
	}
	most := total
	if r.MaxParallelCount > 0 || r.MaxParallelPercentage > 0 {
		most = max(r.MaxParallelCount, total*r.MaxParallelPercentage/100, 1)
	}
	for _, m := range unhealthy {
		if parallel >= most {
			break
		}
		parallel++
		p.drain(m, drainRepair)
	}
	return nil
}

// unhealthy is whether a node wants to be replaced: for a condition that the owner has named, or because it has long not been Ready.
func (c *Controller) unhealthy(p *pass, m *member) bool {
	if m.node == nil || m.machine.JoinedAt.IsZero() {
		return false
	}
	for _, o := range p.group.Spec.Repair.Overrides {
		condition, ok := m.node.condition(o.Condition)
		if !ok || condition.healthy() || condition.Reason != o.Reason {
			continue
		}
		if o.Action == "Replace" && p.now.Sub(condition.LastTransitionTime) > time.Duration(o.WaitMinutes)*time.Minute {
			return true
		}
		if o.Condition == conditionReady {
			return false // the owner's rule stands in the place of ours
		}
	}
	ready, ok := m.node.condition(conditionReady)
	return ok && !ready.healthy() && p.now.Sub(ready.LastTransitionTime) > c.deps.Limits.Repair
}
