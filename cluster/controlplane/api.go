package controlplane

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/internal/pki"
)

// adminValidity is that of the certificate that one client uses.
const adminValidity = time.Hour

// api is Minato as a client of one cluster: the few requests that bringing it up takes.
type api struct{ *kubeapi.Client }

// newAPI makes a client with a certificate of its own for the cluster's kube-apiserver at addr.
func newAPI(p *pass, addr string) (*api, error) {
	ca, err := pki.LoadAuthority(p.keys.ClusterCA)
	if err != nil {
		return nil, fmt.Errorf("loading cluster CA: %w", err)
	}
	pair, err := ca.Issue(pki.Request{CommonName: adminName, Organizations: []string{"system:masters"}, Client: true, Validity: adminValidity})
	if err != nil {
		return nil, err
	}
	cert, err := pair.TLS()
	if err != nil {
		return nil, err
	}
	return &api{kubeapi.New(addr, &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: ca.Pool(), Certificates: []tls.Certificate{cert},
	})}, nil
}

// Client makes a client of a cluster's active kube-apiserver, as Minato, good for an hour or until the next generation. Close it.
// An error is of kind Unavailable when the cluster has no control plane.
func (c *Controller) Client(ctx context.Context, clusterID string) (*kubeapi.Client, error) {
	item, err := c.planes.Get(ctx, clusterID)
	if err != nil {
		return nil, minato.Errorf(minato.Unavailable, "the cluster has no control plane yet: %w", err)
	}
	keys, err := unsealKeys(c.deps.Sealer, item.Value)
	if err != nil {
		return nil, err
	}
	api, err := newAPI(&pass{keys: keys}, loopback(item.Value.Active.Ports.APIServer))
	if err != nil {
		return nil, err
	}
	return api.Client, nil
}

// answers is a readiness probe: whether a process answers 200 to a path that needs no credential.
func answers(p *pass, port int, path string) (func(context.Context) error, error) {
	ca, err := pki.LoadAuthority(p.keys.ClusterCA)
	if err != nil {
		return nil, fmt.Errorf("loading cluster CA: %w", err)
	}
	a := kubeapi.New(loopback(port), &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca.Pool()})
	return func(ctx context.Context) error {
		_, err := a.Do(ctx, http.MethodGet, path, nil)
		return err
	}, nil
}

// ready is nil when /readyz answers 200.
func (a *api) ready(ctx context.Context) error {
	_, err := a.Do(ctx, http.MethodGet, "/readyz", nil)
	return err
}
