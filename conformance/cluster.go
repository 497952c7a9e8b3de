package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// cluster is a cluster of Minato's in a home of its own, used as its owner would: with the AWS CLI.
type cluster struct {
	bin, home, kubeconfig, repositories string
	env                                 []string
	server                              *exec.Cmd
}

const clusterName = "conformance"

// start starts Minato and makes a cluster without nodes and without add-ons.
func start(ctx context.Context, bin string) (c *cluster, err error) {
	c = &cluster{bin: bin}
	if c.home, err = os.MkdirTemp("", "minato-conformance-"); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	listen := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(bin, "conformance", "minato.log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	c.server = exec.Command(filepath.Join(bin, "minato"), "up", "--home", c.home, "--listen", listen)
	c.server.Stdout, c.server.Stderr = log, log
	if err := c.server.Start(); err != nil {
		return nil, err
	}
	if err := c.prepare(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *cluster) prepare(ctx context.Context) error {
	c.env = os.Environ()
	var out string
	var err error
	for deadline := time.Now().Add(time.Minute); ; {
		if out, err = c.do(ctx, filepath.Join(c.bin, "minato"), "env", "--home", c.home); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return err
		}
		<-time.After(100 * time.Millisecond)
	}
	for line := range strings.Lines(out) {
		if variable, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			c.env = append(c.env, strings.ReplaceAll(variable, "'", ""))
		}
	}
	c.kubeconfig, c.repositories = filepath.Join(c.home, "kubeconfig"), filepath.Join(c.home, "repositories.yaml")
	const registries = "promoterE2eRegistry: minato.local/conformance\ngcRegistry: minato.local/conformance\ngcEtcdRegistry: minato.local/conformance\n"
	if err := os.WriteFile(c.repositories, []byte(registries), 0o600); err != nil {
		return err
	}
	role, err := c.role(ctx, "cluster", "eks.amazonaws.com", "AmazonEKSClusterPolicy")
	if err != nil {
		return err
	}
	subnets, err := c.aws(ctx, "ec2", "describe-subnets", "--query", "Subnets[0:2].SubnetId | join(',', @)", "--output", "text")
	if err != nil {
		return err
	}
	for _, command := range [][]string{
		{"eks", "create-cluster", "--name", clusterName, "--role-arn", role, "--resources-vpc-config", "subnetIds=" + subnets, "--no-bootstrap-self-managed-addons"},
		{"eks", "wait", "cluster-active", "--name", clusterName},
		{"eks", "update-kubeconfig", "--name", clusterName, "--kubeconfig", c.kubeconfig},
	} {
		if _, err := c.aws(ctx, command...); err != nil {
			return err
		}
	}
	return nil
}

// addNodes gives the cluster what a subset needs: a simulated node, without which the suite does not begin; or, in its place, the
// add-ons and one node that is large enough for every test.
func (c *cluster) addNodes(ctx context.Context, subset string) error {
	role, err := c.role(ctx, "node", "ec2.amazonaws.com", "AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly")
	if err != nil {
		return err
	}
	subnet, err := c.aws(ctx, "ec2", "describe-subnets", "--query", "Subnets[0].SubnetId", "--output", "text")
	if err != nil {
		return err
	}
	create := []string{
		"eks", "create-nodegroup", "--cluster-name", clusterName, "--nodegroup-name", subset, "--node-role", role, "--subnets", subnet,
		"--instance-types", "m5.2xlarge", "--scaling-config", "minSize=1,desiredSize=1,maxSize=1",
	}
	if subset == "none" {
		create = append(create, "--labels", "minato.dev/node=simulated")
	}
	commands := [][]string{create, {"eks", "wait", "nodegroup-active", "--cluster-name", clusterName, "--nodegroup-name", subset}}
	if subset == "one" { // coredns last: it cannot run without a node, and waiting for it would fail at once
		commands = slices.Concat(c.removeSimulated(ctx), [][]string{addon("create-addon", "vpc-cni"), addon("create-addon", "kube-proxy")}, commands, [][]string{
			addon("create-addon", "coredns"), slices.Insert(addon("addon-active", "coredns"), 1, "wait"),
		})
	}
	for _, command := range commands {
		if _, err := c.aws(ctx, command...); err != nil {
			return err
		}
	}
	return nil
}

// removeSimulated are the commands that remove the simulated node, if there is one.
func (c *cluster) removeSimulated(ctx context.Context) [][]string {
	group := []string{"--cluster-name", clusterName, "--nodegroup-name", "none"}
	if _, err := c.aws(ctx, append([]string{"eks", "describe-nodegroup"}, group...)...); err != nil {
		return nil
	}
	return [][]string{append([]string{"eks", "delete-nodegroup"}, group...), append([]string{"eks", "wait", "nodegroup-deleted"}, group...)}
}

func addon(command, name string) []string {
	return []string{"eks", command, "--cluster-name", clusterName, "--addon-name", name}
}

// role makes a role that a service may have, with AWS's policies.
func (c *cluster) role(ctx context.Context, name, service string, policies ...string) (arn string, err error) {
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":%q},"Action":"sts:AssumeRole"}]}`, service)
	if arn, err = c.aws(ctx, "iam", "get-role", "--role-name", name, "--query", "Role.Arn", "--output", "text"); err == nil {
		return arn, nil
	}
	arn, err = c.aws(ctx, "iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust, "--query", "Role.Arn", "--output", "text")
	if err != nil {
		return "", err
	}
	for _, policy := range policies {
		if _, err := c.aws(ctx, "iam", "attach-role-policy", "--role-name", name, "--policy-arn", "arn:aws:iam::aws:policy/"+policy); err != nil {
			return "", err
		}
	}
	return arn, nil
}

func (c *cluster) aws(ctx context.Context, args ...string) (string, error) {
	return c.do(ctx, "aws", args...)
}

func (c *cluster) do(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = c.env
	out, err := cmd.Output()
	if ended, ok := err.(*exec.ExitError); ok { //nolint:errorlint // it is not wrapped
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, ended.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// stop ends everything and leaves nothing but the logs.
func (c *cluster) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_, _ = c.do(ctx, filepath.Join(c.bin, "minato"), "down", "--purge", "--home", c.home)
	_ = c.server.Wait()
}
