package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/cluster/vpc"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/ports"
)

// realVPCs is whether VPCs are network namespaces, which takes root.
func realVPCs() bool { return os.Geteuid() == 0 }

// startHelpers runs the webhooks, the gate, the registry and the VPCs, and waits until all have read their records.
func (s *Server) startHelpers(ctx context.Context) (string, error) {
	if !slices.Contains(s.sup.OnFile(), registryProcess) && ports.Taken("127.0.0.1", s.cfg.RegistryPort) {
		return "", fmt.Errorf("port %d, two above that of the AWS APIs, is the registry's, and something else has it. "+
			"Choose another address with --listen HOST:PORT", s.cfg.RegistryPort)
	}
	var g errgroup.Group
	type helper struct {
		name  string
		ready func(context.Context) error
	}
	helpers := []helper{
		{hookProcess, s.probe("https", s.cfg.HookPort)},
		{gateProcess, s.probe("http", s.cfg.GatePort)},
		{registryProcess, s.probe("http", s.cfg.RegistryPort)},
	}
	if realVPCs() {
		helpers = append(helpers, helper{vpcProcess, s.probeVPC})
	}
	for _, p := range helpers {
		g.Go(func() error {
			if err := s.sup.Ensure(ctx, s.ownProcess(p.name, p.ready)); err != nil {
				return err
			}
			return s.sup.WaitReady(ctx, p.name)
		})
	}
	s.goRun("certificate renewal", s.renewCertificates)
	return "", g.Wait()
}

// probe asks a process beside us for /readyz.
func (s *Server) probe(scheme string, port int) func(context.Context) error {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.ca.Pool()},
	}}
	url := fmt.Sprintf("%s://127.0.0.1:%d/readyz", scheme, port)
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	}
}

// probeVPC asks the VPCs' process for /readyz, on its socket.
func (s *Server) probeVPC(ctx context.Context) error {
	return vpc.Ready(ctx, s.dir)
}

// renewCertificates looks daily whether a certificate of our own processes nears its end.
func (s *Server) renewCertificates(ctx context.Context) error {
	tick := time.NewTicker(24 * time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := ensureHookCertificate(s.dir, s.ca); err != nil {
			s.log.Error("renewing the webhooks' certificate failed", "error", err)
		}
		if err := ensureTunnelCertificate(s.dir, s.ca, s.cfg.AdvertiseAddress); err != nil {
			s.log.Error("renewing the certificate for hybrid nodes failed", "error", err)
		}
		if s.cfg.ExternalEtcd {
			continue
		}
		if err := s.etcdPKI.Ensure(); err != nil {
			s.log.Error("renewing etcd's certificates failed", "error", err)
		}
	}
}

func (s *Server) gateAdmin() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.cfg.GatePort))
}

func (s *Server) gateApplied(ctx context.Context, rev store.Revision) error {
	return gate.Applied(ctx, s.gateAdmin(), rev)
}

func (s *Server) gateState(ctx context.Context, clusterID string) (gate.RouteState, error) {
	return gate.State(ctx, s.gateAdmin(), clusterID)
}
