package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/node"
	"minato.dev/minato/cluster/node/join"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/atomicfile"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/pki"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/ssm"
)

func (s *Server) ssmService() *ssm.Service {
	return &ssm.Service{
		Store: s.store, Now: s.clock.Now, Authorize: s.iam.Authorize, PassRole: s.iam.PassRole, Role: s.iam.Role,
		CheckRole: s.iam.CheckServiceRole, Session: s.sts.ManagedInstanceSession, Cluster: s.hybridCluster,
		NodeImages: s.publishedImages,
		TunnelPort: s.cfg.TunnelPort,
	}
}

// hybridCluster is what a hybrid node must know of its cluster. Its CA and endpoint are no secrets.
func (s *Server) hybridCluster(ctx context.Context, scope minato.Scope, name string) (ssm.Cluster, error) {
	item, err := eks.Clusters(s.store).Get(ctx, eks.ClusterKey(scope, name))
	if errors.Is(err, store.ErrNotFound) {
		return ssm.Cluster{}, minato.Errorf(minato.NotFound, "No cluster found for name: %s.", name)
	}
	if err != nil {
		return ssm.Cluster{}, err
	}
	c := item.Value
	if c.Status.Endpoint == "" {
		return ssm.Cluster{}, minato.Errorf(minato.Unavailable, "cluster %s is %s", name, c.Status.Status)
	}
	ca, err := base64.StdEncoding.DecodeString(c.Status.CAData)
	if err != nil {
		return ssm.Cluster{}, err
	}
	out := ssm.Cluster{
		ID: c.ID, Name: c.Name, Version: c.NodeLimit(), Endpoint: c.Status.Endpoint, CA: ca, ServiceCIDR: c.Spec.ServiceIPv4CIDR,
	}
	if n := c.Spec.RemoteNetworks; n != nil {
		out.NodeNetworks, out.PodNetworks = n.Nodes, n.Pods
	}
	return out, nil
}

// ensureTunnelCertificate writes the certificate of the port that hybrid nodes connect to, anew when it nears its end or the
// advertised names have changed. The process that serves it reads it at each handshake.
func ensureTunnelCertificate(dir home.Dir, ca *pki.Authority, names []string) error {
	request := serverRequest("minato-tunnel", names)
	if b, err := os.ReadFile(dir.Path("pki", "tunnel.crt")); err == nil {
		cert, err := pki.ParseCert(b)
		same := err == nil && slices.Equal(cert.DNSNames, request.DNSNames) &&
			slices.EqualFunc(cert.IPAddresses, request.IPs, func(a, b net.IP) bool { return a.Equal(b) })
		if same && time.Until(cert.NotAfter) > renewBefore {
			return nil
		}
	}
	pair, err := ca.Issue(request)
	if err != nil {
		return err
	}
	return errors.Join(
		atomicfile.Write(dir.Path("pki", "tunnel.key"), pair.KeyPEM, 0o600), atomicfile.Write(dir.Path("pki", "tunnel.crt"), pair.CertPEM, 0o600))
}

// followHybridNodes has the serving certificates of hybrid nodes approved in every cluster that has one.
func (s *Server) followHybridNodes(nodes *node.Controller) {
	view := store.NewView(ssm.Instances(s.store))
	view.Subscribe(func(id string) {
		if item, ok := view.Get(id); ok {
			nodes.ApproveIn(item.Value.ClusterID)
		}
	})
	s.goRun("hybrid nodes", view.Run)
}

// JoinPrograms are what a hybrid node of a minor runs, beside the minato binary.
func JoinPrograms(executable, minor string) (p join.Programs, err error) {
	kube, ok := Kube(executable).Path(minor)
	if !ok {
		return p, fmt.Errorf("no Kubernetes %s is built: make kube VERSION=%[1]s", minor)
	}
	built := Upstream(executable)
	if err := built.Require("containerd", "runc", "cni"); err != nil {
		return p, err
	}
	p = join.Programs{Minato: executable, Kube: kube, Plugins: built.Dir("cni")}
	p.Containerd, _ = built.Path("containerd", "containerd")
	p.Shim, _ = built.Path("containerd", "containerd-shim-runc-v2")
	p.Runc, _ = built.Path("runc", "runc")
	return p, nil
}
