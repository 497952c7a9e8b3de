package server

import (
	"context"

	"minato.dev/minato/cluster/addon"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/service/eks"
)

// addonWorkers is how many add-ons are worked on at once. A pass is a few dozen requests to a kube-apiserver.
const addonWorkers = 4

// nodesEndpoint is where the nodes of a VPC reach the endpoints of its clusters.
const nodesEndpoint = "192.0.2.1"

// startAddons makes the reconcilers of add-ons.
func (s *Server) startAddons(context.Context) (string, error) {
	log := s.log.With("part", "add-ons")
	deps := addon.Deps{
		Store:   s.store,
		Client:  s.planes.Client,
		Address: nodesEndpoint,
		Now:     s.clock.Now,
		Log:     log,
	}
	defaults := &reconcile.Controller{
		Name:      "default add-ons",
		Store:     s.store,
		Sources:   []reconcile.Source{{Prefix: eks.ClustersPrefix}},
		Reconcile: addon.Defaults{Deps: deps}.Reconcile,
		Workers:   addonWorkers,
		Log:       log,
	}
	s.goRun("default add-ons", defaults.Run)
	return "", nil
}
