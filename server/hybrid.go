package server

import (
	"context"
	"encoding/base64"
	"errors"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/ssm"
)

func (s *Server) ssmService() *ssm.Service {
	return &ssm.Service{
		Store: s.store, Now: s.clock.Now, Authorize: s.iam.Authorize, PassRole: s.iam.PassRole, Role: s.iam.Role,
		Session: s.sts.ManagedInstanceSession, Cluster: s.hybridCluster,
	}
}

// hybridCluster is what a hybrid node must know of its cluster. Its CA and endpoint are no secrets.
func (s *Server) hybridCluster(ctx context.Context, scope minato.Scope, name string) (ssm.Cluster, error) {
	item, err := eks.Clusters(s.store).Get(ctx, eks.ClusterKey(scope, name))
	if errors.Is(err, store.ErrNotFound) {
		return ssm.Cluster{}, minato.Errorf(minato.NotFound, "No cluster found for name: %s.", name)
	}
	if err != nil {
		return ssm.Cluster{}, err
	}
	c := item.Value
	if c.Status.Endpoint == "" {
		return ssm.Cluster{}, minato.Errorf(minato.Unavailable, "cluster %s is %s", name, c.Status.Status)
	}
	ca, err := base64.StdEncoding.DecodeString(c.Status.CAData)
	if err != nil {
		return ssm.Cluster{}, err
	}
	out := ssm.Cluster{
		ID: c.ID, Name: c.Name, Version: c.Spec.Version, Endpoint: c.Status.Endpoint, CA: ca, ServiceCIDR: c.Spec.ServiceIPv4CIDR,
	}
	if n := c.Spec.RemoteNetworks; n != nil {
		out.NodeNetworks, out.PodNetworks = n.Nodes, n.Pods
	}
	return out, nil
}
