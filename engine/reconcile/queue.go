package reconcile

import (
	"context"
	"sync"
	"time"
)

// queue holds the keys that want work. A key is in it once however often it is added, and is not handed out while somebody
// works on it.
type queue struct {
	mu    sync.Mutex
	ready []string
	keys  map[string]*entry
	more  chan struct{} // holds a token while ready may have something
}

// entry is what is known of a key that is ready, being worked on, or waiting for its time.
type entry struct {
	ready bool
	busy  bool
	again bool // added while busy
	timer *time.Timer
	// notBefore holds a failing key back from being woken at once.
	notBefore time.Time
	failures  int
	lastError string
}

func newQueue() *queue {
	return &queue{keys: map[string]*entry{}, more: make(chan struct{}, 1)}
}

// add asks for work on a key: now, when the work under way is done, or, if it has just failed, as soon as it may be tried.
func (q *queue) add(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.keys[key]
	if e == nil {
		e = &entry{}
		q.keys[key] = e
	}
	switch wait := time.Until(e.notBefore); {
	case e.busy:
		e.again = true
	case wait > 0:
		q.setTimer(key, e, wait)
	default:
		q.push(key, e)
	}
}

func (q *queue) push(key string, e *entry) {
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
	if e.ready {
		return
	}
	e.ready = true
	q.ready = append(q.ready, key)
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// setTimer makes the key ready after d.
func (q *queue) setTimer(key string, e *entry, d time.Duration) {
	if e.timer != nil {
		e.timer.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if e.timer == timer { // and was not overtaken
			q.push(key, e)
		}
	})
	e.timer = timer
}

// next hands out a key, to be given back with done. It is false when ctx has ended.
func (q *queue) next(ctx context.Context) (key string, ok bool) {
	for {
		select {
		case <-ctx.Done():
			return "", false
		case <-q.more:
		}
		if ctx.Err() != nil {
			return "", false
		}
		if key, ok := q.pop(); ok {
			return key, true
		}
	}
}

func (q *queue) pop() (string, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready) == 0 {
		return "", false
	}
	key := q.ready[0]
	q.ready = q.ready[1:]
	if len(q.ready) > 0 {
		q.signal()
	}
	e := q.keys[key]
	e.ready, e.busy = false, true
	return key, true
}

// outcome is how the work on a key went.
type outcome struct {
	err   error
	again time.Duration // when to look again if there was no error; zero is not at all
	final bool          // the error is not worth another try
}

// done gives a key back. It answers when the key will be worked on again if nothing else happens (zero: not at all), how many
// times in a row it has failed, and whether its error is another one than the last.
func (q *queue) done(key string, o outcome) (in time.Duration, failures int, news bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.keys[key]
	e.busy = false
	in = o.again
	if o.err == nil {
		e.failures, e.lastError, e.notBefore = 0, "", time.Time{}
	} else {
		e.failures++
		news, e.lastError = e.lastError != o.err.Error(), o.err.Error()
		in = retries.Delay(e.failures)
		e.notBefore = time.Now().Add(min(in, patience))
		if o.final {
			in = 0
		}
	}
	failures = e.failures
	switch wait := time.Until(e.notBefore); {
	case e.again && wait > 0:
		q.setTimer(key, e, wait)
	case e.again:
		q.push(key, e)
	case in > 0:
		q.setTimer(key, e, in)
	case o.err == nil:
		delete(q.keys, key) // nothing left to remember
	}
	e.again = false
	return in, failures, news
}

// stop ends all timers.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.keys {
		if e.timer != nil {
			e.timer.Stop()
			e.timer = nil
		}
	}
}
