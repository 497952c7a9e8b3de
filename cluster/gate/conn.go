package gate

import (
	"io"
	"net"
	"time"
)

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// Stream is a connection of which one direction can end before the other: of TCP, or of a Unix socket.
type Stream interface {
	net.Conn
	CloseWrite() error
}

// Exchange passes bytes both ways until both directions have ended, and returns how many went to the backend and to the
// client. An orderly end of one direction is passed on as such and leaves the other open; a broken one breaks both.
func Exchange(client, backend Stream) (up, down int64) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		up = pass(backend, client)
	}()
	down = pass(client, backend)
	// The backend is done. The client has nothing to wait for, but may still be sending.
	_ = client.SetReadDeadline(time.Now().Add(lingerTimeout))
	<-done
	_ = client.Close()
	_ = backend.Close()
	return up, down
}

// pass copies one direction. Between two sockets io.Copy splices within the kernel.
func pass(dst, src Stream) int64 {
	n, err := io.Copy(dst, src)
	if err != nil {
		abort(dst)
		abort(src)
		return n
	}
	_ = dst.CloseWrite()
	return n
}

// abort closes a connection with a reset: the peer learns at once that bytes may be missing, and no state lingers.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
