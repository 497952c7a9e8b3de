// Package backoff says how long to wait before trying again.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Policy is an exponential backoff: Min after the first failure, doubled after each further one, never more than Max.
type Policy struct {
	Min, Max time.Duration
}

// Delay is how long to wait after so many failures in a row: between half of the policy's delay and all of it, at random, so
// that things that failed together do not come back together. No failure is no delay.
func (p Policy) Delay(failures int) time.Duration {
	if failures <= 0 {
		return 0
	}
	full := p.full(failures)
	return full - rand.N(full/2+1)
}

func (p Policy) full(failures int) time.Duration {
	d := p.Min
	for range failures - 1 {
		if d >= p.Max/2 {
			return p.Max
		}
		d *= 2
	}
	return min(d, p.Max)
}
