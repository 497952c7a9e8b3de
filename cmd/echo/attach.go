package main

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// attachWait is how long a program waits for somebody to attach whose input stays open and says nothing.
const attachWait = 10 * time.Second

// awaitListener waits until somebody listens, at most for attachWait. `kubectl run -i` attaches a moment after the start, or
// some seconds after it on a busy machine, and is told nothing of what was said before. Once it listens, a terminal has a size,
// and any other input has something or ends. Without -i there is /dev/null, which ends at once.
func awaitListener(ctx context.Context, stdin *os.File) {
	ctx, cancel := context.WithTimeout(ctx, attachWait)
	defer cancel()
	if size, err := unix.IoctlGetWinsize(int(stdin.Fd()), unix.TIOCGWINSZ); err == nil {
		awaitSize(ctx, stdin, size)
		return
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		_, _ = stdin.Read(make([]byte, 1))
	}()
	select {
	case <-heard:
	case <-ctx.Done():
	}
}

// awaitSize waits until a terminal has a size.
func awaitSize(ctx context.Context, terminal *os.File, size *unix.Winsize) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for size.Row == 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, err := unix.IoctlGetWinsize(int(terminal.Fd()), unix.TIOCGWINSZ)
		if err != nil {
			return
		}
		size = now
	}
}
