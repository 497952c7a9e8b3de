package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

const (
	// nodeLimit bounds each wait for a real node.
	nodeLimit = 3 * time.Minute
	// nodeRounds is how many nodes are made one after the other, after the first, which finds nothing prepared.
	nodeRounds = 5
	nodegroup  = "ng"
)

// benchNodegroup makes real nodes one after the other, each a nodegroup of its own, and says where the time of one goes.
func benchNodegroup(ctx context.Context, o options) ([]Row, error) {
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	k, err := s.createCluster(ctx, o, "nodes")
	if err != nil {
		return nil, err
	}
	ask := s.asker(k)
	role, err := s.createNodeRole(ctx)
	if err != nil {
		return nil, err
	}
	var first nodeTimes
	var memory map[string]int64
	var registered, ready, active []time.Duration
	for n := range nodeRounds + 1 {
		t, err := s.timeNodegroup(ctx, ask, role)
		if err != nil {
			return nil, err
		}
		if n == nodeRounds {
			if memory, err = ask.nodeMemory(ctx); err != nil {
				return nil, err
			}
		}
		if err := s.deleteNodegroup(ctx, k.name); err != nil {
			return nil, err
		}
		if n == 0 {
			first = t
			continue
		}
		registered, ready, active = append(registered, t.registered), append(ready, t.ready), append(active, t.active)
	}
	rows := []Row{
		{Name: "CreateNodegroup to node Ready, the first of a home", Minato: first.ready.Seconds(), Unit: "s"},
		{Name: "CreateNodegroup to node Ready, p50 of the next", Minato: percentile(ready, 50), Unit: "s", Goal: "< 5"},
		{Name: "of it, until the node is registered", Minato: percentile(registered, 50), Unit: "s"},
		{Name: "CreateNodegroup to ACTIVE, p50", Minato: percentile(active, 50), Unit: "s"},
	}
	var all int64
	for _, program := range slices.Sorted(maps.Keys(memory)) {
		all += memory[program]
		rows = append(rows, Row{Name: "private memory of a node: " + program, Minato: mib(memory[program]), Unit: "MiB"})
	}
	return append(rows, Row{Name: "private memory of a node: all", Minato: mib(all), Unit: "MiB"}), nil
}

// nodeMemory is the private memory of all that runs on the one node, by program, when it has been idle for a while.
func (a *kubeAsker) nodeMemory(ctx context.Context) (map[string]int64, error) {
	if err := sleep(ctx, settle); err != nil {
		return nil, err
	}
	processes, err := a.nodeProcesses(ctx)
	if err != nil {
		return nil, err
	}
	memory := map[string]int64{}
	for program, pids := range processes {
		for _, pid := range pids {
			memory[program] += privateBytes(pid)
		}
	}
	return memory, nil
}

// nodeProcesses are the processes of all that runs on the one node, by program.
func (a *kubeAsker) nodeProcesses(ctx context.Context) (map[string][]int, error) {
	var list objects
	if err := a.do(ctx, http.MethodGet, "/api/v1/nodes", "", &list); err != nil {
		return nil, err
	}
	if len(list.Items) != 1 {
		return nil, fmt.Errorf("there are %d nodes, not one", len(list.Items))
	}
	instance := path.Base(list.Items[0].Spec.ProviderID)
	processes, seen := map[string][]int{}, map[int]bool{}
	err := filepath.WalkDir("/sys/fs/cgroup", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "cgroup.procs" || !strings.Contains(name, "/minato/"+instance+"/") {
			return nil //nolint:nilerr // a group that has just gone
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return nil //nolint:nilerr // the same
		}
		for field := range strings.FieldsSeq(string(b)) {
			pid, err := strconv.Atoi(field)
			if err != nil || seen[pid] {
				continue
			}
			seen[pid] = true
			comm, _ := os.ReadFile("/proc/" + field + "/comm")
			program := strings.TrimSpace(string(comm))
			processes[program] = append(processes[program], pid)
		}
		return nil
	})
	return processes, err
}

// nodeTimes are since CreateNodegroup.
type nodeTimes struct{ registered, ready, active time.Duration }

func (s *server) timeNodegroup(ctx context.Context, ask *kubeAsker, role string) (t nodeTimes, err error) {
	began := time.Now()
	if err := s.createNodegroup(ctx, ask.cluster.name, role, 1); err != nil {
		return t, err
	}
	for time.Since(began) < nodeLimit {
		var list objects
		if err := ask.do(ctx, http.MethodGet, "/api/v1/nodes?resourceVersion=0", "", &list); err != nil {
			return t, err
		}
		if len(list.Items) > 0 && t.registered == 0 {
			t.registered = time.Since(began)
		}
		if list.ready() == 1 {
			t.ready = time.Since(began)
			break
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return t, err
		}
	}
	if t.ready == 0 {
		return t, fmt.Errorf("no node is Ready after %s", nodeLimit)
	}
	name := nodegroup
	err = eks.NewNodegroupActiveWaiter(s.eks(), func(o *eks.NodegroupActiveWaiterOptions) { o.MinDelay = 20 * time.Millisecond }).
		Wait(ctx, &eks.DescribeNodegroupInput{ClusterName: &ask.cluster.name, NodegroupName: &name}, nodeLimit)
	t.active = time.Since(began)
	return t, err
}

// createNodegroup asks for so many real nodes.
func (s *server) createNodegroup(ctx context.Context, cluster, role string, size int32) error {
	name := nodegroup
	_, err := s.eks().CreateNodegroup(ctx, &eks.CreateNodegroupInput{
		ClusterName: &cluster, NodegroupName: &name, NodeRole: &role, Subnets: s.subnet[:1],
		ScalingConfig: &types.NodegroupScalingConfig{MinSize: &size, DesiredSize: &size, MaxSize: &size},
	})
	return err
}

func (s *server) deleteNodegroup(ctx context.Context, cluster string) error {
	name := nodegroup
	if _, err := s.eks().DeleteNodegroup(ctx, &eks.DeleteNodegroupInput{ClusterName: &cluster, NodegroupName: &name}); err != nil {
		return err
	}
	return eks.NewNodegroupDeletedWaiter(s.eks(), func(o *eks.NodegroupDeletedWaiterOptions) { o.MinDelay = 20 * time.Millisecond }).
		Wait(ctx, &eks.DescribeNodegroupInput{ClusterName: &cluster, NodegroupName: &name}, nodeLimit)
}

// createNodeRole makes a role that nodes may have.
func (s *server) createNodeRole(ctx context.Context) (arn string, err error) {
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	var role struct {
		ARN string `xml:"CreateRoleResult>Role>Arn"`
	}
	iam := func(action string, form url.Values, out any) error {
		form.Set("Action", action)
		form.Set("Version", "2010-05-08")
		return s.query(ctx, "iam", form, out)
	}
	if err := iam("CreateRole", url.Values{"RoleName": {"nodes"}, "AssumeRolePolicyDocument": {trust}}, &role); err != nil {
		return "", err
	}
	for _, policy := range []string{"AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonEKS_CNI_Policy"} {
		form := url.Values{"RoleName": {"nodes"}, "PolicyArn": {"arn:aws:iam::aws:policy/" + policy}}
		if err := iam("AttachRolePolicy", form, &struct{}{}); err != nil {
			return "", err
		}
	}
	return role.ARN, nil
}
