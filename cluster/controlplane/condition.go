package controlplane

import (
	"context"
	"log/slog"
	"time"

	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/service/eks"
)

// report notes on the cluster how a step went. It logs, and moves the condition's time, only when the answer has changed.
func (p *pass) report(ctx context.Context, log *slog.Logger, step string, err error, now time.Time) {
	next := eks.Condition{Type: step, OK: err == nil}
	if err != nil {
		pr := asProblem(err)
		next.Reason, next.Message = pr.reason, pr.message
	}
	conditions := &p.cluster.Status.Conditions
	known := len(*conditions)
	if !reconcile.SetCondition(conditions, next, now) {
		return
	}
	if err != nil {
		log.WarnContext(ctx, "control plane step failed", "step", step, "reason", next.Reason, "error", err)
	} else if len(*conditions) == known {
		log.InfoContext(ctx, "control plane step is good again", "step", step)
	}
}

// health sets the issues that the owner sees. A step that failed without a code leaves them as they are: it says nothing
// about whether they have gone.
func (p *pass) health(err error) {
	if err == nil {
		p.cluster.Status.Health = p.issues
		return
	}
	pr := asProblem(err)
	if pr.code == "" {
		return
	}
	issue := eks.HealthIssue{Code: pr.code, Message: pr.message, ResourceIDs: []string{p.cluster.ARN().String()}}
	p.cluster.Status.Health = append([]eks.HealthIssue{issue}, p.issues...)
}
