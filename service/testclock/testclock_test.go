package testclock_test

import (
	"context"
	"testing"
	"time"

	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/service/testclock"
)

func TestFollow(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	if _, err := testclock.Set(t.Context(), s, time.Hour); err != nil {
		t.Fatal(err)
	}
	c := &clock.Clock{}
	view := testclock.Follow(s, c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- view.Run(ctx) }()
	for _, offset := range []time.Duration{time.Hour, 400 * 24 * time.Hour, 400 * 24 * time.Hour, 0} {
		rev, err := testclock.Set(t.Context(), s, offset)
		if err != nil {
			t.Fatal(err)
		}
		if err := view.WaitFor(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
		if c.Offset() != offset {
			t.Errorf("the clock is %s ahead, want %s", c.Offset(), offset)
		}
	}
	if _, err := testclock.Set(t.Context(), s, testclock.Limit+1); err == nil {
		t.Error("the clock goes as far as one likes")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
