package ec2

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"minato.dev/minato"
)

// What follows is there to look at, and follows from other records or is the same for everybody.

// NetworkACL is the network ACL of a VPC, which lets everything through. There are no others.
type NetworkACL struct {
	Scope   minato.Scope
	ID      string
	VPCID   string
	Subnets []string
}

// AssociationID is that of the network ACL with a subnet.
func (a NetworkACL) AssociationID(subnetID string) string {
	sum := sha256.Sum256([]byte(a.ID + " " + subnetID))
	return "aclassoc-0" + hex.EncodeToString(sum[:8])
}

var networkACLKind = kind[NetworkACL]{
	noun: "networkAcl ID", notFound: "InvalidNetworkAclID.NotFound",
	id:    func(a NetworkACL) string { return a.ID },
	order: func(a NetworkACL) string { return a.ID },
	tags:  func(*NetworkACL) *minato.Tags { return &minato.Tags{} },
	filters: withNone(map[string]func(NetworkACL) []string{
		"association.association-id": func(a NetworkACL) []string { return texts(a.Subnets, a.AssociationID) },
		"association.network-acl-id": func(a NetworkACL) []string { return times(len(a.Subnets), a.ID) },
		"association.subnet-id":      func(a NetworkACL) []string { return a.Subnets },
		"default":                    fixed[NetworkACL]("true"),
		"network-acl-id":             one(func(a NetworkACL) string { return a.ID }),
		"owner-id":                   one(func(a NetworkACL) string { return a.Scope.Account }),
		"vpc-id":                     one(func(a NetworkACL) string { return a.VPCID }),

		"entry.cidr":        fixed[NetworkACL]("0.0.0.0/0"),
		"entry.egress":      fixed[NetworkACL]("true", "false"),
		"entry.protocol":    fixed[NetworkACL]("-1"),
		"entry.rule-action": fixed[NetworkACL]("allow", "deny"),
		"entry.rule-number": fixed[NetworkACL]("100", "32767"),
	}, "entry.icmp.code", "entry.icmp.type", "entry.ipv6-cidr", "entry.port-range.from", "entry.port-range.to"),
}

// DescribeNetworkACLs lists the network ACLs of the caller's account and region.
func (s *Service) DescribeNetworkACLs(ctx context.Context, c Caller, d Describe) (Page[NetworkACL], error) {
	return describe(ctx, s, c, "ec2:DescribeNetworkAcls", d, &networkACLKind, func() ([]NetworkACL, error) {
		vpcs, err := list(ctx, s, s.vpcs(), c.Scope)
		if err != nil {
			return nil, err
		}
		subnets, err := list(ctx, s, s.subnets(), c.Scope)
		var all []NetworkACL
		for _, v := range vpcs {
			acl := NetworkACL{Scope: c.Scope, ID: v.NetworkACLID, VPCID: v.ID}
			for _, n := range subnets {
				if n.VPCID == v.ID {
					acl.Subnets = append(acl.Subnets, n.ID)
				}
			}
			all = append(all, acl)
		}
		return all, err
	})
}

// DHCPOptions are the DHCP options of all VPCs in a scope.
type DHCPOptions struct {
	Scope minato.Scope
	ID    string
}

var dhcpOptionsKind = kind[DHCPOptions]{
	noun: "dhcpOption ID", notFound: "InvalidDhcpOptionID.NotFound",
	id:    func(o DHCPOptions) string { return o.ID },
	order: func(o DHCPOptions) string { return o.ID },
	tags:  func(*DHCPOptions) *minato.Tags { return &minato.Tags{} },
	filters: map[string]func(DHCPOptions) []string{
		"dhcp-options-id": one(func(o DHCPOptions) string { return o.ID }),
		"key":             fixed[DHCPOptions]("domain-name", "domain-name-servers"),
		"owner-id":        one(func(o DHCPOptions) string { return o.Scope.Account }),
		"value":           func(o DHCPOptions) []string { return []string{DNSDomain(o.Scope.Region), "AmazonProvidedDNS"} },
	},
}

