package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

const (
	podsPerNode = 10
	// simulatedType has addresses for ten pods and those of DaemonSets.
	simulatedType = "t3.medium"
	// simulatedSubnet has addresses for two thousand such nodes: the upper half of the default VPC.
	simulatedSubnet = "172.31.128.0/17"
	// nodegroupSize is as many nodes as a nodegroup may have, within the quota of 450.
	nodegroupSize = 400
	// simulatedLimit bounds each part of the suite.
	simulatedLimit = 15 * time.Minute
)

// benchSimulated puts many simulated nodes with ten pods each on one cluster, through nodegroups and a Deployment, as a user would.
func benchSimulated(ctx context.Context, o options) ([]Row, error) {
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	k, err := s.createCluster(ctx, o, "many")
	if err != nil {
		return nil, err
	}
	ask := s.asker(k)
	idle, err := s.clusterMemory(ctx, k.name)
	if err != nil {
		return nil, err
	}

	started := time.Now()
	if err := s.createNodegroups(ctx, k.name, o.nodes); err != nil {
		return nil, err
	}
	if err := ask.until(ctx, "/api/v1/nodes", o.nodes); err != nil {
		return nil, err
	}
	nodes := time.Since(started)
	fmt.Fprintf(os.Stderr, "bench: the nodes are Ready after %s\n", nodes) // the pods may take longer than somebody waits
	withNodes, err := s.clusterMemory(ctx, k.name)
	if err != nil {
		return nil, err
	}

	started = time.Now()
	if err := ask.deploy(ctx, o.nodes*podsPerNode); err != nil {
		return nil, err
	}
	if err := ask.until(ctx, "/api/v1/namespaces/default/pods", o.nodes*podsPerNode); err != nil {
		return nil, err
	}
	pods := time.Since(started)
	withPods, err := s.clusterMemory(ctx, k.name)
	if err != nil {
		return nil, err
	}
	return []Row{
		{Name: fmt.Sprintf("%d simulated nodes, all Ready", o.nodes), Minato: nodes.Seconds(), Unit: "s"},
		{Name: fmt.Sprintf("%d pods on them, all Ready", o.nodes*podsPerNode), Minato: pods.Seconds(), Unit: "s"},
		{Name: "private memory of the cluster, idle", Minato: mib(idle.all), Unit: "MiB"},
		{Name: fmt.Sprintf("the same with %d nodes", o.nodes), Minato: mib(withNodes.all), Unit: "MiB"},
		{Name: fmt.Sprintf("the same with %d pods", o.nodes*podsPerNode), Minato: mib(withPods.all), Unit: "MiB"},
		{Name: "of it kwok", Minato: mib(withPods.kwok), Unit: "MiB"},
	}, nil
}

type clusterMemory struct{ all, kwok int64 }

// clusterMemory is the private memory of a cluster's processes.
func (s *server) clusterMemory(ctx context.Context, name string) (m clusterMemory, err error) {
	st, err := s.status(ctx)
	if err != nil {
		return m, err
	}
	for _, c := range st.Clusters {
		if c.Name != name {
			continue
		}
		for _, p := range c.Processes {
			m.all += p.PrivateBytes
			if strings.HasSuffix(p.Name, "/kwok") {
				m.kwok += p.PrivateBytes
			}
		}
	}
	return m, nil
}

// createNodegroups asks for simulated nodes, in nodegroups that are as large as they may be.
func (s *server) createNodegroups(ctx context.Context, cluster string, nodes int) error {
	role, err := s.createNodeRole(ctx)
	if err != nil {
		return err
	}
	var subnet struct {
		ID string `xml:"subnet>subnetId"`
	}
	form := url.Values{"Action": {"CreateSubnet"}, "Version": {"2016-11-15"}, "VpcId": {s.vpc}, "CidrBlock": {simulatedSubnet}}
	if err := s.query(ctx, "ec2", form, &subnet); err != nil {
		return err
	}
	client := s.eks()
	for n := 0; nodes > 0; n++ {
		size := int32(min(nodes, nodegroupSize))
		nodes -= int(size)
		name := fmt.Sprintf("simulated-%d", n)
		_, err := client.CreateNodegroup(ctx, &eks.CreateNodegroupInput{
			ClusterName: &cluster, NodegroupName: &name, NodeRole: &role, Subnets: []string{subnet.ID},
			InstanceTypes: []string{simulatedType},
			Labels:        map[string]string{"minato.dev/node": "simulated"},
			ScalingConfig: &types.NodegroupScalingConfig{MinSize: &size, DesiredSize: &size, MaxSize: &size},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
