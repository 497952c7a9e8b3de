package controlplane

import (
	"context"
	"runtime"
	"sync"
)

// slots bound how many control planes start at once. A start is some two seconds of one processor's work: many at once take
// as long together as one after the other, but then each of them takes as long as all, and asks all the while whether it is
// ready.
type slots chan struct{}

func startsAtOnce() int { return max(2, runtime.NumCPU()) }

// take waits for a slot. The function gives it back; further calls do nothing.
func (s slots) take(ctx context.Context) (give func(), err error) {
	select {
	case s <- struct{}{}:
		return sync.OnceFunc(func() { <-s }), nil
	case <-ctx.Done():
		return func() {}, context.Cause(ctx)
	}
}
