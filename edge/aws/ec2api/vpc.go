package ec2api

import (
	"context"
	"maps"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/ec2"
)

func (h handlers) vpcs() []query.Operation {
	return []query.Operation{
		query.Op("AssociateVpcCidrBlock", h.associateVpcCidrBlock),
		query.Op("CreateVpc", h.createVpc),
		query.Op("DeleteVpc", h.deleteVpc),
		query.Op("DescribeVpcAttribute", h.describeVpcAttribute),
		query.Op("DescribeVpcs", h.describeVpcs),
		query.Op("DisassociateVpcCidrBlock", h.disassociateVpcCidrBlock),
		query.Op("ModifyVpcAttribute", h.modifyVpcAttribute),
	}
}

type describeVpcsInput struct {
	describeInput
	VpcID []string `query:"VpcId"`
}

type describeVpcsOutput struct {
	Vpcs      []vpc  `query:"vpcSet"`
	NextToken string `query:"nextToken"`
}

type vpc struct {
	VpcID            string            `query:"vpcId"`
	OwnerID          string            `query:"ownerId"`
	State            string            `query:"state"`
	CIDRBlock        string            `query:"cidrBlock"`
	Associations     []cidrAssociation `query:"cidrBlockAssociationSet"`
	IPv6Associations []struct{}        `query:"ipv6CidrBlockAssociationSet"`
	DHCPOptionsID    string            `query:"dhcpOptionsId"`
	InstanceTenancy  string            `query:"instanceTenancy"`
	IsDefault        bool              `query:"isDefault"`
	Tags             []tag             `query:"tagSet"`
}

type cidrAssociation struct {
	AssociationID string    `query:"associationId"`
	CIDRBlock     string    `query:"cidrBlock"`
	State         cidrState `query:"cidrBlockState"`
}

type cidrState struct {
	State string `query:"state"`
}

func (h handlers) describeVpcs(ctx context.Context, in *describeVpcsInput) (*describeVpcsOutput, error) {
	page, err := h.service.DescribeVPCs(ctx, caller(ctx), in.asked(in.VpcID))
	if err != nil {
		return nil, err
	}
	return &describeVpcsOutput{Vpcs: each(page.Items, newVpc), NextToken: page.NextToken}, nil
}

func newVpc(v ec2.VPC) vpc {
	return vpc{
		VpcID: v.ID, OwnerID: v.Scope.Account, State: "available", CIDRBlock: v.CIDR.String(),
		Associations: each(v.Blocks(), newCIDRAssociation), IPv6Associations: []struct{}{},
		DHCPOptionsID: v.DHCPOptionsID, InstanceTenancy: "default", IsDefault: v.IsDefault, Tags: newTags(v.Tags),
	}
}

func newCIDRAssociation(b ec2.CIDRBlock) cidrAssociation {
	return cidrAssociation{b.AssociationID, b.CIDR.String(), cidrState{"associated"}}
}

type createVpcInput struct {
	dryRun
	CIDRBlock         string `query:"CidrBlock"`
	InstanceTenancy   string
	AmazonIPv6        bool   `query:"AmazonProvidedIpv6CidrBlock"`
	IPv6CIDRBlock     string `query:"Ipv6CidrBlock"`
	IPv6Pool          string `query:"Ipv6Pool"`
	IPv4IpamPoolID    string `query:"Ipv4IpamPoolId"`
	IPv6IpamPoolID    string `query:"Ipv6IpamPoolId"`
	EncryptionControl given  `query:"VpcEncryptionControl"`
	TagSpecification  []tagSpecification
}

type createVpcOutput struct {
	Vpc vpc `query:"vpc"`
}

func (h handlers) createVpc(ctx context.Context, in *createVpcInput) (*createVpcOutput, error) {
	err := refuseIf(map[string]bool{
		"IPv6 CIDR blocks": in.AmazonIPv6 || in.IPv6CIDRBlock+in.IPv6Pool+in.IPv6IpamPoolID != "", "IPAM pools": in.IPv4IpamPoolID != "",
		"InstanceTenancy " + in.InstanceTenancy: in.InstanceTenancy != "" && in.InstanceTenancy != "default", "VpcEncryptionControl": in.EncryptionControl != nil,
	})
	if err != nil {
		return nil, err
	}
	tags, err := newTagsFor(in.TagSpecification, "vpc")
	if err != nil {
		return nil, err
	}
	v, err := h.service.CreateVPC(ctx, in.caller(ctx), in.CIDRBlock, tags)
	return &createVpcOutput{newVpc(v)}, err
}

type vpcInput struct {
	dryRun
	VpcID string `query:"VpcId"`
}

// done answers an operation that gives nothing back but that it was done.
type done struct {
	Return bool `query:"return"`
}

func (h handlers) deleteVpc(ctx context.Context, in *vpcInput) (*done, error) {
	return &done{true}, h.service.DeleteVPC(ctx, in.caller(ctx), in.VpcID)
}

