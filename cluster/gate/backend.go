package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// target is where a route's new connections go. It is never changed, only replaced.
type target struct {
	backends []string
	leaving  []string
	allow    allowList
	replaced chan struct{} // closed when another target has taken its place
}

// connect dials a backend of the endpoint, each in turn, again and again until one accepts or backendWait is over. It follows
// the route while it waits, so a connection that arrives between two generations goes to the new one.
func (e *endpoint) connect(ctx context.Context) (*net.TCPConn, string, error) {
	ctx, cancel := context.WithTimeout(ctx, backendWait)
	defer cancel()
	dialer := net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive}
	err := errors.New("the route has no backend")
	for failures := 1; ; failures++ {
		t := e.target.Load()
		first := int(e.turn.Add(1) % (1 << 30))
		for i := range t.backends {
			addr := t.backends[(first+i)%len(t.backends)]
			var c net.Conn
			if c, err = dialer.DialContext(ctx, "tcp", addr); err == nil {
				return c.(*net.TCPConn), addr, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, "", fmt.Errorf("no backend accepted: %w", err)
		case <-t.replaced:
		case <-time.After(dialRetry.Delay(failures)):
		}
	}
}
