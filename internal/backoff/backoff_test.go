package backoff

import (
	"testing"
	"time"
)

func TestDelay(t *testing.T) {
	t.Parallel()
	p := Policy{Min: 200 * time.Millisecond, Max: 30 * time.Second}
	want := map[int]time.Duration{
		-1: 0, 0: 0,
		1: 200 * time.Millisecond, 2: 400 * time.Millisecond, 3: 800 * time.Millisecond,
		8: 25600 * time.Millisecond, 9: 30 * time.Second, 10: 30 * time.Second, 1 << 20: 30 * time.Second,
	}
	for failures, full := range want {
		for range 200 {
			if d := p.Delay(failures); d > full || d < full/2 {
				t.Fatalf("Delay(%d) = %s, want between %s and %s", failures, d, full/2, full)
			}
		}
	}
}

func TestDelayIsSpread(t *testing.T) {
	t.Parallel()
	p := Policy{Min: time.Second, Max: time.Minute}
	seen := map[time.Duration]bool{}
	for range 50 {
		seen[p.Delay(4)] = true
	}
	if len(seen) < 25 {
		t.Errorf("50 delays have only %d values: no jitter", len(seen))
	}
}

func TestDelayHoldsMaxBelowMin(t *testing.T) {
	t.Parallel()
	if d := (Policy{Min: time.Minute, Max: time.Second}).Delay(1); d > time.Second {
		t.Errorf("Delay = %s, want at most Max", d)
	}
}
