package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"minato.dev/minato"
	"minato.dev/minato/cluster/addon/catalogue"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/insights"
	"minato.dev/minato/cluster/insights/scan"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/kube"
	"minato.dev/minato/server/control"
	"minato.dev/minato/service/eks"
)

// insightWorkers is how many clusters are checked at once. A pass is a dozen lists.
const insightWorkers = 2

// startInsights makes the reconciler of insights, which counts the audit logs of all clusters.
func (s *Server) startInsights(context.Context) (string, error) {
	log := s.log.With("part", "insights")
	controller := &reconcile.Controller{
		Name:    "insights",
		Store:   s.store,
		Sources: []reconcile.Source{{Prefix: eks.ClustersPrefix}, {Prefix: eks.InsightsRefreshesPrefix}},
		Workers: insightWorkers,
		Log:     log,
	}
	s.insights = insights.New(insights.Deps{
		Store:  s.store,
		Client: s.planes.Client,
		AuditLog: func(clusterID string) string {
			return filepath.Join(controlplane.LogDir(s.dir, clusterID), controlplane.AuditLog)
		},
		AddonVersions: addonVersions,
		Announced:     s.eks.Announced,
		Clock:         s.clock,
		Log:           log,
	}, controller.Enqueue)
	controller.Reconcile = s.insights.Reconcile
	s.clock.OnMove(func() { s.enqueueClusters(controller) }) // calls become too old to count
	s.goRun("audit logs", s.insights.Run)
	s.goRun("insights", controller.Run)
	return "", nil
}

// addonVersions are the versions of an add-on that run on a minor, the newest first.
func addonVersions(name, minor string) (versions []string) {
	a, known := catalogue.Lookup(name)
	v, knownMinor := kube.Lookup(minor)
	if !known || !knownMinor {
		return nil
	}
	for _, one := range a.Versions {
		if one.Runs(v) {
			versions = append(versions, one.Version)
		}
	}
	return versions
}

// scanCluster answers `minato insights scan --cluster`.
func (s *Server) scanCluster(ctx context.Context, q control.ScanRequest) (*scan.Report, error) {
	scope := s.scopeOf(q.Account)
	item, err := eks.Clusters(s.store).Get(ctx, eks.ClusterKey(scope, q.Cluster))
	if errors.Is(err, store.ErrNotFound) {
		return nil, minato.Errorf(minato.NotFound, "account %s has no cluster %q; --account names another account", scope.Account, q.Cluster)
	}
	if err != nil {
		return nil, err
	}
	scanner, err := scan.New(q.Target)
	if err != nil {
		return nil, err
	}
	client, err := s.planes.Client(ctx, item.Value.ID)
	if err != nil {
		return nil, fmt.Errorf("cluster %s is %s and cannot be asked: %w", q.Cluster, item.Value.Status.Status, err)
	}
	defer client.Close()
	if err := scanner.Cluster(ctx, q.Cluster, client); err != nil {
		return nil, err
	}
	return &scanner.Report, nil
}
