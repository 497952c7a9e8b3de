package server

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/ec2api"
	"minato.dev/minato/edge/aws/eksapi"
	"minato.dev/minato/edge/aws/eksauthapi"
	"minato.dev/minato/edge/aws/iamapi"
	"minato.dev/minato/edge/aws/s3api"
	"minato.dev/minato/edge/aws/ssmapi"
	"minato.dev/minato/edge/aws/stsapi"
	"minato.dev/minato/edge/hybrid"
	"minato.dev/minato/edge/kubehook"
	"minato.dev/minato/edge/oidc"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/server/control"
	"minato.dev/minato/service/ssm"
)

// listen takes the ports before anything is started, so that a port that is taken stops the start with nothing to clean up.
func (s *Server) listen(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return "", fmt.Errorf("%w: is another program there? Choose another address with --listen HOST:PORT", err)
	}
	host, _, _ := net.SplitHostPort(s.cfg.Listen)
	t, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(s.cfg.TLSPort)))
	if err != nil {
		_ = l.Close()
		if begun(s.dir) {
			return "", fmt.Errorf("%w: this port serves the OIDC issuers of this home's clusters, which are named after it; end what has it", err)
		}
		return "", fmt.Errorf("%w: this port, one above that of the AWS APIs, will serve the clusters' OIDC issuers. Choose another address with --listen HOST:PORT", err)
	}
	s.listener, s.tlsListener = bounded(l), bounded(t)
	// The listeners' servers close them; this is for a start that does not come so far.
	s.onStop(func() { _, _ = l.Close(), t.Close() })
	return s.cfg.EndpointURL(), nil
}

// serveAPIs opens the AWS APIs, the issuers and the control socket.
func (s *Server) serveAPIs(context.Context) (string, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var ahead func() time.Duration
	if s.cfg.TestClock {
		ahead = s.clock.Offset
	}
	handler := aws.New(aws.Config{
		Region:      s.cfg.Region,
		ClockAhead:  ahead,
		Credentials: s.iam.Credentials,
		APIs:        []aws.API{eksapi.New(s.eks), iamapi.New(s.iam), stsapi.New(s.sts), ec2api.New(s.ec2), ssmapi.New(s.ssm), eksauthapi.New(s.eksauth), s3api.New(s.s3)},
		Ready:       s.checkReady,
		Registry:    registry,
		Log:         s.log.With("part", "api"),
	})
	machines := hybrid.Handler(s.ssm, s.log.With("part", "hybrid nodes"))
	handler.Handle("POST "+ssm.RegisterPath, machines)
	handler.Handle("POST "+ssm.CredentialsPath, machines)
	handler.Handle("POST "+kubehook.ElsewherePath, s.connectedReviews())
	handler.Handle("GET /id/", oidc.Handler(s.issuer, s.log.With("part", "oidc")))

	serving := servingTLS(s.ca, append([]string{gate.VPCAddress.String()}, s.cfg.AdvertiseAddress...))
	plain := s.listener
	if s.cfg.TLS() {
		plain = tls.NewListener(plain, serving)
	}
	overTLS := tls.NewListener(s.tlsListener, serving)
	s.goRun("AWS APIs", func(ctx context.Context) error { return aws.Serve(ctx, plain, handler, s.log) })
	s.goRun("AWS APIs over TLS", func(ctx context.Context) error { return aws.Serve(ctx, overTLS, handler, s.log) })
	s.goRun("sessions", s.sts.CollectExpired)
	s.goRun("records of pods", s.pods.run)
	s.goRun("control socket", func(ctx context.Context) error {
		return control.Server{
			Status: s.status, Shutdown: s.shutdown, ExplainAccess: s.explainAccess, ExplainIdentity: s.explainIdentity, ConnectCluster: s.connectCluster,
			Manifest: s.connectedManifest, Policies: s.customPolicies(),
			AdvanceClock: s.advanceClock, Costs: s.costs, ScanCluster: s.scanCluster,
		}.Serve(ctx, s.dir)
	})
	return s.cfg.EndpointURL(), nil
}

// checkReady is /readyz: requests can be served when the store answers.
func (s *Server) checkReady(ctx context.Context) error {
	_, err := s.store.List(ctx, "/minato/", store.ListOptions{Limit: 1})
	return err
}

// issuer finds a cluster's ServiceAccount issuer for discovery.
func (s *Server) issuer(ctx context.Context, id string) (string, []crypto.PublicKey, bool) {
	issuer, signing, err := controlplane.SigningKeys(ctx, s.store, id)
	if err != nil {
		if !errors.Is(err, store.ErrNotFound) {
			s.log.Error("reading an issuer's keys failed", "cluster", id, "error", err)
		}
		return "", nil, false
	}
	keys := make([]crypto.PublicKey, 0, len(signing))
	for _, k := range signing {
		if key := s.publicKey(id, k); key != nil {
			keys = append(keys, key)
		}
	}
	return issuer, keys, len(keys) > 0
}

// publicKey is a signing key's public half; nil, and a line in the log, if it cannot be read.
func (s *Server) publicKey(clusterID string, k controlplane.SigningKey) crypto.PublicKey {
	block, _ := pem.Decode(k.PublicPEM)
	if block == nil {
		s.log.Error("a signing key is no PEM", "cluster", clusterID, "kid", k.KeyID)
		return nil
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		s.log.Error("a signing key cannot be read", "cluster", clusterID, "kid", k.KeyID, "error", err)
		return nil
	}
	return key
}

func ignoreGone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
