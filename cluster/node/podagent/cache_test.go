package podagent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"minato.dev/minato/internal/clock"
)

// TestCache goes through the life of a token's credentials.
func TestCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var trouble error
		asked := 0
		c := newCache(HandlerConfig{Assume: func(context.Context, string) (Credentials, error) {
			asked++
			return Credentials{AccessKeyID: fmt.Sprint("k", asked), Expiration: time.Now().Add(6 * time.Hour)}, trouble
		}, Rotate: true, Log: slog.New(slog.DiscardHandler)})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.renew(ctx) }()
		want := func(when, key string, n int) {
			t.Helper()
			if got, _, err := c.get(t.Context(), "token"); err != nil || got.AccessKeyID != key || asked != n {
				t.Errorf("%s: %s, %v, after %d questions, want %s after %d", when, got.AccessKeyID, err, asked, key, n)
			}
		}
		want("first", "k1", 1)
		time.Sleep(2 * time.Hour)
		want("before renewal", "k1", 1)
		time.Sleep(time.Hour + time.Second)
		want("renewed ahead of expiry", "k2", 2)
		trouble = errors.New("EKS Auth is away")
		time.Sleep(5 * time.Hour)
		if got, cached, err := c.get(t.Context(), "token"); err != nil || !cached || got.AccessKeyID != "k2" {
			t.Errorf("what there is does not go on while EKS Auth is away: %v, %v", got, err)
		}
		if asked < 60 || asked > 150 {
			t.Errorf("tried %d times in two hours, want about once a minute", asked)
		}
		time.Sleep(time.Hour)
		if _, _, err := c.get(t.Context(), "token"); err == nil {
			t.Error("credentials that have expired are given away")
		}
		trouble = nil
		if got, _, err := c.get(t.Context(), "token"); err != nil || got.AccessKeyID == "k2" {
			t.Errorf("back again: %v, %v", got, err)
		}
		trouble = &upstreamError{Status: 404, Code: "ResourceNotFoundException"}
		time.Sleep(3*time.Hour + time.Second)
		if c.size() != 0 {
			t.Error("the credentials of an association that is gone are kept")
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestMovedClock is that credentials are renewed, told and thrown away by the server's clock, when that has been moved.
func TestMovedClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var server serverClock
		asked := 0
		c := newCache(HandlerConfig{Assume: func(context.Context, string) (Credentials, error) {
			asked++
			return Credentials{AccessKeyID: fmt.Sprint("k", asked), Expiration: time.Now().Add(server.Ahead() + 6*time.Hour)}, nil
		}, Ahead: server.Ahead, Rotate: true, Log: slog.New(slog.DiscardHandler)})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.renew(ctx) }()
		want := func(when, key string, cached bool, left time.Duration) {
			t.Helper()
			time.Sleep(2 * time.Second) // for renewals
			got, kept, err := c.get(t.Context(), "token")
			if err != nil || got.AccessKeyID != key || kept != cached || time.Until(got.Expiration).Round(time.Minute) != left {
				t.Errorf("%s: %s (%t) for %s, %v", when, got.AccessKeyID, kept, time.Until(got.Expiration), err)
			}
		}
		want("first", "k1", false, 6*time.Hour)
		server.note(http.Header{clock.AheadHeader: {"7200"}})
		want("before renewal", "k1", true, 4*time.Hour)
		server.note(http.Header{clock.AheadHeader: {"14400"}})
		want("renewed ahead of expiry", "k2", true, 6*time.Hour)
		server.note(http.Header{clock.AheadHeader: {"864000"}})
		want("long over", "k3", false, 6*time.Hour)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestLeastRecentlyUsedGo is that the cache is bounded.
func TestLeastRecentlyUsedGo(t *testing.T) {
	t.Parallel()
	c := newCache(HandlerConfig{Assume: func(_ context.Context, token string) (Credentials, error) {
		return Credentials{AccessKeyID: token, Expiration: time.Now().Add(time.Hour)}, nil
	}, Rotate: true, Log: slog.New(slog.DiscardHandler)})
	for i := range maxTokens + 10 {
		if _, _, err := c.get(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		if _, cached, _ := c.get(t.Context(), "0"); i > 0 && !cached {
			t.Fatal("the token that is used all the time was dropped")
		}
	}
	if c.size() != maxTokens {
		t.Errorf("%d tokens are kept", c.size())
	}
	if _, ok := c.kept("1"); ok {
		t.Error("the one that was not used for longest is kept")
	}
}
