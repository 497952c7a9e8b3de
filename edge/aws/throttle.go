package aws

import (
	"sync"

	"golang.org/x/time/rate"

	"minato.dev/minato"
)

// throttle holds each principal to a rate, with a token bucket for each.
type throttle struct {
	limit    rate.Limit
	burst    int
	unsigned *rate.Limiter // of all requests of those who are not known

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// maxBuckets is how many buckets are kept before the full ones, which say nothing, are thrown away.
const maxBuckets = 4096

func newThrottle(limit rate.Limit, burst int) *throttle {
	return &throttle{limit: limit, burst: burst, unsigned: rate.NewLimiter(unsignedShare*limit, unsignedShare*burst), buckets: map[string]*rate.Limiter{}}
}

// unsignedShare is how many principals' rates all who are not known have together: they may send what is new each time.
const unsignedShare = 5

// take uses one of the principal's requests up. All sessions of a role share theirs.
func (t *throttle) take(p minato.Principal) error {
	if !t.bucket(p.Account + "/" + p.UniqueID()).Allow() {
		return minato.Errorf(minato.Throttled, "Rate exceeded: %s may make %g requests a second", p.IAMARN(), float64(t.limit)).
			Because(Throttling)
	}
	return nil
}

// takeUnsigned uses a request up of somebody who is not known yet.
func (t *throttle) takeUnsigned(id string) error {
	if !t.bucket("unsigned/" + id).Allow() {
		return minato.Errorf(minato.Throttled, "Rate exceeded: the same request may be made %g times a second", float64(t.limit)).Because(Throttling)
	}
	if !t.unsigned.Allow() {
		return minato.Errorf(minato.Throttled, "Rate exceeded: requests without a signature may be made %g times a second", float64(unsignedShare*t.limit)).Because(Throttling)
	}
	return nil
}

func (t *throttle) bucket(id string) *rate.Limiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.buckets[id]
	if ok {
		return b
	}
	if len(t.buckets) >= maxBuckets {
		for id, b := range t.buckets {
			if b.Tokens() >= float64(t.burst) {
				delete(t.buckets, id)
			}
		}
	}
	b = rate.NewLimiter(t.limit, t.burst)
	t.buckets[id] = b
	return b
}
