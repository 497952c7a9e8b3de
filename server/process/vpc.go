package process

import (
	"context"
	"net"
	"strconv"

	"minato.dev/minato/cluster/controlplane"
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
	controller := vpc.New(vpc.Config{
		Home:         dir,
		Store:        s,
		HostPorts:    hostPorts,
		EgressSocket: func(clusterID string) string { return controlplane.EgressSocket(dir, clusterID) },
		Log:          logger("vpc"),
	})
	return group(ctx, controller.Run, func(ctx context.Context) error { return vpc.ServeAdmin(ctx, dir, controller) })
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
