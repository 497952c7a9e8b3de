package ec2

import (
	"context"
	"crypto/rand"
	"encoding/hex"
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
	if _, err := s.defaults().Get(ctx, scopeID(scope)); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	vpc := VPC{
		Scope: scope, ID: newID("vpc"), CIDR: defaultCIDR, AssociationID: newID("vpc-cidr-assoc"), DHCPOptionsID: newID("dopt"),
		IsDefault: true,
	}
	group := newSecurityGroup(scope, vpc.ID, "default", "default VPC security group", nil)
	ops := []store.Op{
		s.defaults().CreateOp(scopeID(scope), defaultNetwork{VPCID: vpc.ID}),
		s.vpcs().CreateOp(recordID(scope, vpc.ID), vpc),
		s.securityGroups().CreateOp(recordID(scope, group.ID), group),
	}
	for i, zone := range Zones(scope.Region) {
		n := Subnet{
			Scope: scope, ID: newID("subnet"), VPCID: vpc.ID, CIDR: defaultSubnetCIDRs[i], Zone: zone.Name, ZoneID: zone.ID,
			DefaultForAZ: true,
		}
		ops = append(ops, s.subnets().CreateOp(recordID(scope, n.ID), n))
	}
	_, err := s.Store.Commit(ctx, ops...)
	if errors.Is(err, store.ErrExists) { // somebody else has just done it
		return nil
	}
	return err
}

// newSecurityGroup makes a group whose members may talk to each other, and to everybody if they begin.
func newSecurityGroup(scope minato.Scope, vpcID, name, description string, tags minato.Tags) SecurityGroup {
	id := newID("sg")
	return SecurityGroup{
		Scope: scope, ID: id, Name: name, Description: description, VPCID: vpcID, Tags: tags,
		Ingress: []Rule{{Groups: []string{id}}},
		Egress:  []Rule{{CIDRs: []netip.Prefix{anywhere}}},
	}
}

// newID is a new resource id in EC2's form: the kind and 17 hexadecimal digits, the first of which is 0.
func newID(kind string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return kind + "-0" + hex.EncodeToString(b[:])
}
