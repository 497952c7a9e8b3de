package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"golang.org/x/sync/errgroup"

	"minato.dev/minato/kube"
)

const (
	upgradeObjects = 5000
	upgradeWatches = 100
	upgradeClients = 20 // connections that each make a request every 100 ms
)

// benchUpgrade upgrades a cluster with nothing in it, and one with objects, watches and clients, and counts what these see. What it
// is compared with is the same kube-apiserver killed and started again, under the same clients.
func benchUpgrade(ctx context.Context, o options) ([]Row, error) {
	from, ok := kube.Lookup(o.minor)
	to, known := from.Next()
	if !ok || !known {
		return nil, fmt.Errorf("there is no minor after %s", o.minor)
	}
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if _, err := s.createCluster(ctx, o, "idle"); err != nil {
		return nil, err
	}
	idle, err := s.upgrade(ctx, "idle", to.Minor)
	if err != nil {
		return nil, err
	}
	if err := s.deleteCluster(ctx, "idle"); err != nil {
		return nil, err
	}
	k, err := s.createCluster(ctx, o, "loaded")
	if err != nil {
		return nil, err
	}
	if err := s.fill(ctx, k, upgradeObjects); err != nil {
		return nil, err
	}
	var restarted time.Duration
	cold, err := s.underLoad(ctx, k, func() (err error) {
		restarted, err = s.restartAPIServer(ctx, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	var loaded time.Duration
	moved, err := s.underLoad(ctx, k, func() (err error) {
		loaded, err = s.upgrade(ctx, "loaded", to.Minor)
		return err
	})
	if err != nil {
		return nil, err
	}
	load := fmt.Sprintf("with %d objects, %d watches, %d clients", upgradeObjects, upgradeWatches, upgradeClients)
	return []Row{
		{Name: "upgrade of an idle cluster, call to ACTIVE", Minato: idle.Seconds(), Unit: "s", Goal: "< 10"},
		{Name: "upgrade " + load, Minato: loaded.Seconds(), Unit: "s"},
		{Name: "failed requests; bare is a cold restart", Minato: float64(moved.failed), Bare: float64(cold.failed), Goal: "0"},
		{Name: "requests sent again; bare is a cold restart", Minato: float64(moved.repeated), Bare: float64(cold.repeated)},
		against("longest pause of a connection, p50; bare is a cold restart", percentile(moved.pauses, 50), percentile(cold.pauses, 50), "s", ""),
		against("longest pause of a connection, p99; bare is a cold restart", percentile(moved.pauses, 99), percentile(cold.pauses, 99), "s", "ratio < 1"),
		{Name: "cold restart of kube-apiserver, kill to first answer", Minato: restarted.Seconds(), Unit: "s"},
	}, nil
}

// upgrade changes a cluster's version and returns how long that took.
func (s *server) upgrade(ctx context.Context, name, to string) (time.Duration, error) {
	client, began := s.eks(), time.Now()
	out, err := client.UpdateClusterVersion(ctx, &eks.UpdateClusterVersionInput{Name: &name, Version: &to})
	if err != nil {
		return 0, err
	}
	for {
		c, err := client.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
		if err != nil {
			return 0, err
		}
		if c.Cluster.Status == types.ClusterStatusActive {
			break
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
	took := time.Since(began)
	u, err := client.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: &name, UpdateId: out.Update.Id})
	if err == nil && u.Update.Status != types.UpdateStatusSuccessful {
		err = fmt.Errorf("the update is %s: %v", u.Update.Status, u.Update.Errors)
	}
	return took, err
}

// fill makes ConfigMaps.
func (s *server) fill(ctx context.Context, k *cluster, n int) error {
	ask := s.asker(k)
	var g errgroup.Group
	g.SetLimit(16)
	for i := range n {
		g.Go(func() error {
			object := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"object-%d"},"data":{"value":"%s"}}`, i, strings.Repeat("x", 500))
			return ask.do(ctx, http.MethodPost, configMaps, object, nil)
		})
	}
	return g.Wait()
}

const configMaps = "/api/v1/namespaces/default/configmaps"

// restartAPIServer kills the cluster's kube-apiserver and returns after how long the next one answers.
func (s *server) restartAPIServer(ctx context.Context, k *cluster) (time.Duration, error) {
	pid, err := s.apiServerPID(ctx, k.name)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return 0, err
	}
	return s.answersAgain(ctx, k, began)
}

func (s *server) answersAgain(ctx context.Context, k *cluster, since time.Time) (time.Duration, error) {
	fresh, err := k.again()
	if err != nil {
		return 0, err
	}
	if err := waitFor(ctx, fresh.client, fresh.endpoint+defaultServiceAccount, func() string { return s.token(ctx, k.name) }); err != nil {
		return 0, err
	}
	return time.Since(since), nil
}
