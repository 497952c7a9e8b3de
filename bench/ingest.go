package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/cluster/controlplane"
)

const (
	ingestClients = 4
	ingestPairs   = 60 // of a turn with the audit log being counted, and one without
	ingestTurn    = 400 * time.Millisecond
	// ingestCatchUp is how long `minato up` has for what was written while it stood still, so that it does not count for two.
	ingestCatchUp = 400 * time.Millisecond
)

// benchIngest measures what a cluster's requests lose by its audit log being counted, beside the same requests while `minato up`,
// which does that, is stopped (SIGSTOP). A machine is never the same for long, so both are measured in short turns, one right after the
// other, and what counts is the middle one of the ratios of such pairs. Everything else that `minato up` does meanwhile is in the figures too.
func benchIngest(ctx context.Context, o options) ([]Row, error) {
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	k, err := s.createCluster(ctx, o, "ingest")
	if err != nil {
		return nil, err
	}
	if err := s.fill(ctx, k, 1); err != nil {
		return nil, err
	}
	apiServer, err := s.apiServerPID(ctx, k.name)
	if err != nil {
		return nil, err
	}
	up := s.cmd.Process.Pid
	defer func() { _ = syscall.Kill(up, syscall.SIGCONT) }()     // before s.stop, which asks it
	if _, err := s.requests(ctx, k, 5*time.Second); err != nil { // warms up
		return nil, err
	}
	var counted, uncounted []time.Duration
	var ratios []float64
	var ours, theirs float64
	for pair := range ingestPairs {
		var with, without []time.Duration
		for turn := range 2 {
			into, signal := &with, syscall.SIGCONT
			if turn != pair%2 { // with, without, without, with: a drift of the machine counts for both
				into, signal = &without, syscall.SIGSTOP
			}
			if err := errors.Join(syscall.Kill(up, signal), sleep(ctx, ingestCatchUp)); err != nil {
				return nil, err
			}
			before := [2]float64{cpuSeconds(up), cpuSeconds(apiServer)}
			if *into, err = s.requests(ctx, k, ingestTurn); err != nil {
				return nil, err
			}
			if signal == syscall.SIGCONT {
				ours, theirs = ours+cpuSeconds(up)-before[0], theirs+cpuSeconds(apiServer)-before[1]
			}
		}
		counted, uncounted = append(counted, with...), append(uncounted, without...)
		ratios = append(ratios, percentile(with, 50)/percentile(without, 50))
	}
	slices.Sort(ratios)
	middle := against("a request while the audit log is counted, beside while not, p50", percentile(counted, 50)*1000, percentile(uncounted, 50)*1000, "ms", "ratio < 1.01")
	middle.Ratio = ratios[len(ratios)/2]
	return []Row{
		middle,
		{Name: "half of the pairs of turns lie within", Minato: 100 * (ratios[len(ratios)*3/4] - ratios[len(ratios)/4]), Unit: "%"},
		against("a request while the audit log is counted, beside while not, p99", percentile(counted, 99)*1000, percentile(uncounted, 99)*1000, "ms", ""),
		{Name: "CPU time of minato up while the audit log is counted, of what kube-apiserver takes", Minato: 100 * ours / theirs, Unit: "%", Goal: "< 1"},
	}, nil
}

// apiServerPID is the process of a cluster's kube-apiserver.
func (s *server) apiServerPID(ctx context.Context, name string) (int, error) {
	st, err := s.status(ctx)
	if err != nil {
		return 0, err
	}
	for _, c := range st.Clusters {
		for _, p := range c.Processes {
			if c.Name == name && controlplane.ComponentOf(p.Name) == "kube-apiserver" {
				return p.PID, nil
			}
		}
	}
	return 0, fmt.Errorf("cluster %s has no kube-apiserver", name)
}

// requests makes requests of a cluster without a pause, of the core group and of another, and answers what each took.
func (s *server) requests(ctx context.Context, k *cluster, d time.Duration) ([]time.Duration, error) {
	token := s.token(ctx, k.name)
	perClient := make([][]time.Duration, ingestClients)
	paths := []string{configMaps + "/object-0", "/apis/apps/v1/namespaces/default/deployments"}
	var group errgroup.Group
	for i := range perClient {
		own, err := k.again()
		if err != nil {
			return nil, err
		}
		c := &connection{cluster: own, token: token}
		group.Go(func() error {
			defer own.client.CloseIdleConnections()
			for n, until := 0, time.Now().Add(d); time.Now().Before(until); n++ {
				begun := time.Now()
				resp, err := c.get(ctx, paths[n%len(paths)])
				if err != nil {
					return err
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					return fmt.Errorf("GET %s: %s", paths[n%len(paths)], resp.Status)
				}
				if n > 0 { // the first comes with the connection
					perClient[i] = append(perClient[i], time.Since(begun))
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return slices.Concat(perClient...), err
}
