package ec2

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// How large the blocks of VPCs and subnets may be, in bits of their prefix (VPC user guide, "VPC CIDR blocks").
const (
	largestBlock  = 16
	smallestBlock = 28
)

// maxBlocks is how many blocks a VPC may have (Amazon VPC quotas).
const maxBlocks = 5

// unusable are addresses that no VPC may have: those that AWS refuses, and those at which a VPC finds Minato.
var unusable = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("224.0.0.0/3"),
}

// CreateVPC makes a VPC with a main route table, a security group and a network ACL.
func (s *Service) CreateVPC(ctx context.Context, c Caller, cidr string, tags minato.Tags) (VPC, error) {
	if err := s.allowCreate(ctx, c, "ec2:CreateVpc", vpcKind.resource, tags); err != nil {
		return VPC{}, err
	}
	block, err := parseVPCBlock(cidr)
	if err != nil {
		return VPC{}, err
	}
	network, err := s.defaults().Get(ctx, scopeID(c.Scope))
	if err != nil {
		return VPC{}, readError(s.defaults().Key(scopeID(c.Scope)), err)
	}
	v := newVPC(c.Scope, block)
	v.DHCPOptionsID, v.Tags = network.Value.DHCPOptionsID, tags
	_, err = s.Store.Commit(ctx, s.newVPCOps(v, newRouteTable(v, true))...)
	return v, err
}

func newVPC(scope minato.Scope, block netip.Prefix) VPC {
	return VPC{Scope: scope, ID: newID("vpc"), CIDR: block, AssociationID: newID("vpc-cidr-assoc"), NetworkACLID: newID("acl")}
}

// newVPCOps make a VPC with what every VPC has.
func (s *Service) newVPCOps(v VPC, main RouteTable) []store.Op {
	group := newSecurityGroup(v.Scope, v.ID, defaultGroupName, "default VPC security group", nil)
	return []store.Op{
		s.vpcs().CreateOp(recordID(v.Scope, v.ID), v),
		s.rosters().CreateOp(recordID(v.Scope, v.ID), roster{}),
		s.securityGroups().CreateOp(recordID(v.Scope, group.ID), group),
		s.routeTables().CreateOp(recordID(v.Scope, main.ID), main),
	}
}

// parseBlock reads a CIDR block in the way of EC2, which takes the bits behind the prefix for zero.
func parseBlock(cidr string) (netip.Prefix, error) {
	block, err := netip.ParsePrefix(cidr)
	if err != nil || !block.Addr().Is4() {
		return block, invalid("Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", cidr)
	}
	return block.Masked(), nil
}

func parseVPCBlock(cidr string) (netip.Prefix, error) {
	if cidr == "" {
		return netip.Prefix{}, missingParameter("cidrBlock")
	}
	block, err := parseBlock(cidr)
	if err != nil {
		return block, err
	}
	if block.Bits() < largestBlock || block.Bits() > smallestBlock || slices.ContainsFunc(unusable, block.Overlaps) {
		return block, minato.Errorf(minato.Invalid, "The CIDR '%s' is invalid.", cidr).Because("InvalidVpc.Range")
	}
	return block, nil
}

// DeleteVPC removes a VPC that has nothing but what it was made with.
func (s *Service) DeleteVPC(ctx context.Context, c Caller, id string) error {
	if _, err := find(ctx, s, c, "ec2:DeleteVpc", &vpcKind, id); err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		item, err := need(ctx, s, &vpcKind, c.Scope, id)
		if err != nil {
			return nil, err
		}
		rosterID := recordID(c.Scope, id)
		roster, err := s.rosters().Get(ctx, rosterID)
		if err != nil {
			return nil, readError(s.rosters().Key(rosterID), err)
		}
		own, err := s.ownParts(ctx, item.Value)
		return append(own, s.vpcs().DeleteOp(item), s.rosters().DeleteOp(roster)), err
	})
}

// ownParts gives the ops that remove what a VPC was made with, or says that there is more in it.
func (s *Service) ownParts(ctx context.Context, v VPC) ([]store.Op, error) {
	hasMore := dependency("The vpc '%s' has dependencies and cannot be deleted.", v.ID)
	subnets, err := list(ctx, s, s.subnets(), v.Scope)
	if err != nil {
		return nil, err
	}
	nics, err := list(ctx, s, s.interfaces(), v.Scope)
	if err != nil {
		return nil, err
	}
	gateways, err := list(ctx, s, s.internetGateways(), v.Scope)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(subnets, func(n Subnet) bool { return n.VPCID == v.ID }) ||
		slices.ContainsFunc(nics, func(n Interface) bool { return n.VPCID == v.ID }) ||
		slices.ContainsFunc(gateways, func(g InternetGateway) bool { return g.VPCID == v.ID }) {
		return nil, hasMore
	}
	groups, err := list(ctx, s, s.securityGroups(), v.Scope)
	if err != nil {
		return nil, err
	}
	tables, err := list(ctx, s, s.routeTables(), v.Scope)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for _, g := range groups {
		if g.VPCID != v.ID {
			continue
		}
		if g.Name != defaultGroupName {
			return nil, hasMore
		}
		ops = append(ops, store.Delete(s.securityGroups().Key(recordID(v.Scope, g.ID)), store.AnyRevision))
	}
	for _, t := range tables {
		if t.VPCID != v.ID {
			continue
		}
		if !t.Main() {
			return nil, hasMore
		}
		ops = append(ops, store.Delete(s.routeTables().Key(recordID(v.Scope, t.ID)), store.AnyRevision))
	}
	return ops, nil
}

