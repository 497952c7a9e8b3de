package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

const (
	podsPerNode = 10
	// simulatedType has addresses for ten pods and those of DaemonSets.
	simulatedType = "t3.medium"
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
	ask := &kubeAsker{server: s, cluster: k}
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
		return err
	}
	for _, policy := range []string{"AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonEKS_CNI_Policy"} {
		form := url.Values{"RoleName": {"nodes"}, "PolicyArn": {"arn:aws:iam::aws:policy/" + policy}}
		if err := iam("AttachRolePolicy", form, &struct{}{}); err != nil {
			return err
		}
	}
	client := s.eks()
	for n := 0; nodes > 0; n++ {
		size := int32(min(nodes, nodegroupSize))
		nodes -= int(size)
		name := fmt.Sprintf("simulated-%d", n)
		_, err := client.CreateNodegroup(ctx, &eks.CreateNodegroupInput{
			ClusterName: &cluster, NodegroupName: &name, NodeRole: &role.ARN, Subnets: s.subnets,
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

// kubeAsker is the administrator on a cluster.
type kubeAsker struct {
	server  *server
	cluster *cluster
}

func (a *kubeAsker) do(ctx context.Context, method, path string, in string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, a.cluster.endpoint+path, strings.NewReader(in))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.server.token(ctx, a.cluster.name))
	req.Header.Set("Content-Type", "application/json")
	client := *a.cluster.client
	client.Timeout = time.Minute
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, b)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// deploy makes a Deployment of so many pods.
func (a *kubeAsker) deploy(ctx context.Context, replicas int) error {
	return a.do(ctx, http.MethodPost, "/apis/apps/v1/namespaces/default/deployments", fmt.Sprintf(`{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "many"},
		"spec": {"replicas": %d, "selector": {"matchLabels": {"app": "many"}}, "template": {
			"metadata": {"labels": {"app": "many"}},
			"spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "minato.local/echo"}]}}}}`, replicas), nil)
}

// until waits until so many objects of a collection are Ready, as kube-apiserver's cache has them.
func (a *kubeAsker) until(ctx context.Context, path string, want int) error {
	var ready int
	for deadline := time.Now().Add(simulatedLimit); time.Now().Before(deadline); {
		var list struct {
			Items []struct {
				Status struct {
					Conditions []struct{ Type, Status string }
				}
			}
		}
		if err := a.do(ctx, http.MethodGet, path+"?resourceVersion=0", "", &list); err != nil {
			return err
		}
		ready = 0
		for _, item := range list.Items {
			for _, c := range item.Status.Conditions {
				if c.Type == "Ready" && c.Status == "True" {
					ready++
				}
			}
		}
		if ready >= want {
			return nil
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return fmt.Errorf("%d of %d at %s are Ready after %s", ready, want, path, simulatedLimit)
}
