package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"strconv"

	"minato.dev/minato"
	"minato.dev/minato/cluster/node/machine"
	"minato.dev/minato/cluster/node/nodeadm"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// spec is what the instance's machine is made from, and the id of the cluster that it joins, empty if that is none of ours. An
// error of kind Invalid will not go away.
func (c *Controller) spec(ctx context.Context, i ec2.Instance) (machine.Spec, string, error) {
	itype, ok := ec2.InstanceTypeByName(i.Type)
	if !ok {
		return machine.Spec{}, "", minato.Errorf(minato.Invalid, "the instance type %s is not known any more", i.Type)
	}
	config, err := nodeadm.Parse(i.UserData)
	if err == nil {
		err = config.Validate()
	}
	if err != nil {
		return machine.Spec{}, "", err
	}
	s := machine.Spec{
		InstanceID: i.ID, InstanceType: i.Type, ImageID: i.ImageID, Account: i.Scope.Account, Region: string(i.Scope.Region), Zone: i.Zone,
		ReservationID: i.ReservationID, LaunchIndex: i.LaunchIndex, Spot: i.Spot,
		Name: i.PrivateDNSName, LaunchedAt: i.LaunchedAt, UserData: i.UserData, HopLimit: i.Metadata.HopLimit, TokensOptional: i.Metadata.TokensOptional,
		SecurityGroups: i.SecurityGroups, Tags: maps.Clone(i.Tags), KubeletConfig: config.Kubelet.Config, KubeletFlags: config.Kubelet.Flags,
		Size: machine.Size{VCPUs: itype.VCPUs, MemoryMiB: itype.MemoryMiB, DiskGiB: i.DiskGiB, MaxPods: itype.MaxPods()},
	}
	if !i.RoleARN.IsZero() {
		s.ProfileARN, s.Role = i.ProfileARN.String(), i.RoleARN.ResourceName()
	}
	if s.Network, err = c.network(ctx, i, &s); err != nil {
		return s, "", err
	}
	cluster, err := c.joins(ctx, i, config.Cluster, &s)
	if err != nil {
		return s, "", err
	}
	s.Programs, err = c.deps.Programs(i.Minor)
	return s, cluster, c.wrap(i, err)
}

// network is the instance's place in its VPC.
func (c *Controller) network(ctx context.Context, i ec2.Instance, s *machine.Spec) (machine.Network, error) {
	nic, err := c.interfaces.Get(ctx, ec2.RecordID(i.Scope, i.InterfaceID))
	if err != nil {
		return machine.Network{}, c.wrap(i, err)
	}
	subnet, err := c.subnets.Get(ctx, ec2.RecordID(i.Scope, i.SubnetID))
	if err != nil {
		return machine.Network{}, c.wrap(i, err)
	}
	vpc, err := c.vpcs.Get(ctx, ec2.RecordID(i.Scope, i.VPCID))
	if err != nil {
		return machine.Network{}, c.wrap(i, err)
	}
	if len(nic.Value.Addresses) == 0 {
		return machine.Network{}, c.wrap(i, errors.New("its network interface has no address"))
	}
	s.ZoneID = subnet.Value.ZoneID
	var cidrs []netip.Prefix
	for _, b := range vpc.Value.Blocks() {
		cidrs = append(cidrs, b.CIDR)
	}
	return machine.Network{
		VPCID: i.VPCID, VPCCIDRs: cidrs, SubnetID: i.SubnetID, Subnet: subnet.Value.CIDR,
		InterfaceID: nic.Value.ID, MAC: nic.Value.MAC, Addresses: nic.Value.Addresses,
	}, nil
}

// joins fills in the cluster that the user data names. If it is one of ours, and the endpoint is the one that DescribeCluster
// tells, the node goes by the address that the endpoint has inside the VPC.
func (c *Controller) joins(ctx context.Context, i ec2.Instance, want nodeadm.Cluster, s *machine.Spec) (clusterID string, err error) {
	services, err := netip.ParsePrefix(want.CIDR)
	if err != nil {
		return "", minato.Errorf(minato.Invalid, "the user data's Service network %q is not a CIDR", want.CIDR)
	}
	s.Cluster = machine.Cluster{Name: want.Name, Endpoint: want.APIServerEndpoint, CA: want.CertificateAuthority, DNS: dnsOf(services)}
	cluster, err := c.clusters.Get(ctx, eks.ClusterKey(i.Scope, want.Name))
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	plane, err := c.planes.Get(ctx, cluster.Value.ID)
	if err != nil {
		return "", fmt.Errorf("reading the control plane of cluster %s: %w", want.Name, err)
	}
	if port := strconv.Itoa(plane.Value.Port); portOf(want.APIServerEndpoint) == port {
		s.Cluster.Endpoint = "https://" + net.JoinHostPort(machine.ServiceAddress.String(), port)
	}
	return cluster.Value.ID, nil
}

func portOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Port()
}

// dnsOf is the tenth address of the Service network, where EKS's CoreDNS listens.
func dnsOf(services netip.Prefix) netip.Addr {
	a := services.Masked().Addr()
	for range 10 {
		a = a.Next()
	}
	return a
}
