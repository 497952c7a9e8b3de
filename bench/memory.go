package main

import (
	"context"
	"fmt"
	"time"
)

// settle is how long a control plane is left alone before its memory is read: its start-up garbage has been collected then.
const settle = 45 * time.Second

// benchMemory compares the private memory of idle control planes: one and several. Ours counts everything: the clusters'
// processes, and the shared etcd, webhooks and gate; the server itself is a row of its own.
func benchMemory(ctx context.Context, o options) ([]Row, error) {
	b, err := startBare(ctx, o)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()

	var rows []Row
	for created, n := 0, 1; ; n = o.burst {
		for ; created < n; created++ {
			if _, err := s.createCluster(ctx, o, fmt.Sprintf("memory-%d", created)); err != nil {
				return nil, err
			}
		}
		if err := sleep(ctx, settle); err != nil {
			return nil, err
		}
		st, err := s.status(ctx)
		if err != nil {
			return nil, err
		}
		var clusters, shared int64
		for _, c := range st.Clusters {
			clusters += c.PrivateBytes
		}
		for _, p := range st.Processes {
			shared += p.PrivateBytes
		}
		bareMiB := mib(b.privateBytes())
		rows = append(rows,
			against(fmt.Sprintf("private memory per idle cluster, of %d", n), mib(clusters)/float64(n), bareMiB, "MiB", "ratio <= 1"),
			against(fmt.Sprintf("the same with its share of etcd, hook and gate, of %d", n), mib(clusters+shared)/float64(n), bareMiB, "MiB", ""))
		if n == o.burst {
			return append(rows, Row{Name: fmt.Sprintf("the server itself, with %d clusters", n), Minato: mib(privateBytes(st.PID)), Unit: "MiB", Goal: "< 150"}), nil
		}
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
