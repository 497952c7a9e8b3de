package gate

import (
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A kube-apiserver that is told to end refuses what still comes in on open connections. So before that, connections to it are
// closed between two requests, and clients make new ones, to its successor. What goes through them is encrypted: whether a
// request is under way shows in who has spoken last, and how long ago.
const (
	drainTick = 10 * time.Millisecond
	// answeredFor is how long nothing must have come after the backend's last words: the request has been answered.
	answeredFor = 10 * time.Millisecond
	// askedFor is how long nothing must have come after the client's: it waits for news, as watches do, not for an answer.
	askedFor = time.Second
	// freshFor is how long a connection is taken for one on which the first request is still to come: nobody connects to ask nothing, but
	// on a busy machine the end of the TLS handshake may be long before it, and few clients repeat the first request of a connection.
	freshFor = time.Second
	// drainPatience is after how long a client that asks again at once, every time, is cut off just behind an answer.
	drainPatience = 1500 * time.Millisecond
)

// drain closes the connections of backends that are about to end, each as soon as it is quiet, until the route changes.
func (e *endpoint) drain(t *target) {
	began := time.Now()
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-t.replaced:
			return
		case <-tick.C:
			e.closeQuiet(t.leaving, time.Since(began) < drainPatience)
		}
	}
}

func (e *endpoint) closeQuiet(leaving []string, patient bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		if c.backend == nil || c.ended || !slices.Contains(leaving, c.addr) || time.Since(c.opened) < freshFor || !quiet(c.client, patient) {
			continue
		}
		c.ended = true
		// The client finds an orderly end of its connection; what it is sending at this moment still reaches the backend.
		_ = c.backend.CloseRead()
	}
}

// quiet is whether no request is under way on a client's connection.
func quiet(client *net.TCPConn, patient bool) bool {
	raw, err := client.SyscallConn()
	if err != nil {
		return false
	}
	var info *unix.TCPInfo
	var infoErr error
	err = raw.Control(func(fd uintptr) { info, infoErr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err != nil || infoErr != nil {
		return false
	}
	asked, answered := time.Duration(info.Last_data_recv)*time.Millisecond, time.Duration(info.Last_data_sent)*time.Millisecond
	if answered < asked { // the kernel's steps are up to 10 ms: the same time says nothing
		return !patient || answered >= answeredFor
	}
	return asked >= askedFor
}
