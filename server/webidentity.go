package server

import (
	"context"
	"crypto"
	"path"

	"minato.dev/minato"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/edge/oidc"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/sts"
)

// providerKey finds the keys of identity providers: those of our own clusters in their records, all others where they are published.
func (s *Server) providerKey() sts.ProviderKey {
	elsewhere := &oidc.Fetcher{}
	plane := copied(s.pods.planes, controlplane.Records(s.store))
	return func(ctx context.Context, p iam.OIDCProvider, keyID string) (crypto.PublicKey, error) {
		issuer := "https://" + p.URL
		cluster, err := plane(ctx, path.Base(p.URL))
		if ignoreGone(err) != nil {
			return nil, err
		}
		if err != nil || cluster.Issuer != issuer {
			return elsewhere.Key(ctx, issuer, p.Thumbprints, keyID)
		}
		for _, k := range cluster.VerifyingKeys() {
			if k.KeyID == keyID {
				if key := s.publicKey(cluster.ClusterID, k); key != nil {
					return key, nil
				}
			}
		}
		return nil, minato.Errorf(minato.NotFound, "%s has no key %.64q", issuer, keyID)
	}
}
