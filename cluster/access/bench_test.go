package access_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
)

// manyEntries are n entries of five policies each, none of which allows what the benchmarks ask before the last.
func manyEntries(b *testing.B, n int) *entriesWorld {
	b.Helper()
	w := newEntries(b)
	for i := range n {
		p := minato.Principal{
			Type: minato.IAMUser, Account: account, ID: fmt.Sprintf("AIDA%06d", i),
			ARN: minato.NewARN("iam", "", account, fmt.Sprintf("user/u%06d", i)),
		}
		if i == n/2 {
			p = role
		}
		e := entryOf(p, "STANDARD", p.ARN.String(), "sre")
		if i == n/2 {
			e.Username = roleUsername
		}
		for _, name := range []string{"AmazonEKSAdminPolicy", "AmazonEKSEditPolicy", "AmazonEKSAdminViewPolicy", "AmazonEKSSecretReaderPolicy"} {
			e = with(e, name, "dev-*", "test-*", "team-*-staging")
		}
		w.put(b, with(e, "AmazonEKSViewPolicy", "prod"))
	}
	return w
}

// BenchmarkAuthorize decides with more and more entries: the time must not follow their number.
func BenchmarkAuthorize(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			c := cluster(user, "API", false)
			a, mappers := authorizerOf(c, manyEntries(b, n))
			u := login(b, c, mappers, "ASIAROLE")
			allowed, refused := ask(u, "get pods prod"), ask(u, "delete nodes")
			times := make([]time.Duration, 0, 1<<20)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				begin := time.Now()
				if a.Authorize(clusterID, allowed).Decision != access.Allow || a.Authorize(clusterID, refused).Decision != access.NoOpinion {
					b.Fatal("the decision is wrong")
				}
				times = append(times, time.Since(begin)/2)
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[int(0.99*float64(len(times)-1))].Nanoseconds())/1e3, "p99-µs")
		})
	}
}
