// Package clock is the time that Minato's own rules go by: support dates, credential expiry, rotations that fall due. It is
// the machine's time unless the server was started with --test-clock, which sets it off by a fixed distance.
//
// What meets other programs' clocks stays on time.Now: SigV4 skew, certificate validity, ServiceAccount tokens.
package clock

import (
	"sync/atomic"
	"time"
)

// Clock tells the time. The zero Clock is the machine's.
type Clock struct{ offset atomic.Int64 }

// At is a Clock that shows t now and goes on from there.
func At(t time.Time) *Clock {
	c := &Clock{}
	c.SetOffset(time.Until(t))
	return c
}

// Now is the clock's time.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Offset()) }

// Offset is how far the clock is ahead of the machine's.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// SetOffset moves the clock.
func (c *Clock) SetOffset(d time.Duration) { c.offset.Store(int64(d)) }
