package eks

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Network is what this service asks of EC2. The lookups answer what they find; what is missing from the answer does not exist.
type Network struct {
	Subnets        func(ctx context.Context, scope minato.Scope, ids []string) ([]Subnet, error)
	SecurityGroups func(ctx context.Context, scope minato.Scope, ids []string) ([]SecurityGroup, error)
	// CIDRs are the IPv4 blocks of a VPC.
	CIDRs func(ctx context.Context, scope minato.Scope, vpcID string) ([]netip.Prefix, error)
	// NewSecurityGroup names a security group that does not exist yet and gives the ops that make it exist.
	NewSecurityGroup func(ctx context.Context, scope minato.Scope, g NewSecurityGroup) (id string, ops []store.Op, err error)
}

// Subnet is what matters of a subnet here.
type Subnet struct {
	ID               string
	VPCID            string
	AvailabilityZone string
	FreeAddresses    int
	// Public is whether it has a route to an internet gateway.
	Public bool
}

// SecurityGroup is what matters of a security group here.
type SecurityGroup struct {
	ID    string
	VPCID string
}

// NewSecurityGroup describes a security group to be made.
type NewSecurityGroup struct {
	Name        string
	Description string
	VPCID       string
	Tags        minato.Tags
}

// maxSecurityGroups is how many security groups a cluster can be given besides its own (API reference, VpcConfigRequest).
const maxSecurityGroups = 5

// checkSubnets checks the subnets of a cluster, two zones of one VPC at least, and tells their VPC and zones.
func (s *Service) checkSubnets(ctx context.Context, scope minato.Scope, ids []string) (vpcID string, zoneNames []string, err error) {
	if len(ids) == 0 {
		return "", nil, minato.Errorf(minato.Invalid, "subnetIds is empty: a cluster needs subnets in at least two different AZs")
	}
	subnets, err := s.Network.Subnets(ctx, scope, ids)
	if err != nil {
		return "", nil, err
	}
	zones, vpcs := map[string]bool{}, map[string]bool{}
	for _, id := range ids {
		i := slices.IndexFunc(subnets, func(n Subnet) bool { return n.ID == id })
		if i < 0 {
			return "", nil, minato.Errorf(minato.Invalid, "The subnet ID '%s' was not found in account %s, region %s: `aws ec2 describe-subnets` lists those there are",
				id, scope.Account, scope.Region)
		}
		zones[subnets[i].AvailabilityZone] = true
		vpcs[subnets[i].VPCID] = true
		vpcID = subnets[i].VPCID
	}
	if len(vpcs) > 1 {
		return "", nil, minato.Errorf(minato.Invalid, "Subnets specified must be in the same VPC, these are in %d: %s", len(vpcs), strings.Join(ids, ", "))
	}
	if len(zones) < 2 {
		return "", nil, minato.Errorf(minato.Invalid, "Subnets specified must be in at least two different AZs")
	}
	return vpcID, slices.Sorted(maps.Keys(zones)), nil
}

// checkSecurityGroups checks that the groups exist in the VPC.
func (s *Service) checkSecurityGroups(ctx context.Context, scope minato.Scope, vpcID string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if len(ids) > maxSecurityGroups {
		return minato.Errorf(minato.Invalid, "securityGroupIds has %d entries, at most %d are allowed", len(ids), maxSecurityGroups)
	}
	groups, err := s.Network.SecurityGroups(ctx, scope, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(groups, func(g SecurityGroup) bool { return g.ID == id && g.VPCID == vpcID }) {
			return minato.Errorf(minato.Invalid, "The security group '%s' was not found in %s, the VPC of the subnets", id, vpcID)
		}
	}
	return nil
}

// serviceRanges are where a service CIDR must lie (API reference, KubernetesNetworkConfigRequest).
var serviceRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
}

// The service CIDRs that EKS takes when none is given: the second one where the VPC is in 10.0.0.0/8.
const (
	defaultServiceCIDR  = "10.100.0.0/16"
	fallbackServiceCIDR = "172.20.0.0/16"
)

// serviceCIDR checks the service CIDR of a new cluster, or chooses one when it was given none.
func (s *Service) serviceCIDR(ctx context.Context, scope minato.Scope, vpcID, cidr string) (string, error) {
	blocks, err := s.Network.CIDRs(ctx, scope, vpcID)
	if err != nil {
		return "", err
	}
	if cidr == "" {
		if slices.ContainsFunc(blocks, serviceRanges[0].Overlaps) {
			return fallbackServiceCIDR, nil
		}
		return defaultServiceCIDR, nil
	}
	p, err := netip.ParsePrefix(cidr)
	if err != nil || !p.Addr().Is4() || p != p.Masked() {
		return "", minato.Errorf(minato.Invalid, "serviceIpv4Cidr %q is not an IPv4 network: want a network address and a length, such as %s", cidr, defaultServiceCIDR)
	}
	if p.Bits() < 12 || p.Bits() > 24 {
		return "", minato.Errorf(minato.Invalid, "serviceIpv4Cidr %s must be between /24 and /12", cidr)
	}
	if !slices.ContainsFunc(serviceRanges, func(r netip.Prefix) bool { return r.Overlaps(p) && r.Bits() <= p.Bits() }) {
		return "", minato.Errorf(minato.Invalid, "serviceIpv4Cidr %s must be within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16", cidr)
	}
	if i := slices.IndexFunc(blocks, p.Overlaps); i >= 0 {
		return "", minato.Errorf(minato.Invalid, "serviceIpv4Cidr %s overlaps the CIDR block %s of %s", cidr, blocks[i], vpcID)
	}
	return cidr, nil
}

// maxPublicCIDRs is the quota "Public endpoint access CIDR ranges per cluster" (L-93A74D60).
const maxPublicCIDRs = 40

// checkPublicCIDRs checks who is let in to the endpoint. Unlike AWS, private ranges are fine: that is where our clients are.
func checkPublicCIDRs(cidrs []string) error {
	if len(cidrs) > maxPublicCIDRs {
		return minato.Errorf(minato.Invalid, "publicAccessCidrs has %d entries, at most %d are allowed", len(cidrs), maxPublicCIDRs)
	}
	var bad []string
	for _, c := range cidrs {
		if p, err := netip.ParsePrefix(c); err != nil || !p.Addr().Is4() {
			bad = append(bad, c)
		}
	}
	if len(bad) > 0 {
		return minato.Errorf(minato.Invalid, "The following CIDRs are invalid in publicAccessCidrs: [%s]. Want IPv4 networks such as 203.0.113.0/24", strings.Join(bad, ", "))
	}
	return nil
}
