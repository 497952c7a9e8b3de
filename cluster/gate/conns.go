package gate

import (
	"net"
	"time"
)

// conn is one admitted client connection. Its fields but client and opened are guarded by the endpoint's mutex.
type conn struct {
	client  *net.TCPConn
	opened  time.Time
	backend *net.TCPConn // nil until one has accepted
	addr    string       // the backend's
	ended   bool         // by closeQuiet
}

func (c *conn) abort() {
	abort(c.client)
	if c.backend != nil {
		abort(c.backend)
	}
}

// add notes an admitted connection; false when the endpoint or all of them have as many as it may, or is closed.
func (e *endpoint) add(c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || int64(len(e.conns)) >= e.ports.limits.perCluster {
		return false
	}
	if e.ports.active.Add(1) > e.ports.limits.total {
		e.ports.active.Add(-1)
		return false
	}
	e.conns[c] = struct{}{}
	e.ports.metrics.open.WithLabelValues(e.cluster).Set(float64(len(e.conns)))
	return true
}

// attach notes the backend of a connection, so that closing the endpoint breaks both; false when it is closed already.
func (e *endpoint) attach(c *conn, backend *net.TCPConn, addr string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		abort(backend)
		return false
	}
	c.backend, c.addr = backend, addr
	return true
}

// remove forgets a connection that has ended.
func (e *endpoint) remove(c *conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c)
	e.ports.active.Add(-1)
	e.ports.metrics.open.WithLabelValues(e.cluster).Set(float64(len(e.conns)))
}

// openByBackend counts the connections that each backend serves.
func (e *endpoint) openByBackend() map[string]int {
	counts := map[string]int{}
	for c := range e.conns {
		if c.backend != nil {
			counts[c.addr]++
		}
	}
	return counts
}
