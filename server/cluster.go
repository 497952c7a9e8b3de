package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
)

// clusterRole is the role that `minato up --cluster` gives the cluster it creates.
const clusterRole = "minato-eks-cluster"

const clusterTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// clusterTimeout is how long the cluster of --cluster may take to be ACTIVE; a minor's first start on a cold disk takes longest.
const clusterTimeout = 5 * time.Minute

// ensureCluster creates the cluster that --cluster names, as the first account's administrator would, and waits until it is
// ACTIVE.
func (s *Server) ensureCluster(ctx context.Context) (string, error) {
	if s.o.Cluster == "" {
		return "none asked for", nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, clusterTimeout, fmt.Errorf("it was not ACTIVE within %s: see `minato status`", clusterTimeout))
	defer cancel()
	scope := minato.Scope{Account: s.cfg.Accounts[0], Region: s.cfg.Region}
	if err := s.createCluster(ctx, scope); err != nil {
		return "", err
	}
	return s.waitActive(ctx, scope)
}

func (s *Server) createCluster(ctx context.Context, scope minato.Scope) error {
	_, err := eks.Clusters(s.store).Get(ctx, eks.ClusterKey(scope, s.o.Cluster))
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	keys, err := s.dir.LoadCredentials()
	if err != nil {
		return err
	}
	admin, err := s.iam.Credentials(ctx, keys[scope.Account].AccessKeyID, "")
	if err != nil {
		return fmt.Errorf("the administrator's key: %w", err)
	}
	_, err = s.iam.CreateRole(ctx, scope.Account, iam.NewRole{Path: "/", Name: clusterRole, Trust: clusterTrust})
	if err != nil && !minato.Is(err, minato.AlreadyExists) {
		return err
	}
	subnets, err := s.ec2.DefaultSubnets(ctx, scope)
	if err != nil {
		return err
	}
	var vpc eks.VPCRequest
	for _, n := range subnets {
		vpc.SubnetIDs = append(vpc.SubnetIDs, n.ID)
	}
	_, err = s.eks.CreateCluster(ctx, eks.Caller{Credential: admin, Scope: scope}, eks.CreateClusterRequest{
		Name:    s.o.Cluster,
		Version: s.o.Version,
		RoleARN: minato.NewARN("iam", "", scope.Account, "role/"+clusterRole).String(),
		VPC:     vpc,
		// As in the console: access entries work, and aws-auth does.
		AuthenticationMode: "API_AND_CONFIG_MAP",
	})
	return err
}

func (s *Server) waitActive(ctx context.Context, scope minato.Scope) (string, error) {
	key := eks.ClusterKey(scope, s.o.Cluster)
	clusters := eks.Clusters(s.store)
	item, err := clusters.Get(ctx, key)
	if err != nil {
		return "", err
	}
	if detail, done, err := s.settled(item.Value); done {
		return detail, err
	}
	for batch := range s.store.Watch(ctx, clusters.Key(key), item.Revision) {
		for _, event := range batch.Events {
			if event.Key != clusters.Key(key) || event.Deleted {
				continue
			}
			if item, err = clusters.Decode(event.Entry); err != nil {
				return "", err
			}
			if detail, done, err := s.settled(item.Value); done {
				return detail, err
			}
		}
		if batch.Err != nil {
			return "", batch.Err
		}
	}
	return "", context.Cause(ctx)
}

// settled is whether a cluster has come to what it will be, and reports what it waits for if not.
func (s *Server) settled(c eks.Cluster) (detail string, done bool, err error) {
	switch c.Status.Status {
	case eks.ClusterActive, eks.ClusterUpdating:
		return fmt.Sprintf("%s is ACTIVE, Kubernetes %s at %s", c.Name, c.Spec.Version, c.Status.Endpoint), true, nil
	case eks.ClusterFailed:
		return "", true, fmt.Errorf("cluster %s FAILED: %v", c.Name, c.Status.Health)
	}
	s.step.Update(underWay(c))
	return "", false, nil
}

// underWay says what a cluster that is not ACTIVE yet is waiting for.
func underWay(c eks.Cluster) string {
	for _, cond := range c.Status.Conditions {
		if !cond.OK {
			return fmt.Sprintf("%s is %s, %s: %s", c.Name, c.Status.Status, cond.Type, cond.Message)
		}
	}
	return fmt.Sprintf("%s is %s", c.Name, c.Status.Status)
}

// printWelcome tells what to type next.
func (s *Server) printWelcome() {
	homeFlag := ""
	if d, err := home.Default(); err != nil || d != s.dir {
		homeFlag = " --home " + string(s.dir)
	}
	name := s.o.Cluster
	fmt.Fprintf(s.out, "\nMinato is up at %s. In another terminal:\n\n", s.cfg.EndpointURL())
	fmt.Fprintf(s.out, "    eval \"$(%s env%s)\"\n", s.o.Executable, homeFlag)
	if name == "" {
		fmt.Fprintf(s.out, "    aws eks list-clusters\n")
	} else {
		fmt.Fprintf(s.out, "    aws eks update-kubeconfig --name %s\n    kubectl get --raw /readyz && kubectl get namespaces\n", name)
	}
	if s.o.Detached {
		fmt.Fprintf(s.out, "\nIt runs in the background as pid %d, logs are in %s.\n%s down%s stops everything; what is stored stays.\n",
			os.Getpid(), s.dir.Logs(), s.o.Executable, homeFlag)
		return
	}
	fmt.Fprintf(s.out, "\nCtrl-C stops everything; what is stored stays.\n")
}
