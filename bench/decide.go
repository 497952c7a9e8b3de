package main

import (
	"context"
	"fmt"
	"time"

	"minato.dev/minato/cluster/access/accesstest"
)

const (
	decideRounds    = 20
	decideQuestions = 2000 // of one round
)

// benchDecide measures the decision alone, in this process, by the code that `minato hook` has: with few access entries and with many
// more, in turns.
func benchDecide(ctx context.Context) ([]Row, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sizes := []int{fewEntries, manyEntries, 10 * manyEntries}
	worlds := make([]*accesstest.World, len(sizes))
	for i, n := range sizes {
		var err error
		if worlds[i], err = accesstest.New(ctx, n); err != nil {
			return nil, err
		}
	}
	took := make([][]time.Duration, len(sizes))
	for range decideRounds {
		for i, w := range worlds {
			for range decideQuestions {
				t, err := w.Decide()
				if err != nil {
					return nil, err
				}
				took[i] = append(took[i], t)
			}
		}
	}
	var rows []Row
	for i, n := range sizes[1:] {
		for _, p := range []struct {
			percent float64
			goal    string
		}{{50, "ratio ~ 1"}, {99, "< 200"}} {
			rows = append(rows, against(
				fmt.Sprintf("authorization decision in process with %d entries of 5 policies, p%.0f, beside %d entries", n, p.percent, fewEntries),
				percentile(took[i+1], p.percent)*1e6, percentile(took[0], p.percent)*1e6, "µs", p.goal))
		}
	}
	return rows, nil
}
