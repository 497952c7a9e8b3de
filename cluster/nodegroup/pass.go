package nodegroup

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// pass is one run over one nodegroup: what was read, and what will be written at its end.
type pass struct {
	item  store.Item[eks.Nodegroup] // as read
	group eks.Nodegroup             // as it will be written
	ops   []store.Op                // written in the same commit
	gone  bool                      // ops remove the nodegroup itself
	over  bool                      // the steps that follow have nothing to do yet
	now   time.Time
	// problems are what is wrong though the pass goes on.
	problems []*problem

	// From here on, steps leave what later steps need.
	cluster eks.Cluster
	profile minato.ARN
	kube    *kubeapi.Client
	members []*member
	// ended are instances that are on their way out, with the nodes that are left of them.
	ended []*member
	// unsynced is whether a node lacks labels or taints that it should have.
	unsynced bool
	launched bool
	// settled is whether all is as it should be.
	settled bool
}

// member is one instance of the nodegroup with its node, if it has one.
type member struct {
	instance ec2.Instance
	node     *node // nil before it has registered
	machine  eks.Machine
}

// newPass copies what steps may change, so that the end of the pass can tell.
func newPass(item store.Item[eks.Nodegroup], now time.Time) *pass {
	p := &pass{item: item, group: item.Value, now: now}
	status := &p.group.Status
	status.Conditions = slices.Clone(status.Conditions)
	status.Health = slices.Clone(status.Health)
	status.KnownLabels, status.KnownTaints = slices.Clone(status.KnownLabels), slices.Clone(status.KnownTaints)
	status.Machines = maps.Clone(status.Machines)
	return p
}

// remember writes what is known of a member into the record.
func (p *pass) remember(m *member) {
	if p.group.Status.Machines == nil {
		p.group.Status.Machines = map[string]eks.Machine{}
	}
	p.group.Status.Machines[m.instance.ID] = m.machine
}

// busy is whether something is under way that wants a look soon.
func (p *pass) busy() bool {
	return !p.gone && (p.group.Status.Status.Transient() || !p.settled && len(p.problems) == 0)
}

// report notes on the nodegroup how a step went. It logs, and moves the condition's time, only when the answer has changed.
func (p *pass) report(ctx context.Context, log *slog.Logger, step string, err error) {
	next := reconcile.Condition{Type: step, OK: err == nil}
	if err != nil {
		pr := asProblem(err)
		next.Reason, next.Message = pr.reason, pr.message
	}
	known := len(p.group.Status.Conditions)
	if !reconcile.SetCondition(&p.group.Status.Conditions, next, p.now) {
		return
	}
	if err != nil {
		log.WarnContext(ctx, "nodegroup step failed", "step", step, "reason", next.Reason, "error", err)
	} else if len(p.group.Status.Conditions) == known {
		log.InfoContext(ctx, "nodegroup step is good again", "step", step)
	}
}
