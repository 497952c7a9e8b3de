package main

import (
	"context"
	"net"
	"strings"
	"testing"
)

func TestFlow(t *testing.T) {
	addr := freeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- receive(ctx, []string{addr}) }()
	for {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = c.Close()
			break
		}
	}
	if err := run(ctx, []string{"send", "0.05", addr}); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("receive ends with %v", err)
	}
	if err := send(t.Context(), []string{"1", addr}); err == nil {
		t.Error("sends to nobody")
	}
}

func TestFlowUsage(t *testing.T) {
	for _, args := range [][]string{{"send"}, {"send", "x", "127.0.0.1:1"}, {"send", "0", "127.0.0.1:1"}, {"send", "4000", "127.0.0.1:1"}, {"receive"}, {"receive", "nowhere"}} {
		if err := run(t.Context(), args); err == nil || strings.Contains(err.Error(), "refused") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
