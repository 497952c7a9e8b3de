package tunnel

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ssm"
)

const (
	// What a connection is for (ALPN): to be the tunnel, or to go on to the registry of images.
	protocol         = "minato-tunnel/1"
	registryProtocol = "minato-registry/1"
	// maxPulls is how many connections to the registry there are at once.
	maxPulls = 256
	// handshakeTimeout bounds a TLS handshake, and maxHandshakes how many there are at once.
	handshakeTimeout = 10 * time.Second
	maxHandshakes    = 64
	// idleTimeout is after how much silence a side asks whether the other is there, and pingTimeout how long that may take.
	idleTimeout = 15 * time.Second
	pingTimeout = 10 * time.Second
)

// Hub is the control planes' side: it takes the nodes' connections, and opens streams through them.
type Hub struct {
	certificate func() (*tls.Certificate, error)
	registry    string // host:port
	log         *slog.Logger
	transport   *http2.Transport //nolint:staticcheck // net/http cannot yet ask through a connection that the other side has opened
	view        *store.View[ssm.ManagedInstance]
	handshakes  chan struct{}
	pulls       chan struct{}

	mu        sync.Mutex
	instances map[string]ssm.ManagedInstance // by id
	byKey     map[string]string              // ids by public key
	conns     map[string]*http2.ClientConn   //nolint:staticcheck // by id; net/http has no way yet to serve, or ask through, a connection that the other side has opened
}

// NewHub makes a Hub that knows the machines in a store. certificate is its own, asked for at each handshake; registry is the
// host:port where nodes' images are, on this machine.
func NewHub(s store.Store, certificate func() (*tls.Certificate, error), registry string, log *slog.Logger) *Hub {
	h := &Hub{
		certificate: certificate, registry: registry, log: log, view: store.NewView(ssm.Instances(s)),
		handshakes: make(chan struct{}, maxHandshakes), pulls: make(chan struct{}, maxPulls),
		transport: &http2.Transport{ReadIdleTimeout: idleTimeout, PingTimeout: pingTimeout, DisableCompression: true},  //nolint:staticcheck // net/http has no way yet to serve, or ask through, a connection that the other side has opened
		instances: map[string]ssm.ManagedInstance{}, byKey: map[string]string{}, conns: map[string]*http2.ClientConn{}, //nolint:staticcheck // net/http has no way yet to serve, or ask through, a connection that the other side has opened
	}
	h.view.Subscribe(h.changed)
	return h
}

// changed follows the record of a machine. One that is deregistered loses its connection.
func (h *Hub) changed(record string) {
	id := store.Parts(record)[2]
	item, ok := h.view.Get(record)
	h.mu.Lock()
	defer h.mu.Unlock()
	if old, known := h.instances[id]; known {
		delete(h.byKey, string(old.PublicKey))
		delete(h.instances, id)
	}
	if ok {
		h.instances[id], h.byKey[string(item.Value.PublicKey)] = item.Value, id
		return
	}
	if conn := h.conns[id]; conn != nil {
		delete(h.conns, id)
		_ = conn.Close()
	}
}

// Follow reads the machines' records until ctx ends.
func (h *Hub) Follow(ctx context.Context) error { return h.view.Run(ctx) }

// Serve takes connections from a listener until ctx ends.
func (h *Hub) Serve(ctx context.Context, l net.Listener) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	select {
	case <-h.view.Ready():
	case <-ctx.Done():
		return nil
	}
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			h.log.WarnContext(ctx, "a hybrid node cannot connect", "error", err)
			select {
			case <-time.After(time.Second): // descriptors may have run out
				continue
			case <-ctx.Done():
				return nil
			}
		}
		h.handshakes <- struct{}{}
		go func() {
			err := h.welcome(ctx, conn)
			<-h.handshakes
			if err != nil {
				_ = conn.Close()
				h.log.InfoContext(ctx, "a connection to the port of hybrid nodes was refused", "from", conn.RemoteAddr().String(), "error", err)
			}
		}()
	}
}

var errStranger = errors.New("the key is that of no registered machine")

// welcome makes a connection the one of its node.
func (h *Hub) welcome(ctx context.Context, raw net.Conn) error {
	shaking, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	id := ""
	conn := tls.Server(raw, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{protocol, registryProtocol}, ClientAuth: tls.RequireAnyClientCert,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return h.certificate() },
		SessionTicketsDisabled: true, // the key is looked up in every handshake
		VerifyConnection: func(s tls.ConnectionState) error {
			key, ok := s.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
			if !ok {
				return errStranger
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			if id = h.byKey[string(key)]; id == "" {
				return errStranger
			}
			return nil
		},
	})
	if err := conn.HandshakeContext(shaking); err != nil {
		return err
	}
	switch conn.ConnectionState().NegotiatedProtocol {
	case registryProtocol:
		go h.pull(ctx, conn)
		return nil
	case protocol:
		return h.keep(ctx, id, conn)
	}
	return fmt.Errorf("it does not speak %s", protocol)
}

// pull passes a node's connection on to the registry.
func (h *Hub) pull(ctx context.Context, conn *tls.Conn) {
	defer func() { _ = conn.Close() }()
	select {
	case h.pulls <- struct{}{}:
		defer func() { <-h.pulls }()
	default:
		return
	}
	d := net.Dialer{Timeout: dialTimeout}
	registry, err := d.DialContext(ctx, "tcp", h.registry)
	if err != nil {
		h.log.WarnContext(ctx, "the registry does not answer a hybrid node", "error", err)
		return
	}
	defer context.AfterFunc(ctx, func() { _, _ = registry.Close(), conn.Close() })()
	gate.Exchange(conn, registry.(*net.TCPConn))
}

// keep makes a connection the tunnel to a machine.
func (h *Hub) keep(ctx context.Context, id string, conn net.Conn) error {
	client, err := h.transport.NewClientConn(conn) //nolint:staticcheck // net/http has no way yet to serve, or ask through, a connection that the other side has opened
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	i, ok := h.instances[id]
	if !ok {
		return errStranger // it was deregistered meanwhile
	}
	if old := h.conns[id]; old != nil {
		_ = old.Close() // of the same machine: its network has changed, or it was started again
	}
	h.conns[id] = client
	h.log.InfoContext(ctx, "hybrid node is connected", "node", i.Name, "cluster", i.ClusterID, "from", conn.RemoteAddr().String())
	return nil
}

// find is the machine of a cluster that an address is of, or is a pod's of.
func (h *Hub) find(clusterID string, to netip.Addr) (ssm.ManagedInstance, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, i := range h.instances {
		if i.ClusterID == clusterID && (i.Address == to || i.PodCIDR.IsValid() && i.PodCIDR.Contains(to)) {
			return i, true
		}
	}
	return ssm.ManagedInstance{}, false
}

// connection is the one of a machine.
func (h *Hub) connection(i ssm.ManagedInstance) (*http2.ClientConn, error) { //nolint:staticcheck // net/http has no way yet to serve, or ask through, a connection that the other side has opened
	h.mu.Lock()
	defer h.mu.Unlock()
	conn := h.conns[i.ID]
	if conn != nil && conn.State().Closed {
		delete(h.conns, i.ID)
		conn = nil
	}
	if conn == nil {
		return nil, fmt.Errorf("hybrid node %s is not connected", i.Name)
	}
	return conn, nil
}
