package supervisor

import (
	"context"
	"fmt"
	"time"
)

// How readiness is asked for.
const (
	probeTimeout = time.Second            // one question
	startingPace = 100 * time.Millisecond // until the process is ready
	runningPace  = 10 * time.Second       // once it is
	doubtPace    = time.Second            // when it was ready and has just said no
	unreadyAfter = 3                      // so many noes in a row make a ready process unready
)

// watchReady asks again and again, until ctx ends, whether a process is ready, and reports every change of the answer, and
// every error while it is not ready.
func watchReady(ctx context.Context, ask func(context.Context) error, report chan<- error) {
	isReady, noes := false, 0
	for {
		err := probe(ctx, ask)
		pace := startingPace
		tell := true
		switch {
		case err == nil:
			tell, isReady, noes, pace = !isReady, true, 0, runningPace
		case isReady && noes+1 < unreadyAfter:
			tell, noes, pace = false, noes+1, doubtPace
		default:
			isReady = false
		}
		if tell {
			select {
			case report <- err:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-time.After(pace):
		case <-ctx.Done():
			return
		}
	}
}

// probe asks once. A panic in the caller's function is an answer too: it must not take all supervised processes' keeper
// down.
func probe(ctx context.Context, ask func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("readiness probe panicked: %v", v)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return ask(ctx)
}