// VPCAttributes are what ModifyVpcAttribute changes; nil leaves an attribute as it is.
type VPCAttributes struct {
	DNSSupport, DNSHostnames *bool
}

// ModifyVPC changes attributes of a VPC.
func (s *Service) ModifyVPC(ctx context.Context, c Caller, id string, a VPCAttributes) error {
	_, err := modify(ctx, s, c, "ec2:ModifyVpcAttribute", &vpcKind, id, func(v *VPC) error {
		if a.DNSSupport != nil {
			v.NoDNSSupport = !*a.DNSSupport
		}
		if a.DNSHostnames != nil {
			v.DNSHostnames = *a.DNSHostnames
		}
		return nil
	})
	return err
}

// VPCForAttributes reads a VPC for whoever may see its attributes.
func (s *Service) VPCForAttributes(ctx context.Context, c Caller, id string) (VPC, error) {
	item, err := find(ctx, s, c, "ec2:DescribeVpcAttribute", &vpcKind, id)
	return item.Value, err
}

// AssociateCIDRBlock adds a block to a VPC.
func (s *Service) AssociateCIDRBlock(ctx context.Context, c Caller, id, cidr string) (CIDRBlock, error) {
	added := CIDRBlock{AssociationID: newID("vpc-cidr-assoc")}
	_, err := modify(ctx, s, c, "ec2:AssociateVpcCidrBlock", &vpcKind, id, func(v *VPC) (err error) {
		if added.CIDR, err = parseVPCBlock(cidr); err != nil {
			return err
		}
		blocks := v.Blocks()
		if slices.ContainsFunc(blocks, func(b CIDRBlock) bool { return b.CIDR.Overlaps(added.CIDR) }) {
			return minato.Errorf(minato.Invalid, "The CIDR '%s' conflicts with another block of the VPC", cidr).Because("InvalidVpc.Range")
		}
		if len(blocks) >= maxBlocks {
			return minato.Errorf(minato.LimitExceeded, "This network '%s' has met its maximum number of allowed CIDRs: %d", v.ID, maxBlocks).
				Because("CidrLimitExceeded")
		}
		v.Secondary = append(v.Secondary, added)
		return nil
	})
	return added, err
}

// DisassociateCIDRBlock takes a block that was added out of its VPC.
func (s *Service) DisassociateCIDRBlock(ctx context.Context, c Caller, associationID string) (VPC, CIDRBlock, error) {
	vpcs, err := list(ctx, s, s.vpcs(), c.Scope)
	if err != nil {
		return VPC{}, CIDRBlock{}, err
	}
	is := func(b CIDRBlock) bool { return b.AssociationID == associationID }
	i := slices.IndexFunc(vpcs, func(v VPC) bool { return slices.ContainsFunc(v.Blocks(), is) })
	missing := minato.Errorf(minato.NotFound, "The vpc CIDR block with association ID %s does not exist", associationID).
		Because("InvalidVpcCidrBlockAssociationID.NotFound")
	if i < 0 {
		return VPC{}, CIDRBlock{}, cmp.Or(s.permitted(ctx, c, "ec2:DisassociateVpcCidrBlock", target{}), error(missing))
	}
	v := vpcs[i]
	if _, err := find(ctx, s, c, "ec2:DisassociateVpcCidrBlock", &vpcKind, v.ID); err != nil {
		return v, CIDRBlock{}, err
	}
	var removed CIDRBlock
	err = s.commit(ctx, func() ([]store.Op, error) {
		unchanged, err := s.nothingJoined(ctx, c.Scope, v.ID)
		if err != nil {
			return nil, err
		}
		item, err := need(ctx, s, &vpcKind, c.Scope, v.ID)
		if err != nil {
			return nil, err
		}
		if item.Value.AssociationID == associationID {
			return nil, minato.Errorf(minato.WrongState, "The vpc CIDR block with association ID %s may not be disassociated. "+
				"It is the primary IPv4 CIDR block of the VPC", associationID).Because("OperationNotPermitted")
		}
		at := slices.IndexFunc(item.Value.Secondary, is)
		if at < 0 {
			return nil, missing
		}
		removed = item.Value.Secondary[at]
		if err := s.unusedBlock(ctx, v, removed); err != nil {
			return nil, err
		}
		item.Value.Secondary = slices.Delete(item.Value.Secondary, at, at+1)
		return []store.Op{unchanged, s.vpcs().UpdateOp(item)}, nil
	})
	return v, removed, err
}

func (s *Service) unusedBlock(ctx context.Context, v VPC, b CIDRBlock) error {
	subnets, err := list(ctx, s, s.subnets(), v.Scope)
	if err != nil {
		return err
	}
	for _, n := range subnets {
		if n.VPCID == v.ID && b.CIDR.Overlaps(n.CIDR) {
			return dependency("The vpc CIDR block with association ID %s is used by %s and cannot be disassociated", b.AssociationID, n.ID)
		}
	}
	return nil
}
