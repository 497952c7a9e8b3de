package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// freeAddress is an address of this machine where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func TestReachWaits(t *testing.T) {
	addr := freeAddress(t)
	go func() {
		<-time.After(2 * retryAfter)
		_ = serve(t.Context(), []string{addr})
	}()
	resp, err := reach(t.Context(), "http://"+addr+"/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
}

func TestReachNobody(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*retryAfter)
	defer cancel()
	if _, err := reach(ctx, "http://"+freeAddress(t)+"/"); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody is there: %v", err)
	}
	if _, err := reach(t.Context(), "nonsense://x"); err == nil {
		t.Error("an URL that is none is asked again for ever")
	}
}
