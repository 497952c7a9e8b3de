package podagent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
)

// Config are the agent's flags.
type Config struct {
	Endpoint    string // of EKS Auth
	ClusterName string
	Region      string
	BindHosts   []string // empty are Addresses, on a link that the agent makes
	Port        int
	ProbePort   int
	MetricsPort int
	Rotate      bool
	Client      *http.Client // that asks EKS Auth; nil for one with EKS's timeouts
	Log         *slog.Logger
}

// Run is the agent until ctx ends.
func Run(ctx context.Context, c Config) error {
	hosts := c.BindHosts
	if len(hosts) == 0 {
		if err := ensureLink(); err != nil {
			return err
		}
		for _, a := range Addresses {
			hosts = append(hosts, a.String())
		}
	}
	auth := NewEKSAuth(c.Endpoint, c.ClusterName, c.Region, InstanceKey, c.Client)
	handler := NewHandler(HandlerConfig{Hosts: hosts, Assume: auth.Assume, Rotate: c.Rotate, Log: c.Log})
	registry := prometheus.NewRegistry()
	registry.MustRegister(handler.Collectors()...)
	metrics, probes := http.NewServeMux(), http.NewServeMux()
	metrics.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	well := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
	probes.HandleFunc("GET /healthz", well)
	probes.HandleFunc("GET /readyz", well)

	group, ctx := errgroup.WithContext(ctx)
	// Probes come last: a node's agent is ready when its listeners are.
	var listening []func() error
	for _, l := range slices.Concat(at(hosts, c.Port, handler), []listener{{"", c.MetricsPort, metrics}, {"localhost", c.ProbePort, probes}}) {
		serve, err := l.open(ctx)
		if err != nil && l.optional(err) {
			c.Log.WarnContext(ctx, "the node has no such address", "address", l.host, "error", err)
			continue
		}
		if err != nil {
			return err
		}
		listening = append(listening, serve)
	}
	for _, serve := range listening {
		group.Go(serve)
	}
	group.Go(func() error { return handler.Renew(ctx) })
	c.Log.InfoContext(ctx, "serving pods", "cluster", c.ClusterName, "endpoint", c.Endpoint, "hosts", hosts)
	return group.Wait()
}

// listener is an address and what is served there.
type listener struct {
	host    string
	port    int
	handler http.Handler
}

func at(hosts []string, port int, h http.Handler) (all []listener) {
	for _, host := range hosts {
		all = append(all, listener{host, port, h})
	}
	return all
}

// optional is whether a node may do without: one without IPv6 has only the other address.
func (l listener) optional(err error) bool {
	return l.host == Addresses[1].String() && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT))
}

// open listens, and returns what serves until ctx ends.
func (l listener) open(ctx context.Context) (serve func() error, err error) {
	var lc net.ListenConfig
	socket, err := lc.Listen(ctx, "tcp", net.JoinHostPort(l.host, strconv.Itoa(l.port)))
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler: l.handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
	}
	return func() error {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}, nil
}
