package server

import (
	"context"
	"crypto"

	"minato.dev/minato"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/server/control"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/eksauth"
)

func (s *Server) eksAuthService() *eksauth.Service {
	return &eksauth.Service{
		Store:     s.store,
		Authorize: s.iam.Authorize,
		Issuer: func(ctx context.Context, cluster *eks.Cluster) (eksauth.Issuer, error) {
			return s.tokenIssuer(ctx, cluster.ID)
		},
		Alive: func(ctx context.Context, cluster *eks.Cluster, token string) error {
			return s.planes.ReviewToken(ctx, cluster.ID, token, eksauth.Audience)
		},
		Session: s.sts.PodSession,
		Log:     s.log.With("part", "eks-auth"),
	}
}

// tokenIssuer is who signs the ServiceAccount tokens of a cluster that has a control plane here; the error wraps store.ErrNotFound
// where there is none.
func (s *Server) tokenIssuer(ctx context.Context, clusterID string) (eksauth.Issuer, error) {
	url, signing, err := controlplane.SigningKeys(ctx, s.store, clusterID)
	if err != nil {
		return eksauth.Issuer{}, err
	}
	issuer := eksauth.Issuer{URL: url, Keys: map[string]crypto.PublicKey{}}
	for _, k := range signing {
		if key := s.publicKey(clusterID, k); key != nil {
			issuer.Keys[k.KeyID] = key
		}
	}
	return issuer, nil
}

// explainIdentity answers `minato identity explain`.
func (s *Server) explainIdentity(ctx context.Context, q control.IdentityQuestion) (*eksauth.Explanation, error) {
	scope := minato.Scope{Account: q.Account, Region: s.cfg.Region}
	if scope.Account == "" {
		scope.Account = s.cfg.Accounts[0]
	}
	x := eksauth.Explainer{
		Store: s.store, IAM: s.iam, STS: s.sts,
		Annotations: func(ctx context.Context, cluster *eks.Cluster, namespace, name string) (map[string]string, error) {
			return s.planes.ServiceAccountAnnotations(ctx, cluster.ID, namespace, name)
		},
	}
	return x.Explain(ctx, eksauth.Question{
		Scope: scope, Cluster: q.Cluster, Namespace: q.Namespace, ServiceAccount: q.ServiceAccount, Pod: q.Pod, Action: q.Action, Resource: q.Resource,
	})
}
