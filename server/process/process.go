// Package process is what runs beside `minato up` in processes of its own, so that clusters go on when the API does not:
// etcd, the webhooks, the gate and the VPCs. Each reads its settings from the home folder and comes to etcd with no more rights than
// it needs.
package process

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/etcdstore"
	"minato.dev/minato/internal/home"
)

// Etcd serves the store of a home until ctx ends.
func Etcd(ctx context.Context, dir home.Dir) error {
	cfg, err := dir.LoadConfig()
	if err != nil {
		return err
	}
	return etcd.Serve(ctx, etcd.ServeConfig{Dir: dir.Etcd(), PKI: etcd.PKI(dir.PKI()), Port: cfg.EtcdPort, Log: logger("etcd")})
}

// Gate owns the endpoint ports of a home's clusters until ctx ends.
func Gate(ctx context.Context, dir home.Dir) error {
	cfg, err := dir.LoadConfig()
	if err != nil {
		return err
	}
	s, closeStore, err := openStore(dir, cfg, etcd.Gate)
	if err != nil {
		return err
	}
	defer closeStore()
	g, err := gate.New(gate.Config{
		Store:       s,
		ListenHosts: listenHosts(cfg),
		AdminAddr:   loopback(cfg.GatePort),
		Log:         logger("gate"),
	})
	if err != nil {
		return err
	}
	return g.Run(ctx)
}

// listenHosts are the addresses of the machine that clusters are served on: loopback, and those that are advertised. A name
// is for clients to resolve; when one is advertised, or the AWS API listens on every address, so do the clusters.
func listenHosts(cfg home.Config) []string {
	hosts := []string{"127.0.0.1"}
	if host, _, err := net.SplitHostPort(cfg.Listen); err == nil {
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			return []string{host}
		}
	}
	for _, a := range cfg.AdvertiseAddress {
		ip := net.ParseIP(a)
		switch {
		case ip == nil && a != "localhost":
			return []string{"0.0.0.0"}
		case ip != nil && !ip.IsLoopback():
			hosts = append(hosts, a)
		}
	}
	return hosts
}

// openStore opens the store with one of the read-only identities.
func openStore(dir home.Dir, cfg home.Config, id etcd.Identity) (store.Store, func(), error) {
	client, err := etcd.Connect(etcd.PKI(dir.PKI()).Target(id, cfg.EtcdEndpoints...))
	if err != nil {
		return nil, nil, err
	}
	return etcdstore.New(client), func() { _ = client.Close() }, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// logger writes to standard error, which the supervisor has sent to the process's log file.
func logger(process string) *slog.Logger {
	return slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("process", process)
}

// group runs parts until ctx ends or one fails.
func group(ctx context.Context, parts ...func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range parts {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}
