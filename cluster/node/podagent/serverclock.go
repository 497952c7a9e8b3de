package podagent

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"minato.dev/minato/internal/clock"
)

// followEvery is how often a server whose clock can be moved is asked where it stands.
const followEvery = 2 * time.Second

// serverClock is how far the server's clock is ahead of the machine's, as far as the server says. Credentials end by the server's: when it
// has been moved, as `minato clock advance` does, those that are kept are to be renewed or thrown away earlier than they said.
type serverClock struct {
	ahead atomic.Int64
	moves atomic.Bool // whether the server has said so
}

// Ahead is how far it is ahead, zero where nobody can move it.
func (c *serverClock) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }

// note reads where the clock stood when an answer was given: zero, too, if the answer says nothing.
func (c *serverClock) note(h http.Header) (ahead time.Duration) {
	ahead, moves := clock.AheadIn(h)
	if !moves {
		return 0
	}
	c.moves.Store(true)
	c.ahead.Store(int64(ahead))
	return ahead
}

// FollowClock notes where the server's clock stands, if it has said that it can be moved, until ctx ends.
func (a *EKSAuth) FollowClock(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if a.moves.Load() {
			a.askClock(ctx)
		}
	}
}

// askClock asks once. A server that is away has not moved its clock.
func (a *EKSAuth) askClock(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(a.Endpoint, "/")+"/healthz", nil)
	if err != nil {
		return
	}
	resp, err := a.Client.Do(req)
	if err != nil {
		return
	}
	a.note(resp.Header)
	_ = resp.Body.Close()
}
