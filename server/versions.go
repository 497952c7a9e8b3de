package server

import (
	"context"
	"fmt"
	"time"

	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/service/eks"
)

// startCalendar upgrades clusters on the days on which the support of their versions ends.
func (s *Server) startCalendar(context.Context) (string, error) {
	controller := &reconcile.Controller{
		Name:    "support calendar",
		Store:   s.store,
		Sources: []reconcile.Source{{Prefix: eks.ClustersPrefix}},
		Reconcile: func(ctx context.Context, id string) (reconcile.Result, error) {
			again, err := s.eks.UpgradeIfDue(ctx, id)
			return reconcile.Result{RequeueAfter: again}, err
		},
		Log: s.log.With("part", "support calendar"),
	}
	s.clock.OnMove(func() { s.enqueueClusters(controller) })
	s.goRun("support calendar", controller.Run)
	return "", nil
}

// announced is how long before it an upgrade by the calendar is announced.
const announced = 60 * 24 * time.Hour

// upcoming says which upgrade the calendar will soon make of a cluster; empty where none.
func (s *Server) upcoming(c *eks.Cluster) string {
	up, ok := s.eks.Upcoming(c)
	if !ok || up.At.Sub(s.clock.Now()) > announced {
		return ""
	}
	if up.Blocked != nil {
		return fmt.Sprintf("on %s %s, and it cannot be upgraded: %s", up.At.Format(time.DateOnly), up.Reason, up.Blocked)
	}
	return fmt.Sprintf("on %s %s: it will be upgraded to %s", up.At.Format(time.DateOnly), up.Reason, up.To)
}

// enqueueClusters has a controller look at every cluster.
func (s *Server) enqueueClusters(controller *reconcile.Controller) {
	go func() {
		page, err := eks.Clusters(s.store).List(s.runCtx, "", "", 0)
		if err != nil {
			return // the controller looks again by itself
		}
		for _, item := range page.Items {
			controller.Enqueue(item.ID)
		}
	}()
}
