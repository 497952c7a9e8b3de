package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// benchCreate creates clusters one after the other, in turn with bare control planes so that both see the same machine.
func benchCreate(ctx context.Context, o options) ([]Row, error) {
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	var ours, bares []time.Duration
	for i := range o.n {
		started := time.Now()
		b, err := startBare(ctx, o)
		if err != nil {
			return nil, err
		}
		bares = append(bares, time.Since(started))
		b.stop()

		name := fmt.Sprintf("create-%d", i)
		started = time.Now()
		if _, err := s.createCluster(ctx, o, name); err != nil {
			return nil, err
		}
		ours = append(ours, time.Since(started))
		if err := s.deleteCluster(ctx, name); err != nil {
			return nil, err
		}
	}
	return []Row{
		against("create to default ServiceAccount, p50", percentile(ours, 50), percentile(bares, 50), "s", "ratio <= 1.3"),
		against("create to default ServiceAccount, p99", percentile(ours, 99), percentile(bares, 99), "s", "ratio <= 1.3"),
	}, nil
}

// benchBurst creates all clusters at once; each must become ACTIVE.
func benchBurst(ctx context.Context, o options) ([]Row, error) {
	bareTook, err := burstBare(ctx, o, o.burst)
	if err != nil {
		return nil, err
	}
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	started := time.Now()
	var g errgroup.Group
	for i := range o.burst {
		g.Go(func() error {
			_, err := s.createCluster(ctx, o, fmt.Sprintf("burst-%d", i))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d clusters at once, all usable", o.burst)
	return []Row{against(name, time.Since(started).Seconds(), bareTook.Seconds(), "s", "ratio <= 1.5")}, nil
}

// percentile is the nearest-rank percentile in seconds.
func percentile(d []time.Duration, p float64) float64 {
	s := slices.Sorted(slices.Values(d))
	i := int(math.Ceil(p/100*float64(len(s)))) - 1
	return s[max(i, 0)].Seconds()
}
