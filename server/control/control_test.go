package control

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"minato.dev/minato/internal/home"
)

// TestShutdownIsAnswered: whoever asks the server to stop hears that it will, however soon the server ends.
func TestShutdownIsAnswered(t *testing.T) {
	t.Parallel()
	for range 5 {
		dir := home.Dir(t.TempDir())
		t.Cleanup(func() { _ = os.RemoveAll(dir.Run()) })
		ctx, cancel := context.WithCancel(t.Context())
		var served sync.WaitGroup
		served.Go(func() {
			shutdown := func() {
				cancel()
				time.Sleep(20 * time.Millisecond) // as on a machine that has much else to do
			}
			if err := (Server{Shutdown: shutdown}).Serve(ctx, dir); err != nil {
				t.Error(err)
			}
		})
		for {
			err := Shutdown(t.Context(), dir)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				t.Fatal("it stops, and said:", err)
			}
		}
		served.Wait()
	}
}
