package podagent

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// How credentials are kept.
const (
	maxTokens = 2000
	// renewAfter is when credentials, good for six hours, are renewed.
	renewAfter = 3 * time.Hour
	// minLife is what credentials must have left to be given to a pod.
	minLife    = 15 * time.Second
	retryAfter = time.Minute
	renewals   = 3 // a second
	// fetchTimeout is longer than any pod waits: what comes later is there when the pod asks again.
	fetchTimeout = time.Minute
	lookEvery    = time.Second
)

// cache keeps credentials by token, the least recently used of too many go.
type cache struct {
	assume func(context.Context, string) (Credentials, error)
	ahead  func() time.Duration
	max    int
	log    *slog.Logger
	rotate bool

	fetches *prometheus.CounterVec
	flights singleflight.Group
	mu      sync.Mutex
	byToken map[string]*list.Element
	recent  *list.List // of *entry, the most recently used first
}

// entry is what is kept for a token. Its times are the server's.
type entry struct {
	token       string
	credentials Credentials
	renewAt     time.Time
}

// Why credentials are fetched.
const (
	forPod   = "request" // one waits for them
	forLater = "renewal"
)

func newCache(c HandlerConfig) *cache {
	ahead := c.Ahead
	if ahead == nil {
		ahead = func() time.Duration { return 0 }
	}
	return &cache{
		assume: c.Assume, ahead: ahead, max: maxTokens, log: c.Log, rotate: c.Rotate, byToken: map[string]*list.Element{}, recent: list.New(),
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pod_identity_fetches_total", Help: "Credentials asked of EKS Auth, each in as many attempts as it took, by why and by what became of it.",
		}, []string{"reason", "outcome"}),
	}
}

// now is the server's time, by which credentials end.
func (c *cache) now() time.Time { return time.Now().Add(c.ahead()) }

// get is the credentials for a token, with an end by the machine's clock, by which SDKs go: those that are kept, or else new ones. Who asks for the same at the same time waits for one answer.
func (c *cache) get(ctx context.Context, token string) (got Credentials, cached bool, err error) {
	if got, ok := c.kept(token); ok {
		return got, true, nil
	}
	answer := c.flights.DoChan(token, func() (any, error) {
		// The fetch is not that of the first who asks, who may go away.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		return c.fetch(ctx, token, forPod)
	})
	select {
	case r := <-answer:
		if r.Err != nil {
			return Credentials{}, false, r.Err
		}
		return r.Val.(Credentials).after(-c.ahead()), false, nil
	case <-ctx.Done():
		return Credentials{}, false, ctx.Err()
	}
}

func (c *cache) kept(token string) (Credentials, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byToken[token]
	if !ok {
		return Credentials{}, false
	}
	kept := e.Value.(*entry)
	if kept.credentials.Expiration.Sub(c.now()) <= minLife {
		return Credentials{}, false
	}
	c.recent.MoveToFront(e)
	return kept.credentials.after(-c.ahead()), true
}

// fetch gets credentials and keeps them. An answer that is final takes away what was kept.
func (c *cache) fetch(ctx context.Context, token, reason string) (Credentials, error) {
	got, err := c.assume(ctx, token)
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	c.fetches.WithLabelValues(reason, outcome).Inc()
	c.mu.Lock()
	defer c.mu.Unlock()
	old, known := c.byToken[token]
	if err != nil {
		if e, ok := errors.AsType[*upstreamError](err); known && ok && e.final() {
			c.drop(old)
		}
		return Credentials{}, err
	}
	now := c.now()
	e := &entry{token: token, credentials: got, renewAt: now.Add(renewIn(got.Expiration.Sub(now)))}
	if known {
		old.Value = e
		return got, nil
	}
	c.byToken[token] = c.recent.PushFront(e)
	for c.recent.Len() > c.max {
		c.drop(c.recent.Back())
	}
	return got, nil
}

func (c *cache) drop(e *list.Element) {
	delete(c.byToken, e.Value.(*entry).token)
	c.recent.Remove(e)
}

// renewIn is when credentials with so much life are renewed: after three hours, or half of a shorter life, and up to a tenth earlier, so
// that what came together is not renewed together.
func renewIn(life time.Duration) time.Duration {
	d := max(min(renewAfter, life/2), 0)
	return d - rand.N(d/10+1)
}

// renew renews what is due, at a steady rate, until ctx ends. What cannot be renewed now is tried again in a minute or so; until it
// expires, pods get what there is.
func (c *cache) renew(ctx context.Context) error {
	limit := rate.NewLimiter(renewals, 1)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, token := range c.due() {
			if limit.Wait(ctx) != nil {
				return nil
			}
			c.renewOne(ctx, token)
		}
	}
}

// due are the tokens whose credentials are to be renewed. Those that nobody can use any more go.
func (c *cache) due() (tokens []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for token, e := range c.byToken {
		kept := e.Value.(*entry)
		switch {
		case !kept.credentials.Expiration.After(now):
			c.drop(e)
		case c.rotate && !kept.renewAt.After(now):
			tokens = append(tokens, token)
		}
	}
	return tokens
}

func (c *cache) renewOne(ctx context.Context, token string) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	_, err, _ := c.flights.Do(token, func() (any, error) { return c.fetch(ctx, token, forLater) })
	if err == nil {
		return
	}
	c.log.WarnContext(ctx, "renewing the credentials of a pod failed", "error", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byToken[token]; ok {
		e.Value.(*entry).renewAt = c.now().Add(retryAfter + rand.N(retryAfter/4))
	}
}

// size is how many tokens have credentials.
func (c *cache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recent.Len()
}
