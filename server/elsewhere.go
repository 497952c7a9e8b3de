package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/cluster/podidentity"
	"minato.dev/minato/edge/kubehook"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/server/control"
	"minato.dev/minato/service/eks"
)

// connectCluster answers `minato identity register`.
func (s *Server) connectCluster(ctx context.Context, q control.ConnectRequest) error {
	_, err := s.eks.ConnectCluster(ctx, s.scopeOf(q.Account), q.Cluster, q.Issuer, q.JWKS)
	return err
}

// connectedManifest answers `minato identity manifest`.
func (s *Server) connectedManifest(ctx context.Context, q control.ManifestRequest) (string, error) {
	scope := s.scopeOf(q.Account)
	item, err := eks.ConnectedClusters(s.store).Get(ctx, eks.ClusterKey(scope, q.Cluster))
	if errors.Is(err, store.ErrNotFound) {
		return "", minato.Errorf(minato.NotFound, "account %s has no registered cluster %q: register it with `aws eks register-cluster`", scope.Account, q.Cluster)
	}
	if err != nil {
		return "", fmt.Errorf("reading the record of cluster %s: %w", q.Cluster, err)
	}
	c := item.Value
	if c.Status.Status != eks.ClusterActive {
		return "", minato.Errorf(minato.WrongState, "cluster %s is %s: say who signs its tokens first, with `minato identity register`", c.Name, c.Status.Status)
	}
	names := append([]string{"localhost", "127.0.0.1", gate.VPCAddress.String()}, s.cfg.AdvertiseAddress...)
	address := q.Address
	if address == "" {
		address = s.cfg.AdvertiseAddress[0]
	}
	if !slices.Contains(names, address) {
		return "", minato.Errorf(minato.Invalid, "the server's certificate is not for %q: start it with --advertise-address %[1]s, or choose one of %s", address, strings.Join(names, ", "))
	}
	server := "https://" + net.JoinHostPort(address, strconv.Itoa(s.cfg.TLSPort))
	path := strings.NewReplacer("{account}", c.Scope.Account, "{name}", c.Name, "{id}", c.ID).Replace(kubehook.ElsewherePath)
	var out bytes.Buffer
	err = podidentity.Elsewhere{
		Cluster: c.Name, ClusterARN: c.ARN().String(), Region: string(c.Scope.Region), Server: server, Webhook: server + path, CAPEM: s.ca.Pair.CertPEM, Image: q.Image,
	}.Manifest(&out)
	return out.String(), err
}

// connectedReviews answers the kube-apiservers of registered clusters about new pods.
func (s *Server) connectedReviews() http.Handler {
	association := copied(s.pods.associations, eks.PodIdentityAssociations(s.store))
	return kubehook.Elsewhere{
		Cluster: func(account, name, id string) bool {
			item, ok := s.pods.connected.Get(eks.ClusterKey(minato.Scope{Account: account, Region: s.cfg.Region}, name))
			return ok && item.Value.ID == id
		},
		Associated: func(ctx context.Context, clusterID, namespace, serviceAccount string) (bool, error) {
			_, err := association(ctx, eks.PodIdentityKey(clusterID, namespace, serviceAccount))
			return err == nil, ignoreGone(err)
		},
		Settings: podidentity.ElsewhereSettings(string(s.cfg.Region), rand.IntN),
		Log:      s.log.With("part", "clusters elsewhere"),
	}
}
