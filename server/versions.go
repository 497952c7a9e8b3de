package server

import (
	"context"

	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// startCalendar announces the upgrades of clusters whose versions leave support, and begins them on the day.
func (s *Server) startCalendar(context.Context) (string, error) {
	controller := &reconcile.Controller{
		Name:    "support calendar",
		Store:   s.store,
		Sources: []reconcile.Source{{Prefix: eks.ClustersPrefix}},
		Reconcile: func(ctx context.Context, id string) (reconcile.Result, error) {
			again, err := s.eks.FollowCalendar(ctx, id)
			return reconcile.Result{RequeueAfter: again}, err
		},
		Log: s.log.With("part", "support calendar"),
	}
	s.clock.OnMove(func() { s.enqueueClusters(controller) })
	s.goRun("support calendar", controller.Run)
	return "", nil
}

// enqueueClusters has a controller look at every cluster.
func (s *Server) enqueueClusters(controller *reconcile.Controller) {
	enqueueAll(s.runCtx, eks.Clusters(s.store), controller)
}

// enqueueAll has a controller look at everything in a collection.
func enqueueAll[T any](ctx context.Context, c *store.Collection[T], controller *reconcile.Controller) {
	go func() {
		page, err := c.List(ctx, "", "", 0)
		if err != nil {
			return // the controller looks again by itself
		}
		for _, item := range page.Items {
			controller.Enqueue(item.ID)
		}
	}()
}
