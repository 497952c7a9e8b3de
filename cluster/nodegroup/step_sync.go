package nodegroup

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/cluster/node/nodeadm"
	"minato.dev/minato/service/eks"
)

// syncNodes gives nodes the nodegroup's labels and taints when these have changed, and once when a node is new: it may have been
// launched before the change. What the owner changes on a node by hand in between stays, as on EKS.
func (c *Controller) syncNodes(ctx context.Context, p *pass) error {
	p.noteKnown()
	for _, m := range p.members {
		if m.machine.Synced == p.group.Spec.Generation {
			continue
		}
		if m.node == nil {
			p.unsynced = true
			continue
		}
		patch := p.nodePatch(m)
		if patch != nil {
			err := p.kube.Patch(ctx, nodesPath+"/"+m.node.Metadata.Name, patch)
			if kubeapi.NotFound(err) || kubeapi.Status(err) == http.StatusConflict { // somebody else wrote it: look again
				p.unsynced = true
				continue
			}
			if err != nil {
				return err
			}
		}
		m.machine.Synced = p.group.Spec.Generation
		p.remember(m)
	}
	return nil
}

// noteKnown remembers which labels and taints the nodegroup has had, to take them off again.
func (p *pass) noteKnown() {
	status := &p.group.Status
	for _, key := range slices.Sorted(maps.Keys(p.group.Spec.Labels)) {
		if !slices.Contains(status.KnownLabels, key) {
			status.KnownLabels = append(status.KnownLabels, key)
		}
	}
	for _, t := range p.group.Spec.Taints {
		known := eks.Taint{Key: t.Key, Effect: t.Effect}
		if !slices.Contains(status.KnownTaints, known) {
			status.KnownTaints = append(status.KnownTaints, known)
		}
	}
}

// nodePatch is what makes a node have the labels and taints of its nodegroup; nil where it has them.
func (p *pass) nodePatch(m *member) kubeapi.Object {
	labels := kubeapi.Object{}
	want := nodeLabels(&p.group, m.instance.ImageID)
	for key, value := range want {
		if m.node.Metadata.Labels[key] != value {
			labels[key] = value
		}
	}
	for _, key := range p.group.Status.KnownLabels {
		if _, has := m.node.Metadata.Labels[key]; has && want[key] == "" {
			labels[key] = nil
		}
	}
	taints, changed := p.taintsFor(m.node)
	if len(labels) == 0 && !changed {
		return nil
	}
	patch := kubeapi.Object{"metadata": kubeapi.Object{"labels": labels}}
	if changed {
		patch["metadata"].(kubeapi.Object)["resourceVersion"] = m.node.Metadata.ResourceVersion // the whole list is written
		patch["spec"] = kubeapi.Object{"taints": taints}
	}
	return patch
}

// taintsFor are the taints of a node with those of the nodegroup in the place of those that it had.
func (p *pass) taintsFor(n *node) (taints []nodeTaint, changed bool) {
	want := nodeTaints(p.group.Spec.Taints)
	left := slices.Clone(want)
	taints = []nodeTaint{}
	for _, t := range n.Spec.Taints {
		at := slices.IndexFunc(left, func(w nodeadm.Taint) bool { return w.Key == t.Key && w.Effect == t.Effect })
		ours := slices.ContainsFunc(p.group.Status.KnownTaints, func(k eks.Taint) bool { return k.Key == t.Key && effects[k.Effect] == t.Effect })
		switch {
		case at >= 0:
			changed = changed || left[at].Value != t.Value
			t.Value = left[at].Value
			left = slices.Delete(left, at, at+1)
		case ours:
			changed = true
			continue
		}
		taints = append(taints, t)
	}
	for _, t := range left {
		taints, changed = append(taints, nodeTaint{Key: t.Key, Value: t.Value, Effect: t.Effect}), true
	}
	return taints, changed
}
