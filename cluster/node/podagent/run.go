package podagent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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
	// NodeKey gets the agent's own credentials; nil are those of the node's role, from its metadata service.
	NodeKey func(context.Context) (Key, error)
	Client  *http.Client // that asks EKS Auth (NewClient)
	// APIPort, if it is not 0, is where pods reach the AWS APIs on this node, and DialAPI connects to them.
	APIPort int
	DialAPI func(context.Context) (*tls.Conn, error)
	Log     *slog.Logger
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
	key := c.NodeKey
	if key == nil {
		key = InstanceKey
	}
	auth := NewEKSAuth(c.Endpoint, c.ClusterName, c.Region, key, c.Client)
	handler := NewHandler(HandlerConfig{Hosts: hosts, Assume: auth.Assume, Ahead: auth.Ahead, Rotate: c.Rotate, Log: c.Log})
	registry := prometheus.NewRegistry()
	registry.MustRegister(handler.Collectors()...)
	metrics, probes := http.NewServeMux(), http.NewServeMux()
	metrics.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	well := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
	probes.HandleFunc("GET /healthz", well)
	probes.HandleFunc("GET /readyz", well)

	group, ctx := errgroup.WithContext(ctx)
	all := at(hosts, c.Port, overHTTP(handler))
	if c.APIPort != 0 {
		apis := &relay{dial: c.DialAPI, log: c.Log}
		all = append(all, at(hosts, c.APIPort, apis.serve)...)
	}
	// Probes come last: a node's agent is ready when its listeners are.
	all = append(all, listener{"", c.MetricsPort, overHTTP(metrics)}, listener{"localhost", c.ProbePort, overHTTP(probes)})
	var listening []func() error
	for _, l := range all {
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
	group.Go(func() error { return auth.FollowClock(ctx) })
	c.Log.InfoContext(ctx, "serving pods", "cluster", c.ClusterName, "endpoint", c.Endpoint, "hosts", hosts)
	return group.Wait()
}

// listener is an address and what is served there.
type listener struct {
	host  string
	port  int
	serve func(context.Context, net.Listener) error
}

func at(hosts []string, port int, serve func(context.Context, net.Listener) error) (all []listener) {
	for _, host := range hosts {
		all = append(all, listener{host, port, serve})
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
	return func() error { return l.serve(ctx, socket) }, nil
}

// overHTTP serves a handler.
func overHTTP(h http.Handler) func(context.Context, net.Listener) error {
	return func(ctx context.Context, socket net.Listener) error {
		server := &http.Server{
			Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second,
			IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
		}
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}
