package server

import (
	"context"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/node/simulated"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/server/control"
	"minato.dev/minato/service/eks"
)

// statusTimeout bounds what a status asks of etcd, so that it can say that etcd does not answer.
const statusTimeout = 3 * time.Second

// status is what `minato status` shows.
func (s *Server) status(ctx context.Context) control.Status {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	self := supervisor.Status{PID: os.Getpid()}.WithMemory()
	st := control.Status{
		Version:   s.o.MinatoVersion,
		Home:      string(s.dir),
		PID:       self.PID,
		Ready:     s.ready.Load(),
		Endpoint:  s.cfg.EndpointURL(),
		Region:    string(s.cfg.Region),
		Accounts:  s.cfg.Accounts,
		Started:   s.started,
		Clock:     s.clock.Now(),
		TestClock: s.cfg.TestClock,
		RSSBytes:  self.RSSBytes,
		Etcd:      s.etcdStatus(ctx),
	}
	for _, v := range s.o.Kube.Built() {
		st.Minors = append(st.Minors, v.Minor)
	}
	of := map[string][]supervisor.Status{}
	for _, p := range s.sup.List() {
		p = p.WithMemory()
		id, ok := controlplane.ClusterOf(p.Name)
		if !ok {
			id, ok = simulated.ClusterOf(p.Name)
		}
		if ok {
			of[id] = append(of[id], p)
		} else {
			st.Processes = append(st.Processes, p)
		}
	}
	s.addClusters(ctx, &st, of)
	return st
}

func (s *Server) etcdStatus(ctx context.Context) control.Etcd {
	e := control.Etcd{Endpoints: s.cfg.EtcdEndpoints, External: s.cfg.ExternalEtcd}
	h, err := s.etcd.Health(ctx)
	if err != nil {
		e.Error = "it does not answer: " + err.Error() + "; `minato logs etcd` and `minato doctor` may say why"
		return e
	}
	e.Alarms = h.Alarms
	for _, m := range h.Members {
		e.DBBytes, e.Quota = max(e.DBBytes, m.Size), max(e.Quota, m.Quota)
	}
	if m := s.etcd.Maintenance(); m.Trouble != "" {
		e.Error = m.Trouble
	}
	return e
}

// addClusters adds every cluster with its processes. Processes whose cluster's record cannot be read stand alone.
func (s *Server) addClusters(ctx context.Context, st *control.Status, processes map[string][]supervisor.Status) {
	page, err := eks.Clusters(s.store).List(ctx, "", "", 0)
	if err == nil {
		st.Clusters = s.clusterStatus(ctx, page.Items, processes)
	}
	for _, c := range page.Corrupt {
		st.Corrupt = append(st.Corrupt, c.Error())
	}
	for _, item := range page.Items {
		delete(processes, item.Value.ID)
	}
	for _, alone := range processes {
		st.Processes = append(st.Processes, alone...)
	}
}

func (s *Server) clusterStatus(ctx context.Context, clusters []store.Item[eks.Cluster], processes map[string][]supervisor.Status) []control.Cluster {
	out := make([]control.Cluster, len(clusters))
	var g errgroup.Group
	g.SetLimit(8)
	for i, item := range clusters {
		g.Go(func() error {
			out[i] = s.oneCluster(ctx, &item.Value, processes[item.Value.ID])
			return nil
		})
	}
	_ = g.Wait()
	return out
}

func (s *Server) oneCluster(ctx context.Context, c *eks.Cluster, processes []supervisor.Status) control.Cluster {
	out := control.Cluster{
		Account:      c.Scope.Account,
		Region:       string(c.Scope.Region),
		Name:         c.Name,
		ID:           c.ID,
		Version:      c.Serving(),
		Status:       string(c.Status.Status),
		Endpoint:     c.Status.Endpoint,
		LoggingTypes: c.Spec.LoggingTypes,
		Processes:    processes,

		SimulatedNodes: s.simulated.Count(c.ID),
	}
	if up, ok := s.eks.Announced(c); ok {
		out.Upcoming = up.String()
	}
	for _, p := range processes {
		out.PrivateBytes += p.PrivateBytes
	}
	if size, err := s.etcd.TenantSize(ctx, c.ID); err == nil {
		out.Keys, out.KeyBytes = size.Keys, size.Bytes
	}
	for _, cond := range c.Status.Conditions {
		if !cond.OK {
			out.Issues = append(out.Issues, strings.TrimSpace(cond.Type+": "+cond.Message))
		}
	}
	return out
}
