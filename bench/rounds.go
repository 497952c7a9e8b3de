package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// clientGC lets the client's heap grow to some 40 MB before it is collected: its collections are not the webhook's time.
const clientGC = 1000

// rounds are what answers took, round by round.
type rounds [][]time.Duration

// percentiles are those of the rounds, in seconds.
func (r rounds) percentiles(p float64) (all []float64) {
	for _, latencies := range r {
		all = append(all, percentile(latencies, p))
	}
	return all
}

// percentile is the median of the rounds' percentiles.
func (r rounds) percentile(p float64) float64 { return median(r.percentiles(p)) }

// print shows the p99 of every round, so that the median can be judged by them.
func (b besidePlain) print(how string) {
	line := func(r rounds) string {
		var all []string
		for _, p := range r.percentiles(99) {
			all = append(all, fmt.Sprintf("%.2f", p*1000))
		}
		return strings.Join(all, " ")
	}
	fmt.Fprintf(os.Stderr, "bench: p99 of the rounds %s, ms: %s; without looking: %s\n", how, line(b.ours), line(b.plain))
}
