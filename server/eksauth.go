package server

import (
	"context"
	"crypto"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/jwks"
	"minato.dev/minato/server/control"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/eksauth"
)

// podRecords are copies of the records that EKS Auth reads for each pod, so that a burst of pods is no burst of reads.
type podRecords struct {
	clusters     *store.View[eks.Cluster]
	connected    *store.View[eks.Cluster]
	associations *store.View[eks.PodIdentityAssociation]
	planes       *store.View[controlplane.ControlPlane]
}

func newPodRecords(s store.Store) *podRecords {
	return &podRecords{
		clusters:     store.NewView(eks.Clusters(s)),
		connected:    store.NewView(eks.ConnectedClusters(s)),
		associations: store.NewView(eks.PodIdentityAssociations(s)),
		planes:       store.NewView(controlplane.Records(s)),
	}
}

// run keeps the copies until ctx ends.
func (p *podRecords) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.clusters.Run(ctx) })
	group.Go(func() error { return p.connected.Run(ctx) })
	group.Go(func() error { return p.associations.Run(ctx) })
	group.Go(func() error { return p.planes.Run(ctx) })
	return group.Wait()
}

// copied reads a record from its copy; what is not there is asked of the store.
func copied[T any](v *store.View[T], c *store.Collection[T]) func(ctx context.Context, id string) (T, error) {
	return func(ctx context.Context, id string) (T, error) {
		if item, ok := v.Get(id); ok {
			return item.Value, nil
		}
		item, err := c.Get(ctx, id)
		return item.Value, err
	}
}

func (s *Server) eksAuthService() *eksauth.Service {
	s.pods = newPodRecords(s.store)
	plane := copied(s.pods.planes, controlplane.Records(s.store))
	return &eksauth.Service{
		Authorize:   s.iam.Authorize,
		Cluster:     s.podCluster,
		Association: copied(s.pods.associations, eks.PodIdentityAssociations(s.store)),
		Issuer: func(ctx context.Context, cluster *eks.Cluster) (eksauth.Issuer, error) {
			if connector := cluster.Connector; connector != nil {
				keys, err := jwks.Parse(connector.JWKS)
				return eksauth.Issuer{URL: cluster.Status.Issuer, Keys: keys}, err
			}
			p, err := plane(ctx, cluster.ID)
			if err != nil {
				return eksauth.Issuer{}, err
			}
			issuer := eksauth.Issuer{URL: p.Issuer, Keys: map[string]crypto.PublicKey{}}
			for _, k := range p.VerifyingKeys() {
				if key := s.publicKey(cluster.ID, k); key != nil {
					issuer.Keys[k.KeyID] = key
				}
			}
			return issuer, nil
		},
		Alive: func(ctx context.Context, cluster *eks.Cluster, token string) error {
			if cluster.Connector != nil {
				return nil // nobody here may ask it
			}
			p, err := plane(ctx, cluster.ID)
			if err != nil {
				return minato.Errorf(minato.Unavailable, "the cluster has no control plane: %w", err)
			}
			return s.planes.ReviewToken(ctx, &p, token, eksauth.Audience)
		},
		Session: s.sts.PodSession,
		Log:     s.log.With("part", "eks-auth"),
	}
}

// podCluster reads a cluster, ours or connected, from its copy; what is not there is asked of the store.
func (s *Server) podCluster(ctx context.Context, id string) (eks.Cluster, error) {
	for _, view := range []*store.View[eks.Cluster]{s.pods.clusters, s.pods.connected} {
		if item, ok := view.Get(id); ok {
			return item.Value, nil
		}
	}
	item, err := eks.FindCluster(ctx, s.store, id)
	return item.Value, err
}

// scopeOf is the scope of an account, the first one if it is empty.
func (s *Server) scopeOf(account string) minato.Scope {
	if account == "" {
		account = s.cfg.Accounts[0]
	}
	return minato.Scope{Account: account, Region: s.cfg.Region}
}

// explainIdentity answers `minato identity explain`.
func (s *Server) explainIdentity(ctx context.Context, q control.IdentityQuestion) (*eksauth.Explanation, error) {
	x := eksauth.Explainer{
		Store: s.store, IAM: s.iam, STS: s.sts,
		Annotations: func(ctx context.Context, cluster *eks.Cluster, namespace, name string) (map[string]string, error) {
			if cluster.Connector != nil {
				return nil, minato.Errorf(minato.Unavailable, "the cluster runs elsewhere")
			}
			return s.planes.ServiceAccountAnnotations(ctx, cluster.ID, namespace, name)
		},
	}
	return x.Explain(ctx, eksauth.Question{
		Scope: s.scopeOf(q.Account), Cluster: q.Cluster, Namespace: q.Namespace, ServiceAccount: q.ServiceAccount, Pod: q.Pod, Action: q.Action, Resource: q.Resource,
	})
}
