package gate

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
)

// Addresses are where a port is listened on.
type Addresses struct {
	Hosts []string
	// Listen opens a listener at host:port; nil opens it in this process's own network.
	Listen func(ctx context.Context, addr string) (net.Listener, error)
}

// Ports pass connections from ports to backends, each as its Route says. Gate is Ports that follow the routes of all clusters.
type Ports struct {
	limits  connLimits
	metrics *metrics
	log     *slog.Logger
	active  atomic.Int64 // open client connections

	mu        sync.Mutex
	endpoints map[string]*endpoint // by id
}

// NewPorts makes Ports without any. maxConns bounds the client connections in all; zero takes what the limit of open files
// allows. One port gets at most half of it.
func NewPorts(maxConns int, log *slog.Logger) *Ports {
	return &Ports{limits: limitsFor(maxConns), metrics: newMetrics(), log: log, endpoints: map[string]*endpoint{}}
}

// Set makes the port with an id, which for a cluster's endpoint is the cluster's, what a route says. The addresses of one that
// is there do not change.
func (p *Ports) Set(id string, r Route, at Addresses) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.endpoints[id]
	if e != nil && r.Port != e.port {
		p.remove(id, e)
		e = nil
	}
	if e == nil {
		p.endpoints[id] = p.open(id, r, at)
	} else {
		e.follow(r)
	}
	p.metrics.routes.Set(float64(len(p.endpoints)))
}

// Remove closes a port and breaks its connections. There may be none.
func (p *Ports) Remove(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.endpoints[id]; e != nil {
		p.remove(id, e)
	}
	p.metrics.routes.Set(float64(len(p.endpoints)))
}

// Close closes all ports.
func (p *Ports) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, e := range p.endpoints {
		p.remove(id, e)
	}
}

func (p *Ports) remove(id string, e *endpoint) {
	e.close()
	delete(p.endpoints, id)
	e.log.Info("route closed")
}

// listenHere opens a listener in this process's own network.
func listenHere(ctx context.Context, addr string) (net.Listener, error) {
	return (&net.ListenConfig{KeepAliveConfig: keepAlive}).Listen(ctx, "tcp", addr)
}
