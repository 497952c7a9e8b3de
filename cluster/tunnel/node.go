package tunnel

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/net/http2"

	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/internal/backoff"
)

// Node is the node's side.
type Node struct {
	Server string // host:port of the Hub
	CA     *x509.CertPool
	Key    ed25519.PrivateKey // that the machine registered with
	// Address and PodCIDR are the only ones that connections may go to.
	Address netip.Addr
	PodCIDR netip.Prefix
	Log     *slog.Logger
}

const (
	dialTimeout = 5 * time.Second
	// maxStreams is how many connections a control plane may have open to one node.
	maxStreams = 1000
	// certificateFor is how long the certificate is good that a connection begins with. It only shows the key.
	certificateFor = time.Hour
)

// redials is how long a node waits before it connects again.
var redials = backoff.Policy{Min: 200 * time.Millisecond, Max: 15 * time.Second}

// Run keeps a connection to the Hub until ctx ends.
func (n Node) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		connected, err := n.once(ctx)
		if ctx.Err() != nil {
			break
		}
		if connected {
			failures = 0
		}
		failures++
		wait := redials.Delay(failures)
		n.Log.WarnContext(ctx, "the tunnel to the control plane ended", "error", err, "retry_in", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil //nolint:nilerr // each end was logged; Run itself ends because it was asked to
}

// once connects and serves until the connection ends.
func (n Node) once(ctx context.Context) (connected bool, err error) {
	conn, err := n.dial(ctx, protocol)
	if err != nil {
		return false, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	n.Log.InfoContext(ctx, "the tunnel to the control plane is open", "server", n.Server)
	server := &http2.Server{MaxConcurrentStreams: maxStreams, ReadIdleTimeout: idleTimeout, PingTimeout: pingTimeout} //nolint:staticcheck // net/http has no way yet to serve, or ask through, a connection that the other side has opened
	server.ServeConn(conn, &http2.ServeConnOpts{Context: ctx, Handler: n})                                            //nolint:staticcheck // net/http has no way yet to serve, or ask through, a connection that the other side has opened
	return true, fmt.Errorf("the connection to %s ended", n.Server)
}

func (n Node) dial(ctx context.Context, protocol string) (*tls.Conn, error) {
	certificate, err := n.certificate(time.Now())
	if err != nil {
		return nil, err
	}
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: dialTimeout},
		Config: &tls.Config{
			MinVersion: tls.VersionTLS13, RootCAs: n.CA, Certificates: []tls.Certificate{certificate}, NextProtos: []string{protocol},
		},
	}
	conn, err := dialer.DialContext(ctx, "tcp", n.Server)
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

// ForwardRegistry lets programs on this machine reach the registry through a listener, until ctx ends.
func (n Node) ForwardRegistry(ctx context.Context, l net.Listener) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		local, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = local.Close() }()
			remote, err := n.dial(ctx, registryProtocol)
			if err != nil {
				n.Log.WarnContext(ctx, "the registry is not reached", "error", err)
				return
			}
			defer context.AfterFunc(ctx, func() { _, _ = local.Close(), remote.Close() })()
			gate.Exchange(local.(*net.TCPConn), remote)
		}()
	}
}

// certificate shows the node's key. It is signed by itself: the Hub knows the key.
func (n Node) certificate(now time.Time) (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "hybrid node"},
		NotBefore: now.Add(-certificateFor), NotAfter: now.Add(certificateFor), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, n.Key.Public(), n.Key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: n.Key}, err
}

// ServeHTTP opens one connection for the control plane and passes bytes both ways. An orderly end of one direction leaves the other
// open.
func (n Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to, err := netip.ParseAddrPort(r.Host)
	if r.Method != http.MethodConnect || err != nil {
		http.Error(w, "only CONNECT to an address and a port is understood here", http.StatusBadRequest)
		return
	}
	if to.Addr() != n.Address && (!n.PodCIDR.IsValid() || !n.PodCIDR.Contains(to.Addr())) {
		http.Error(w, to.Addr().String()+" is neither this node nor a pod on it", http.StatusForbidden)
		return
	}
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(r.Context(), "tcp", to.String())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	backend := c.(*net.TCPConn)
	defer func() { _ = backend.Close() }()
	defer context.AfterFunc(r.Context(), func() { _ = backend.Close() })()
	w.WriteHeader(http.StatusOK)
	down := flushing{w, http.NewResponseController(w)}
	if err := down.Flush(); err != nil {
		return
	}
	go func() {
		if _, err := io.Copy(backend, r.Body); err != nil {
			_ = backend.Close()
			return
		}
		_ = backend.CloseWrite()
	}()
	if _, err := io.Copy(down, backend); err != nil {
		panic(http.ErrAbortHandler) // resets the stream: what is missing must not look like an end
	}
}

// flushing sends each piece at once: somebody waits for it.
type flushing struct {
	w http.ResponseWriter
	*http.ResponseController
}

func (f flushing) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	if err == nil {
		err = f.Flush()
	}
	return n, err
}
