// Package clock is the time that Minato's own rules go by: support dates, credential expiry, rotations that fall due. It is
// the machine's time unless the server was started with --test-clock, which sets it off by a distance; `minato clock advance` adds to it.
//
// What meets other programs' clocks stays on time.Now: SigV4 skew, certificate validity, ServiceAccount tokens.
package clock

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// AheadHeader is the header in which the answers of a server whose clock can be moved say how far it is ahead of the machine's, in
// seconds. Clients' own clocks are the machine's: one that keeps what ends by the server's clock looks here.
const AheadHeader = "X-Minato-Clock-Ahead"

// AheadIn reads that header: how far the clock of the server that gave an answer was ahead, and whether it can be moved at all.
func AheadIn(h http.Header) (ahead time.Duration, moves bool) {
	seconds, err := strconv.ParseInt(h.Get(AheadHeader), 10, 33) // 136 years, which nanoseconds can say
	return time.Duration(seconds) * time.Second, err == nil
}

// Clock tells the time. The zero Clock is the machine's.
type Clock struct {
	offset atomic.Int64

	mu    sync.Mutex
	moved []func()
	moves []move // the earliest first
}

// move is one moving of the clock.
type move struct {
	at     time.Time     // the machine's time
	before time.Duration // offset until then
}

// At is a Clock that shows t now and goes on from there.
func At(t time.Time) *Clock {
	c := &Clock{}
	c.Begin(time.Until(t))
	return c
}

// Begin gives the clock the offset that it has had before this process began.
func (c *Clock) Begin(d time.Duration) { c.offset.Store(int64(d)) }

// Now is the clock's time.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Offset()) }

// Offset is how far the clock is ahead of the machine's.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Showed is what the clock showed at a moment of the machine's, as far as it remembers how it was moved: for what other programs noted.
func (c *Clock) Showed(machine time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	offset := c.Offset()
	for i := len(c.moves) - 1; i >= 0 && machine.Before(c.moves[i].at); i-- {
		offset = c.moves[i].before
	}
	return machine.Add(offset)
}

// SetOffset moves the clock, and tells those who asked for it if that changes anything.
func (c *Clock) SetOffset(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := time.Duration(c.offset.Swap(int64(d)))
	if before == d {
		return
	}
	c.moves = append(c.moves, move{time.Now(), before})
	for _, fn := range c.moved {
		fn()
	}
}

// OnMove has fn called whenever the clock has been moved: who waits for a moment must look again. fn must not block.
func (c *Clock) OnMove(fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved = append(c.moved, fn)
}
