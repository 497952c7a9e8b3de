package access_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"minato.dev/minato/cluster/access/accesstest"
)

// BenchmarkAuthorize decides with more and more entries: the time must not follow their number.
func BenchmarkAuthorize(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			w, err := accesstest.New(b.Context(), n)
			if err != nil {
				b.Fatal(err)
			}
			times := make([]time.Duration, 0, 1<<20)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				took, err := w.Decide()
				if err != nil {
					b.Fatal(err)
				}
				times = append(times, took)
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[int(0.99*float64(len(times)-1))].Nanoseconds())/1e3, "p99-µs")
		})
	}
}
