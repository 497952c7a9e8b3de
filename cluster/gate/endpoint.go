package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// endpoint is one cluster's port: its listeners, its open connections and where new ones go.
type endpoint struct {
	cluster string
	port    int
	ports   *Ports
	listen  func(ctx context.Context, addr string) (net.Listener, error)
	log     *slog.Logger
	target  atomic.Pointer[target]
	turn    atomic.Uint64 // which backend is next

	ctx    context.Context // ends when the endpoint closes
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	listeners map[string]net.Listener // by address
	bindErr   map[string]error        // by address, while it cannot be listened on
	routeErr  error                   // what is wrong with the route itself
	conns     map[*conn]struct{}
}

// open starts an endpoint. When it returns, every address has been tried once.
func (p *Ports) open(cluster string, r Route, at Addresses) *endpoint {
	e := &endpoint{
		cluster: cluster, port: r.Port, ports: p, listen: at.Listen,
		log:       p.log.With("cluster", cluster, "port", r.Port),
		listeners: map[string]net.Listener{},
		bindErr:   map[string]error{},
		conns:     map[*conn]struct{}{},
	}
	if e.listen == nil {
		e.listen = listenHere
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.follow(r)
	for _, host := range at.Hosts {
		addr := net.JoinHostPort(host, strconv.Itoa(e.port))
		l := e.bind(addr)
		e.done.Go(func() { e.serve(addr, l) })
	}
	return e
}

// follow makes new connections obey r. Open ones stay as they are, but for those to backends that are leaving.
func (e *endpoint) follow(r Route) {
	allow, err := parseAllowList(r.AllowCIDRs)
	if err != nil {
		e.log.Error("route has a bad allowed network", "error", err)
	}
	e.mu.Lock()
	e.routeErr = err
	e.mu.Unlock()
	next := &target{backends: r.Backends, leaving: r.Leaving, allow: allow, replaced: make(chan struct{})}
	if old := e.target.Swap(next); old != nil {
		close(old.replaced)
	}
	if len(next.leaving) > 0 {
		e.done.Go(func() { e.drain(next) })
	}
}

// close frees the port and breaks the open connections; when it returns, nothing of the endpoint is left.
func (e *endpoint) close() {
	e.cancel()
	e.mu.Lock()
	e.closed = true
	for _, l := range e.listeners {
		_ = l.Close()
	}
	for c := range e.conns {
		c.abort()
	}
	e.mu.Unlock()
	e.done.Wait()
	e.ports.metrics.forget(e.cluster)
}

// serve accepts on addr until the endpoint closes. l is nil when the first attempt to listen failed.
func (e *endpoint) serve(addr string, l net.Listener) {
	failures := 0
	for e.ctx.Err() == nil {
		if l != nil {
			failures = 0
			e.accept(l)
		} else {
			failures++
			wait(e.ctx, bindRetry.Delay(failures))
		}
		l = e.bind(addr)
	}
}

// bind listens on addr and notes how it went; nil when it failed or the endpoint is closed.
func (e *endpoint) bind(addr string) net.Listener {
	l, err := e.open(addr)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		if l != nil {
			_ = l.Close()
		}
		return nil
	}
	if err != nil {
		if e.bindErr[addr] == nil {
			e.log.Error("cannot listen, trying again until it works", "addr", addr, "error", err)
		}
		e.bindErr[addr] = err
		e.ports.metrics.bindFails.WithLabelValues(e.cluster).Inc()
		return nil
	}
	if e.bindErr[addr] != nil {
		e.log.Info("listening after all", "addr", addr)
	}
	delete(e.bindErr, addr)
	e.listeners[addr] = l
	return l
}

func (e *endpoint) open(addr string) (net.Listener, error) {
	if e.port < 1 || e.port > 65535 { // 0 would be any free port
		return nil, fmt.Errorf("port %d of the route is not between 1 and 65535", e.port)
	}
	return e.listen(e.ctx, addr)
}

// accept admits connections until the listener is closed.
func (e *endpoint) accept(l net.Listener) {
	failures := 0
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			failures = 0
			e.admit(c.(*net.TCPConn))
		case errors.Is(err, net.ErrClosed):
			return
		default: // out of files, or a client that was gone already
			failures++
			e.log.Warn("accepting a connection", "error", err)
			wait(e.ctx, acceptRetry.Delay(failures))
		}
	}
}

// admit lets a client in or closes its connection at once.
func (e *endpoint) admit(client *net.TCPConn) {
	from := client.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
	if !e.target.Load().allow.allows(from) {
		e.refuse(client, resultForbidden)
		return
	}
	c := &conn{client: client, opened: time.Now()}
	if !e.add(c) {
		e.refuse(client, resultLimit)
		return
	}
	e.done.Go(func() { e.proxy(c) })
}

func (e *endpoint) refuse(client *net.TCPConn, result string) {
	e.ports.metrics.conns.WithLabelValues(e.cluster, result).Inc()
	e.log.Debug("connection refused", "client", client.RemoteAddr().String(), "result", result)
	abort(client)
}

// proxy serves one admitted connection to its end.
func (e *endpoint) proxy(c *conn) {
	defer e.remove(c)
	backend, addr, err := e.connect(e.ctx)
	if e.ctx.Err() != nil {
		return // closed meanwhile, and the client's connection with it
	}
	if err != nil {
		e.log.Warn("connection dropped", "client", c.client.RemoteAddr().String(), "error", err)
		e.refuse(c.client, resultNoBackend)
		return
	}
	if !e.attach(c, backend, addr) {
		return
	}
	e.ports.metrics.conns.WithLabelValues(e.cluster, resultProxied).Inc()
	up, down := Exchange(c.client, backend)
	e.ports.metrics.bytes.WithLabelValues(e.cluster, "to_backend").Add(float64(up))
	e.ports.metrics.bytes.WithLabelValues(e.cluster, "to_client").Add(float64(down))
}
