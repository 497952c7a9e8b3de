package process

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strconv"
	"time"

	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/tunnel"
	"minato.dev/minato/cluster/vpc"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/internal/home"
)

// VPC keeps a home's VPCs until ctx ends, and then leaves them as they are.
func VPC(ctx context.Context, dir home.Dir) error {
	cfg, err := dir.LoadConfig()
	if err != nil {
		return err
	}
	s, closeStore, err := openStore(dir, cfg, etcd.VPC)
	if err != nil {
		return err
	}
	defer closeStore()
	hostPorts, err := hostPorts(cfg)
	if err != nil {
		return err
	}
	hub := tunnel.NewHub(s, func() (*tls.Certificate, error) { return tunnelCertificate(dir) }, loopback(cfg.RegistryPort), logger("vpc"))
	controller := vpc.New(vpc.Config{
		Home:         dir,
		Store:        s,
		HostPorts:    hostPorts,
		EgressSocket: func(clusterID string) string { return controlplane.EgressSocket(dir, clusterID) },
		Reaches:      []vpc.Reach{func(clusterID string, to netip.Addr) (vpc.Dial, bool) { return hub.Reach(clusterID, to) }},
		Log:          logger("vpc"),
	})
	return group(ctx, controller.Run, hub.Follow, func(ctx context.Context) error { return serveTunnels(ctx, hub, cfg) },
		func(ctx context.Context) error { return vpc.ServeAdmin(ctx, dir, controller) })
}

// tunnelCertificate is what hybrid nodes see.
func tunnelCertificate(dir home.Dir) (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(dir.Path("pki", "tunnel.crt"), dir.Path("pki", "tunnel.key"))
	return &cert, err
}

// listenPause is between two attempts to listen for hybrid nodes.
const listenPause = 5 * time.Second

// serveTunnels takes the connections of hybrid nodes. A port that is taken keeps nothing else from running.
func serveTunnels(ctx context.Context, hub *tunnel.Hub, cfg home.Config) error {
	var parts []func(context.Context) error
	for _, host := range listenHosts(cfg) {
		address := net.JoinHostPort(host, strconv.Itoa(cfg.TunnelPort))
		parts = append(parts, func(ctx context.Context) error {
			var lc net.ListenConfig
			for ctx.Err() == nil {
				l, err := lc.Listen(ctx, "tcp", address)
				if err == nil {
					return hub.Serve(ctx, l)
				}
				logger("vpc").Error("hybrid nodes cannot connect", "error", err, "retry_in", listenPause)
				select {
				case <-ctx.Done():
				case <-time.After(listenPause):
				}
			}
			return nil
		})
	}
	return group(ctx, parts...)
}

// hostPorts are what a VPC finds of this machine besides the endpoints of its clusters: the AWS APIs, plain and over TLS, and
// the images.
func hostPorts(cfg home.Config) ([]string, error) {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return []string{net.JoinHostPort(host, port), net.JoinHostPort(host, strconv.Itoa(cfg.TLSPort)), loopback(cfg.RegistryPort)}, nil
}
