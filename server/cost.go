package server

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/server/control"
	"minato.dev/minato/service/cost"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// costs is what `minato cost` shows.
func (s *Server) costs(ctx context.Context) (control.Costs, error) {
	now := s.clock.Now()
	out := control.Costs{At: now.UTC(), Prices: cost.Published, Clusters: []control.ClusterCost{}}
	clusters, err := eks.Clusters(s.store).List(ctx, "", "", 0)
	if err != nil {
		return out, err
	}
	instances, err := ec2.Instances(s.store).List(ctx, "", "", 0)
	if err != nil {
		return out, err
	}
	workers := map[workersOf][]cost.Node{}
	for _, item := range instances.Items {
		if of, node, ok := worker(&item.Value); ok {
			workers[of] = append(workers[of], node)
		}
	}
	for _, item := range clusters.Items {
		c := &item.Value
		nodes := workers[workersOf{c.Scope, c.Name}]
		one := control.ClusterCost{
			Account: c.Scope.Account, Region: string(c.Scope.Region), Name: c.Name, Version: c.Serving(), CreatedAt: c.CreatedAt, Workers: len(nodes),
			Cost: cost.Published.Of(c, nodes, now, func(version string) (string, time.Time, bool) {
				as := *c
				as.Status.Versions = []eks.VersionSince{{Version: version}}
				up, ok := s.eks.Upcoming(&as)
				return up.To, up.At, ok && up.Blocked == nil
			}),
		}
		for _, n := range nodes {
			one.WorkerVCPUs += n.VCPUs
		}
		out.Total = out.Total.Plus(one.Cost)
		one.Cost = one.Cents()
		out.Clusters = append(out.Clusters, one)
	}
	out.Total = out.Total.Cents()
	return out, nil
}

// workersOf names the cluster that an instance works for.
type workersOf struct {
	scope minato.Scope
	name  string
}

// worker is an instance as a cluster's worker; false when it is none, or not there any more.
func worker(i *ec2.Instance) (of workersOf, node cost.Node, ok bool) {
	name := i.Tags[ec2.ClusterTag]
	kind, known := ec2.InstanceTypeByName(i.Type)
	if name == "" || !known || i.State != ec2.InstancePending && i.State != ec2.InstanceRunning {
		return of, node, false
	}
	return workersOf{i.Scope, name}, cost.Node{VCPUs: kind.VCPUs, Since: i.LaunchedAt}, true
}
