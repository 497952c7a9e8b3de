package aws

import (
	"strconv"
	"testing"

	"minato.dev/minato"
)

// TestThrottleForgetsTheIdle has more principals come once than buckets are kept, at a rate at which a bucket
// is full again at once.
func TestThrottleForgetsTheIdle(t *testing.T) {
	t.Parallel()
	th := newThrottle(1e12, 1)
	for i := range 3 * maxBuckets {
		if err := th.take(minato.Principal{ID: strconv.Itoa(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(th.buckets); n > maxBuckets {
		t.Errorf("%d buckets are kept", n)
	}
}

// TestThrottleRemembersTheBusy has so many principals come that buckets are thrown away, and looks for one that is used up.
func TestThrottleRemembersTheBusy(t *testing.T) {
	t.Parallel()
	th := newThrottle(1e-9, 1)
	busy := minato.Principal{ID: "AROA1:one"}
	if err := th.take(busy); err != nil {
		t.Fatal(err)
	}
	for i := range maxBuckets + 1 {
		th.bucket(strconv.Itoa(i))
	}
	if err := th.take(minato.Principal{ID: "AROA1:another"}); !minato.Is(err, minato.Throttled) {
		t.Errorf("another session of a role that has used its requests up: %v", err)
	}
}

// TestThrottleOfTheUnsigned has somebody send what is new each time, and somebody send the same.
func TestThrottleOfTheUnsigned(t *testing.T) {
	t.Parallel()
	th := newThrottle(1e-9, 2)
	for i := range 2 * unsignedShare {
		if err := th.takeUnsigned(strconv.Itoa(i)); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if err := th.takeUnsigned("another"); !minato.Is(err, minato.Throttled) {
		t.Errorf("what is new each time: %v", err)
	}
	th = newThrottle(1e-9, 1)
	if err := th.takeUnsigned("same"); err != nil {
		t.Fatal(err)
	}
	if err := th.takeUnsigned("same"); !minato.Is(err, minato.Throttled) {
		t.Errorf("the same once more: %v", err)
	}
}
