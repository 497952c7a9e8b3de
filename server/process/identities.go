package process

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"

	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/cluster/podidentity"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/eks"
)

// identities is what the webhook for pods' credentials decides by: the associations, from a copy of the records, and the annotations of
// ServiceAccounts, which it asks the cluster for at that moment. So an annotation holds for the next pod, too.
type identities struct {
	dir          home.Dir
	endpoint     string // of the AWS APIs in every VPC
	clusters     *access.Clusters
	associations *store.View[eks.PodIdentityAssociation]
	planes       *store.View[controlplane.ControlPlane]

	mu      sync.Mutex
	clients map[string]addressed
}

// addressed is a client of the kube-apiserver at an address.
type addressed struct {
	*kubeapi.Client
	addr string
}

func newIdentities(dir home.Dir, cfg home.Config, clusters *access.Clusters, associations *store.View[eks.PodIdentityAssociation], planes *store.View[controlplane.ControlPlane]) *identities {
	return &identities{
		dir: dir, endpoint: podEndpoint(cfg), clusters: clusters, associations: associations, planes: planes, clients: map[string]addressed{},
	}
}

// podEndpoint is where pods reach the AWS APIs. It is empty when these are served over TLS, by an authority that pods do not know.
func podEndpoint(cfg home.Config) string {
	_, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil || cfg.TLS() {
		return ""
	}
	return "http://" + net.JoinHostPort(gate.VPCAddress.String(), port)
}

func (i *identities) associated(clusterID, namespace, serviceAccount string) bool {
	_, ok := i.associations.Get(eks.PodIdentityKey(clusterID, namespace, serviceAccount))
	return ok
}

func (i *identities) settings(clusterID string) (podidentity.Settings, bool) {
	cluster, ok := i.clusters.ByID(clusterID)
	if !ok {
		return podidentity.Settings{}, false
	}
	return podidentity.Settings{Region: string(cluster.Scope.Region), Endpoint: i.endpoint, Jitter: rand.IntN}, true
}

func (i *identities) annotations(ctx context.Context, clusterID, namespace, serviceAccount string) (map[string]string, error) {
	client, err := i.client(clusterID)
	if err != nil {
		return nil, err
	}
	var account struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	path := "/api/v1/namespaces/" + url.PathEscape(namespace) + "/serviceaccounts/" + url.PathEscape(serviceAccount)
	err = client.Get(ctx, path, &account)
	if kubeapi.NotFound(err) {
		return nil, nil
	}
	return account.Metadata.Annotations, err
}

// client is a client of a cluster's active kube-apiserver, which is kept until there is another one.
func (i *identities) client(clusterID string) (*kubeapi.Client, error) {
	plane, ok := i.planes.Get(clusterID)
	if !ok {
		return nil, fmt.Errorf("the control plane of cluster %s is not known yet", clusterID)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(plane.Value.Active.Ports.APIServer))
	i.mu.Lock()
	defer i.mu.Unlock()
	if c, ok := i.clients[clusterID]; ok && c.addr == addr {
		return c.Client, nil
	}
	for id, c := range i.clients { // those of clusters that are gone, too
		if _, there := i.planes.Get(id); !there || id == clusterID {
			c.Close()
			delete(i.clients, id)
		}
	}
	config, err := hookIdentity(i.dir, clusterID)
	if err != nil {
		return nil, err
	}
	c := addressed{kubeapi.New(addr, config), addr}
	i.clients[clusterID] = c
	return c.Client, nil
}

// hookIdentity is who the webhooks are to a cluster. The certificate is read again at every handshake, because it is renewed.
func hookIdentity(dir home.Dir, clusterID string) (*tls.Config, error) {
	ca, cert, key := controlplane.AuthenticatorFiles(dir, clusterID)
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", ca)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		return &pair, err
	}}, nil
}
