package tunnel

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"

	"minato.dev/minato/cluster/gate"
)

// Dial opens a connection.
type Dial = func(ctx context.Context, to netip.AddrPort) (gate.Stream, error)

// Reach says how the control plane of a cluster reaches an address, if that is a hybrid node's or one of its pods'.
func (h *Hub) Reach(clusterID string, to netip.Addr) (Dial, bool) {
	i, ok := h.find(clusterID, to)
	if !ok {
		return nil, false
	}
	return func(ctx context.Context, to netip.AddrPort) (gate.Stream, error) {
		conn, err := h.connection(i)
		if err != nil {
			return nil, err
		}
		return open(ctx, conn, to)
	}, true
}

// open asks the node for a connection. ctx bounds the asking; the stream lives on without it.
func open(ctx context.Context, node http.RoundTripper, to netip.AddrPort) (gate.Stream, error) {
	living, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, cancel)
	up, in := io.Pipe()
	req := (&http.Request{
		Method: http.MethodConnect, URL: &url.URL{Host: to.String()}, Host: to.String(), Header: http.Header{}, Body: up,
	}).WithContext(living)
	resp, err := node.RoundTrip(req)
	if !stop() && err == nil {
		_ = resp.Body.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer cancel()
		defer func() { _ = resp.Body.Close() }()
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 256))
		return nil, fmt.Errorf("the node says: %s", b)
	}
	return &stream{in: in, out: resp.Body, cancel: cancel, to: net.TCPAddrFromAddrPort(to)}, nil
}

// stream is one connection through a tunnel. It has no deadlines: who wants to end it closes it.
type stream struct {
	in     *io.PipeWriter
	out    io.ReadCloser
	cancel func()
	to     net.Addr
}

// Read reads what the node sent.
func (s *stream) Read(b []byte) (int, error) { return s.out.Read(b) }

// Write sends to the node.
func (s *stream) Write(b []byte) (int, error) { return s.in.Write(b) }

// CloseWrite ends what is sent; what the node sends goes on.
func (s *stream) CloseWrite() error { return s.in.Close() }

// Close breaks the stream.
func (s *stream) Close() error {
	_ = s.in.CloseWithError(net.ErrClosed)
	s.cancel()
	return s.out.Close()
}

// LocalAddr is not known.
func (s *stream) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is where the stream leads.
func (s *stream) RemoteAddr() net.Addr { return s.to }

// SetDeadline is not supported.
func (s *stream) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is not supported.
func (s *stream) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline is not supported.
func (s *stream) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
