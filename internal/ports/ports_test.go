package ports

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
)

func TestFreePortsCanBeBound(t *testing.T) {
	t.Parallel()
	found, release, err := Free(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	seen := map[int]bool{}
	for _, p := range found {
		if p < First || p > Last {
			t.Errorf("port %d is outside %d–%d", p, First, Last)
		}
		if seen[p] {
			t.Errorf("port %d given twice", p)
		}
		seen[p] = true
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
		if err != nil {
			t.Errorf("port %d is not free: %v", p, err)
			continue
		}
		if !Taken("127.0.0.1", p) {
			t.Errorf("Taken(%d) = false while something listens", p)
		}
		l.Close()
	}
	if len(found) != 5 {
		t.Errorf("got %d ports, want 5", len(found))
	}
}

func TestConcurrentCallersNeverShareAPort(t *testing.T) {
	t.Parallel()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen = map[int]bool{}
	)
	for range 16 {
		wg.Go(func() {
			found, release, err := Free(t.Context(), 10)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(release)
			mu.Lock()
			defer mu.Unlock()
			for _, p := range found {
				if seen[p] {
					t.Errorf("port %d given to two callers", p)
				}
				seen[p] = true
			}
		})
	}
	wg.Wait()
}

func TestReleaseGivesPortsBackOnce(t *testing.T) {
	// Not parallel: another test could take the released port.
	found, release, err := Free(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	port := found[0]
	if reserve(port) {
		t.Fatalf("port %d reserved twice", port)
	}
	release()
	if !reserve(port) {
		t.Fatalf("port %d not free after release", port)
	}
	defer give([]int{port})
	release() // a second time: it must not take the port from its new owner
	if reserve(port) {
		t.Errorf("a second release gave port %d away from under its new owner", port)
	}
}

func TestTooFewPortsGivesAllBack(t *testing.T) {
	// Not parallel: it takes every port of the range for a moment.
	if _, _, err := Free(t.Context(), Last-First+2); err == nil {
		t.Fatal("got more ports than there are")
	}
	_, release, err := Free(t.Context(), 1)
	if err != nil {
		t.Errorf("ports of a failed call stayed reserved: %v", err)
	}
	release()
}

func TestFreeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Free(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

func TestTakenOnAHostThatIsNotOurs(t *testing.T) {
	t.Parallel()
	if !Taken("192.0.2.1", First) {
		t.Error("a port on an address that is not this machine's counts as free")
	}
}