// DescribeDHCPOptions lists the DHCP options of the caller's account and region.
func (s *Service) DescribeDHCPOptions(ctx context.Context, c Caller, d Describe) (Page[DHCPOptions], error) {
	return describe(ctx, s, c, "ec2:DescribeDhcpOptions", d, &dhcpOptionsKind, func() ([]DHCPOptions, error) {
		network, err := s.defaults().Get(ctx, scopeID(c.Scope))
		if err != nil {
			return nil, readError(s.defaults().Key(scopeID(c.Scope)), err)
		}
		return []DHCPOptions{{c.Scope, network.Value.DHCPOptionsID}}, nil
	})
}

// Endpoint is where the API of a region is on AWS.
func (r RegionView) Endpoint() string { return "ec2." + string(r.Region) + ".amazonaws.com" }

// RegionView is a region as it is described.
type RegionView struct{ Region minato.Region }

var regionKind = kind[RegionView]{
	noun: "region", notFound: "InvalidParameterValue",
	id:    func(r RegionView) string { return string(r.Region) },
	order: func(r RegionView) string { return string(r.Region) },
	filters: map[string]func(RegionView) []string{
		"endpoint":      one(RegionView.Endpoint),
		"opt-in-status": fixed[RegionView]("opt-in-not-required"),
		"region-name":   one(func(r RegionView) string { return string(r.Region) }),
	},
}

// DescribeRegions lists the one region that this server is.
func (s *Service) DescribeRegions(ctx context.Context, c Caller, d Describe) (Page[RegionView], error) {
	return describe(ctx, s, c, "ec2:DescribeRegions", d, &regionKind, func() ([]RegionView, error) { return []RegionView{{c.Scope.Region}}, nil })
}

// AccountAttribute is a fact of an account, with its values.
type AccountAttribute struct {
	Name   string
	Values []string
}

// DescribeAccountAttributes lists what EC2 says of an account: that it knows VPCs only, which is the default one, and quotas.
func (s *Service) DescribeAccountAttributes(ctx context.Context, c Caller, names []string) ([]AccountAttribute, error) {
	if err := s.allow(ctx, c, "ec2:DescribeAccountAttributes", target{}); err != nil {
		return nil, err
	}
	network, err := s.defaults().Get(ctx, scopeID(c.Scope))
	if err != nil {
		return nil, readError(s.defaults().Key(scopeID(c.Scope)), err)
	}
	defaultVPC := network.Value.VPCID
	if _, ok, err := get(ctx, s.vpcs(), c.Scope, defaultVPC); err != nil {
		return nil, err
	} else if !ok {
		defaultVPC = "none"
	}
	all := []AccountAttribute{
		{"supported-platforms", []string{"VPC"}},
		{"default-vpc", []string{defaultVPC}},
		{"vpc-max-security-groups-per-interface", []string{"16"}},
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(a AccountAttribute) bool { return a.Name == name }) {
			return nil, invalid("The attribute '%s' is not known here: want supported-platforms, default-vpc or vpc-max-security-groups-per-interface", name)
		}
	}
	return slices.DeleteFunc(all, func(a AccountAttribute) bool { return len(names) > 0 && !slices.Contains(names, a.Name) }), nil
}

// Nothing is a kind of resource of which there is none here.
type Nothing struct {
	Action   string // "ec2:DescribeVolumes"
	Noun     string // "volume"
	NotFound string // the error code of an id
}

// DescribeNothing lists the resources of a kind of which there are none. Any filter may be asked.
func (s *Service) DescribeNothing(ctx context.Context, c Caller, d Describe, n Nothing) error {
	k := kind[struct{}]{noun: n.Noun, notFound: n.NotFound, id: func(struct{}) string { return "" }, order: func(struct{}) string { return "" }}
	d.Filters = nil
	_, err := describe(ctx, s, c, n.Action, d, &k, func() ([]struct{}, error) { return nil, nil })
	return err
}
