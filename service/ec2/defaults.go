package ec2

import (
	"context"
	"errors"
	"net/netip"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// defaultNetwork says that a scope has got its default VPC, and which one it is.
type defaultNetwork struct {
	VPCID string `json:"vpcId"`
}

// The blocks of a default VPC and of its subnets, by zone, as on AWS.
var (
	defaultCIDR        = netip.MustParsePrefix("172.31.0.0/16")
	defaultSubnetCIDRs = []netip.Prefix{
		netip.MustParsePrefix("172.31.0.0/20"), netip.MustParsePrefix("172.31.16.0/20"), netip.MustParsePrefix("172.31.32.0/20"),
	}
	anywhere = netip.MustParsePrefix("0.0.0.0/0")
)

// EnsureDefaults gives an account its default VPC, subnets and security group in a region, unless it has them.
func (s *Service) EnsureDefaults(ctx context.Context, scope minato.Scope) error {
	network, err := s.defaults().Get(ctx, scopeID(scope))
	if err == nil {
		return s.ensureRoster(ctx, scope, network.Value.VPCID)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	vpc := VPC{
		Scope: scope, ID: newID("vpc"), CIDR: defaultCIDR, AssociationID: newID("vpc-cidr-assoc"), DHCPOptionsID: newID("dopt"),
		IsDefault: true,
	}
	group := newSecurityGroup(scope, vpc.ID, defaultGroupName, "default VPC security group", nil)
	ops := []store.Op{
		s.defaults().CreateOp(scopeID(scope), defaultNetwork{VPCID: vpc.ID}),
		s.vpcs().CreateOp(recordID(scope, vpc.ID), vpc),
		s.rosters().CreateOp(recordID(scope, vpc.ID), roster{}),
		s.securityGroups().CreateOp(recordID(scope, group.ID), group),
	}
	for i, zone := range Zones(scope.Region) {
		n := Subnet{
			Scope: scope, ID: newID("subnet"), VPCID: vpc.ID, CIDR: defaultSubnetCIDRs[i], Zone: zone.Name, ZoneID: zone.ID,
			DefaultForAZ: true,
		}
		ops = append(ops, s.subnets().CreateOp(recordID(scope, n.ID), n))
	}
	_, err = s.Store.Commit(ctx, ops...)
	return unlessExists(err)
}

// ensureRoster gives a VPC its roster, which those of Minatos before nodes do not have.
func (s *Service) ensureRoster(ctx context.Context, scope minato.Scope, vpcID string) error {
	_, err := s.rosters().Create(ctx, recordID(scope, vpcID), roster{})
	return unlessExists(err)
}

// unlessExists forgives that somebody else has just done it.
func unlessExists(err error) error {
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

// defaultGroupName is the name of the security group that every VPC has.
const defaultGroupName = "default"

// newSecurityGroup makes a group whose members may talk to each other, and to everybody if they begin.
func newSecurityGroup(scope minato.Scope, vpcID, name, description string, tags minato.Tags) SecurityGroup {
	id := newID("sg")
	return SecurityGroup{
		Scope: scope, ID: id, Name: name, Description: description, VPCID: vpcID, Tags: tags,
		Ingress: []Rule{{ID: newID("sgr"), Groups: []string{id}}},
		Egress:  []Rule{{ID: newID("sgr"), CIDRs: []netip.Prefix{anywhere}}},
	}
}
