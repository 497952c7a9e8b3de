package server

import (
	"context"
	"crypto"

	"minato.dev/minato/cluster/controlplane"
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
