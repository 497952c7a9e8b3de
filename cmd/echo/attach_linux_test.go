package main

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listens checks that awaitListener waits for somebody to attach, and no longer.
func listens(t *testing.T, stdin *os.File, attach func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		awaitListener(ctx, stdin)
	}()
	select {
	case <-listening:
		t.Error("nobody has attached, and somebody is said to listen")
	case <-time.After(50 * time.Millisecond):
	}
	attach()
	select {
	case <-listening:
	case <-time.After(attachWait / 2):
		t.Error("somebody has attached, and nobody is said to listen")
	}
}

func TestAwaitListener(t *testing.T) {
	stdin, other, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	listens(t, stdin, func() { _ = other.Close() })
}

func TestAwaitListenerOnTerminal(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = terminal.Close() }()
	if err := unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	listens(t, stdin, func() {
		if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
			t.Error(err)
		}
	})
}