// yesNo is an attribute that is true or false.
type yesNo struct {
	Value *bool `query:"value"`
}

type boolInput struct{ Value bool }

// set is the value of an attribute that was sent.
func (b *boolInput) set() *bool {
	if b == nil {
		return nil
	}
	return &b.Value
}

func (b *boolInput) yes() bool { return b != nil && b.Value }

type describeVpcAttributeInput struct {
	vpcInput
	Attribute string
}

type describeVpcAttributeOutput struct {
	VpcID        string `query:"vpcId"`
	DNSHostnames *yesNo `query:"enableDnsHostnames"`
	DNSSupport   *yesNo `query:"enableDnsSupport"`
	UsageMetrics *yesNo `query:"enableNetworkAddressUsageMetrics"`
}

func (h handlers) describeVpcAttribute(ctx context.Context, in *describeVpcAttributeInput) (*describeVpcAttributeOutput, error) {
	v, err := h.service.VPCForAttributes(ctx, in.caller(ctx), in.VpcID)
	if err != nil {
		return nil, err
	}
	out := &describeVpcAttributeOutput{VpcID: v.ID}
	support, metrics := !v.NoDNSSupport, false
	switch in.Attribute {
	case "enableDnsHostnames":
		out.DNSHostnames = &yesNo{&v.DNSHostnames}
	case "enableDnsSupport":
		out.DNSSupport = &yesNo{&support}
	case "enableNetworkAddressUsageMetrics":
		out.UsageMetrics = &yesNo{&metrics}
	default:
		return nil, minato.Errorf(minato.Invalid, "Value (%s) for parameter attribute is invalid. Unknown attribute.", in.Attribute)
	}
	return out, nil
}

type modifyVpcAttributeInput struct {
	vpcInput
	EnableDNSHostnames *boolInput `query:"EnableDnsHostnames"`
	EnableDNSSupport   *boolInput `query:"EnableDnsSupport"`
	EnableUsageMetrics *boolInput `query:"EnableNetworkAddressUsageMetrics"`
}

func (h handlers) modifyVpcAttribute(ctx context.Context, in *modifyVpcAttributeInput) (*done, error) {
	if err := refuseIf(map[string]bool{"EnableNetworkAddressUsageMetrics": in.EnableUsageMetrics.yes()}); err != nil {
		return nil, err
	}
	a := ec2.VPCAttributes{DNSSupport: in.EnableDNSSupport.set(), DNSHostnames: in.EnableDNSHostnames.set()}
	return &done{true}, h.service.ModifyVPC(ctx, in.caller(ctx), in.VpcID, a)
}

type associateVpcCidrBlockInput struct {
	vpcInput
	CIDRBlock      string `query:"CidrBlock"`
	AmazonIPv6     bool   `query:"AmazonProvidedIpv6CidrBlock"`
	IPv6CIDRBlock  string `query:"Ipv6CidrBlock"`
	IPv6Pool       string `query:"Ipv6Pool"`
	IPv4IpamPoolID string `query:"Ipv4IpamPoolId"`
	IPv6IpamPoolID string `query:"Ipv6IpamPoolId"`
}

type vpcCidrBlockOutput struct {
	VpcID       string          `query:"vpcId"`
	Association cidrAssociation `query:"cidrBlockAssociation"`
}

func (h handlers) associateVpcCidrBlock(ctx context.Context, in *associateVpcCidrBlockInput) (*vpcCidrBlockOutput, error) {
	err := refuseIf(map[string]bool{
		"IPv6 CIDR blocks": in.AmazonIPv6 || in.IPv6CIDRBlock+in.IPv6Pool+in.IPv6IpamPoolID != "", "IPAM pools": in.IPv4IpamPoolID != "",
	})
	if err != nil {
		return nil, err
	}
	b, err := h.service.AssociateCIDRBlock(ctx, in.caller(ctx), in.VpcID, in.CIDRBlock)
	return &vpcCidrBlockOutput{in.VpcID, newCIDRAssociation(b)}, err
}

type disassociateVpcCidrBlockInput struct {
	dryRun
	AssociationID string `query:"AssociationId"`
}

func (h handlers) disassociateVpcCidrBlock(ctx context.Context, in *disassociateVpcCidrBlockInput) (*vpcCidrBlockOutput, error) {
	v, b, err := h.service.DisassociateCIDRBlock(ctx, in.caller(ctx), in.AssociationID)
	out := &vpcCidrBlockOutput{v.ID, newCIDRAssociation(b)}
	out.Association.State.State = "disassociated"
	return out, err
}

// newTags are tags in the order of their keys.
func newTags(tags minato.Tags) []tag {
	return each(slices.Sorted(maps.Keys(tags)), func(key string) tag {
		value := tags[key]
		return tag{key, &value}
	})
}

// each converts a list; what comes out is never nil, so that an empty list is written as one.
func each[T, U any](list []T, convert func(T) U) []U {
	out := make([]U, len(list))
	for i, v := range list {
		out[i] = convert(v)
	}
	return out
}
