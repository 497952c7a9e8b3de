package controlplane

import (
	"context"
	"encoding/base64"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/service/eks"
)

// activeStep says that all is true: what clients need to reach the cluster, the generation of the spec that was carried out,
// the updates that are done by it, and ACTIVE.
type activeStep struct {
	store    store.Store
	settings Settings
	clock    *clock.Clock
}

func (s activeStep) do(ctx context.Context, p *pass) error {
	status := &p.cluster.Status
	status.Endpoint = endpointURL(s.settings, p.plane.Value.Port)
	status.CAData = base64.StdEncoding.EncodeToString(p.keys.ClusterCA.CertPEM)
	status.Issuer = p.plane.Value.Issuer
	since := s.clock.Now()
	if len(status.Versions) == 0 {
		since = p.cluster.CreatedAt
	}
	status.Serves(p.plan.Version.Minor, p.plan.Version.PlatformVersion(), since)
	status.ObservedGeneration = p.cluster.Spec.Generation
	if status.Status == eks.ClusterActive && p.item.Value.Status.ObservedGeneration == status.ObservedGeneration {
		return nil
	}
	ops, err := eks.CompleteUpdates(ctx, s.store, &p.cluster)
	if err != nil {
		return err
	}
	p.ops = append(p.ops, ops...)
	return p.cluster.Transition(eks.ClusterActive, eks.ByReconciler)
}
