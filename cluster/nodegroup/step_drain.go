package nodegroup

import (
	"context"
	"fmt"
	"slices"
	"time"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// drainAll begins to drain every member, because the nodegroup goes.
func (c *Controller) drainAll(_ context.Context, p *pass) error {
	for _, m := range p.members {
		p.drain(m, drainDeleted)
	}
	return nil
}

// drainMembers goes on with the members that drain: it evicts what is still on their nodes, as far as PodDisruptionBudgets allow, and
// terminates those that are empty, or have had their time.
func (c *Controller) drainMembers(ctx context.Context, p *pass) error {
	stranded, err := c.stranded(ctx, p)
	if err != nil {
		return err
	}
	gone := map[string][]*member{}
	for _, m := range p.members {
		if !m.draining() {
			continue
		}
		empty, refused, err := c.evictAll(ctx, p, m)
		if err != nil {
			return err
		}
		if !empty && (stranded || p.now.Sub(m.machine.DrainingAt) > c.drainLimit(m)) {
			if m.machine.Reason == drainOutdated && !p.group.Spec.Force && p.updating() {
				return c.giveUpDraining(ctx, p, m, refused)
			}
			// As EKS does: whoever is still there goes with the node.
			if err := c.deleteAll(ctx, p, m); err != nil {
				return err
			}
			empty = p.now.Sub(m.machine.DrainingAt) > c.drainLimit(m)+lastGrace
		}
		if empty {
			gone[m.machine.Reason] = append(gone[m.machine.Reason], m)
		}
	}
	for reason, members := range gone {
		if err := c.terminate(ctx, p, reason, members...); err != nil {
			return err
		}
	}
	return nil
}

// stranded is whether the pods of a nodegroup that is being deleted have nowhere to go: there is no other node that takes pods, and no
// nodegroup that would make one. No PodDisruptionBudget that holds them now will ever let them go.
func (c *Controller) stranded(ctx context.Context, p *pass) (bool, error) {
	if p.group.Status.Status != eks.NodegroupDeleting || p.kube == nil {
		return false, nil
	}
	nodes, err := list[node](ctx, p.kube, nodesPath, nil)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(nodes, func(n *node) bool {
		return n.ready() && !n.Spec.Unschedulable && !slices.ContainsFunc(n.Spec.Taints, nodeTaint.keepsOut)
	}) {
		return false, nil
	}
	groups, err := c.groups.List(ctx, idPrefix(p.group.ClusterID), "", 0)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(groups.Items, func(item store.Item[eks.Nodegroup]) bool {
		return item.Value.Status.Status != eks.NodegroupDeleting && item.Value.Spec.Scaling.Desired > 0
	}), nil
}

// keepsOut is whether a taint keeps away pods that do not ask for such nodes.
func (t nodeTaint) keepsOut() bool { return t.Effect != "PreferNoSchedule" }

func (c *Controller) drainLimit(m *member) time.Duration {
	if m.machine.Reason == drainDeleted {
		return c.deps.Limits.Remove
	}
	return c.deps.Limits.Drain
}

// lastGrace is how long pods that were deleted, because they did not leave, have to end.
const lastGrace = 30 * time.Second

// deleteAll deletes the pods of a member that must leave, without asking their budgets.
func (c *Controller) deleteAll(ctx context.Context, p *pass, m *member) error {
	pods, err := podsOn(ctx, p.kube, m.node.Metadata.Name)
	if err != nil {
		return err
	}
	for _, pod := range pods {
		if !pod.evictable() || pod.Metadata.DeletionTimestamp != nil {
			continue
		}
		if err := p.kube.Delete(ctx, pod.path()); err != nil {
			return err
		}
	}
	return nil
}

// evictAll evicts the pods of a member. It is empty when none is left that must leave; refused says of one that may not why.
func (c *Controller) evictAll(ctx context.Context, p *pass, m *member) (empty bool, refused string, err error) {
	if m.node == nil || p.kube == nil {
		return true, "", nil
	}
	if err := cordon(ctx, p.kube, m.node, true); err != nil {
		return false, "", err
	}
	pods, err := podsOn(ctx, p.kube, m.node.Metadata.Name)
	if kubeapi.NotFound(err) {
		return true, "", nil
	}
	if err != nil {
		return false, "", err
	}
	empty = true
	for _, pod := range pods {
		if !pod.evictable() {
			continue
		}
		empty = false
		if pod.Metadata.DeletionTimestamp != nil {
			continue
		}
		no, err := pod.evict(ctx, p.kube)
		if err != nil {
			return false, "", fmt.Errorf("evicting pod %s/%s: %w", pod.Metadata.Namespace, pod.Metadata.Name, err)
		}
		if no != "" {
			refused = no
		}
	}
	return empty, refused, nil
}

// giveUpDraining ends a version update whose pods do not leave. The nodes that were to go take pods again.
func (c *Controller) giveUpDraining(ctx context.Context, p *pass, stuck *member, refused string) error {
	for _, m := range p.members {
		if m.machine.Reason != drainOutdated {
			continue
		}
		if err := cordon(ctx, p.kube, m.node, false); err != nil {
			return err
		}
		m.machine.DrainingAt, m.machine.Reason = time.Time{}, ""
		p.remember(m)
	}
	message := "Reached max retries while trying to evict pods from nodes in node group " + p.group.Name
	if refused != "" {
		message += ": " + refused
	}
	return problemf(issuePodEviction, []string{stuck.node.Metadata.Name}, "%s", message)
}

func (p *pass) updating() bool { return p.group.Status.Status == eks.NodegroupUpdating }

func (p *pass) creating() bool { return p.group.Status.Status == eks.NodegroupCreating }
