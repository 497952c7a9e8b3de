package server

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"

	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/edge/kubehook"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// accessPolicies are all access policies as EKS's service knows them.
func accessPolicies() []eks.AccessPolicy {
	var all []eks.AccessPolicy
	for _, p := range policies.List() {
		known := eks.AccessPolicy{Name: p.Name, ARN: p.ARN}
		if why, ok := p.Associable(); !ok {
			known.Unassociable = why
		}
		all = append(all, known)
	}
	return all
}

// newHookClient makes what asks the webhooks how far they have read the records. It comes with the certificate that we have
// for etcd, read again at every handshake because it is renewed.
func (s *Server) newHookClient() *kubehook.Client {
	identity := s.etcdPKI.Target(etcd.Root)
	client := kubehook.NewClient(net.JoinHostPort("127.0.0.1", strconv.Itoa(s.cfg.HookPort)), &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    s.ca.Pool(),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(identity.CertFile, identity.KeyFile)
			return &cert, err
		},
	})
	s.onStop(client.Close)
	return client
}

// hookApplied waits until access is decided by the records of a revision.
func (s *Server) hookApplied(ctx context.Context, rev store.Revision) error {
	return s.hook.Applied(ctx, rev)
}
