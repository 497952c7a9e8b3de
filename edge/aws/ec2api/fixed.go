package ec2api

import (
	"context"

	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/ec2"
)

// fixed are operations on what is the same for everybody, and on what there is none of.
func (h handlers) fixed() []query.Operation {
	return []query.Operation{
		query.Op("DescribeAccountAttributes", h.describeAccountAttributes),
		query.Op("DescribeAvailabilityZones", h.describeAvailabilityZones),
		query.Op("DescribeDhcpOptions", h.describeDhcpOptions),
		query.Op("DescribeNetworkAcls", h.describeNetworkAcls),
		query.Op("DescribeRegions", h.describeRegions),
		query.Op("DescribeKeyPairs", h.describeKeyPairs),
		query.Op("DescribePlacementGroups", h.describePlacementGroups),
		query.Op("DescribeVolumes", h.describeVolumes),
		query.Op("DescribeVpcEndpoints", h.describeVpcEndpoints),
	}
}

type describeAccountAttributesInput struct {
	dryRun
	AttributeName []string
}

type describeAccountAttributesOutput struct {
	Attributes []accountAttribute `query:"accountAttributeSet"`
}

type accountAttribute struct {
	Name   string           `query:"attributeName"`
	Values []attributeValue `query:"attributeValueSet"`
}

type attributeValue struct {
	Value string `query:"attributeValue"`
}

func (h handlers) describeAccountAttributes(ctx context.Context, in *describeAccountAttributesInput) (*describeAccountAttributesOutput, error) {
	attributes, err := h.service.DescribeAccountAttributes(ctx, in.caller(ctx), in.AttributeName)
	return &describeAccountAttributesOutput{each(attributes, func(a ec2.AccountAttribute) accountAttribute {
		return accountAttribute{a.Name, each(a.Values, func(v string) attributeValue { return attributeValue{v} })}
	})}, err
}

type describeDhcpOptionsInput struct {
	describeInput
	DHCPOptionsID []string `query:"DhcpOptionsId"`
}

type describeDhcpOptionsOutput struct {
	Options   []dhcpOptions `query:"dhcpOptionsSet"`
	NextToken string        `query:"nextToken"`
}

type dhcpOptions struct {
	ID             string              `query:"dhcpOptionsId"`
	OwnerID        string              `query:"ownerId"`
	Configurations []dhcpConfiguration `query:"dhcpConfigurationSet"`
	Tags           []tag               `query:"tagSet"`
}

type dhcpConfiguration struct {
	Key    string      `query:"key"`
	Values []textValue `query:"valueSet"`
}

func (h handlers) describeDhcpOptions(ctx context.Context, in *describeDhcpOptionsInput) (*describeDhcpOptionsOutput, error) {
	page, err := h.service.DescribeDHCPOptions(ctx, caller(ctx), in.asked(in.DHCPOptionsID))
	if err != nil {
		return nil, err
	}
	convert := func(o ec2.DHCPOptions) dhcpOptions {
		return dhcpOptions{o.ID, o.Scope.Account, []dhcpConfiguration{
			{"domain-name", []textValue{{ec2.DNSDomain(o.Scope.Region)}}},
			{"domain-name-servers", []textValue{{"AmazonProvidedDNS"}}},
		}, []tag{}}
	}
	return &describeDhcpOptionsOutput{each(page.Items, convert), page.NextToken}, nil
}

type describeNetworkAclsInput struct {
	describeInput
	NetworkACLID []string `query:"NetworkAclId"`
}

type describeNetworkAclsOutput struct {
	ACLs      []networkACL `query:"networkAclSet"`
	NextToken string       `query:"nextToken"`
}

type networkACL struct {
	ID           string           `query:"networkAclId"`
	VpcID        string           `query:"vpcId"`
	OwnerID      string           `query:"ownerId"`
	Default      bool             `query:"default"`
	Entries      []aclEntry       `query:"entrySet"`
	Associations []aclAssociation `query:"associationSet"`
	Tags         []tag            `query:"tagSet"`
}

type aclEntry struct {
	RuleNumber int    `query:"ruleNumber"`
	Protocol   string `query:"protocol"`
	RuleAction string `query:"ruleAction"`
	Egress     bool   `query:"egress"`
	CIDRBlock  string `query:"cidrBlock"`
}

type aclAssociation struct {
	ID           string `query:"networkAclAssociationId"`
	NetworkACLID string `query:"networkAclId"`
	SubnetID     string `query:"subnetId"`
}

// lastRule is the number of the entry that refuses what no other lets through.
const lastRule = 32767

func newNetworkACL(a ec2.NetworkACL) networkACL {
	out := networkACL{ID: a.ID, VpcID: a.VPCID, OwnerID: a.Scope.Account, Default: true, Tags: []tag{}}
	for _, egress := range []bool{true, false} {
		out.Entries = append(out.Entries, aclEntry{100, ec2.AllProtocols, "allow", egress, "0.0.0.0/0"},
			aclEntry{lastRule, ec2.AllProtocols, "deny", egress, "0.0.0.0/0"})
	}
	out.Associations = each(a.Subnets, func(id string) aclAssociation { return aclAssociation{a.AssociationID(id), a.ID, id} })
	return out
}

func (h handlers) describeNetworkAcls(ctx context.Context, in *describeNetworkAclsInput) (*describeNetworkAclsOutput, error) {
	page, err := h.service.DescribeNetworkACLs(ctx, caller(ctx), in.asked(in.NetworkACLID))
	if err != nil {
		return nil, err
	}
	return &describeNetworkAclsOutput{each(page.Items, newNetworkACL), page.NextToken}, nil
}

type describeRegionsInput struct {
	describeInput
	RegionName []string
}

type describeRegionsOutput struct {
	Regions []region `query:"regionInfo"`
}

type region struct {
	Name        string `query:"regionName"`
	Endpoint    string `query:"regionEndpoint"`
	OptInStatus string `query:"optInStatus"`
}

func (h handlers) describeRegions(ctx context.Context, in *describeRegionsInput) (*describeRegionsOutput, error) {
	page, err := h.service.DescribeRegions(ctx, caller(ctx), in.asked(in.RegionName))
	if err != nil {
		return nil, err
	}
	convert := func(r ec2.RegionView) region { return region{string(r.Region), r.Endpoint(), "opt-in-not-required"} }
	return &describeRegionsOutput{each(page.Items, convert)}, nil
}

type describeKeyPairsInput struct {
	describeInput
	KeyName   []string
	KeyPairID []string `query:"KeyPairId"`
}

type describeKeyPairsOutput struct {
	KeyPairs []struct{} `query:"keySet"`
}

func (h handlers) describeKeyPairs(ctx context.Context, in *describeKeyPairsInput) (*describeKeyPairsOutput, error) {
	err := h.service.DescribeNothing(ctx, caller(ctx), in.asked(append(in.KeyName, in.KeyPairID...)), ec2.Nothing{
		Action: "ec2:DescribeKeyPairs", Noun: "key pair", NotFound: "InvalidKeyPair.NotFound",
	})
	return &describeKeyPairsOutput{[]struct{}{}}, err
}

type describePlacementGroupsInput struct {
	describeInput
	GroupName []string
	GroupID   []string `query:"GroupId"`
}

type describePlacementGroupsOutput struct {
	Groups []struct{} `query:"placementGroupSet"`
}

func (h handlers) describePlacementGroups(ctx context.Context, in *describePlacementGroupsInput) (*describePlacementGroupsOutput, error) {
	err := h.service.DescribeNothing(ctx, caller(ctx), in.asked(append(in.GroupName, in.GroupID...)), ec2.Nothing{
		Action: "ec2:DescribePlacementGroups", Noun: "Placement Group", NotFound: "InvalidPlacementGroup.Unknown",
	})
	return &describePlacementGroupsOutput{[]struct{}{}}, err
}

type describeVolumesInput struct {
	describeInput
	VolumeID []string `query:"VolumeId"`
}

type describeVolumesOutput struct {
	Volumes []struct{} `query:"volumeSet"`
}

func (h handlers) describeVolumes(ctx context.Context, in *describeVolumesInput) (*describeVolumesOutput, error) {
	err := h.service.DescribeNothing(ctx, caller(ctx), in.asked(in.VolumeID), ec2.Nothing{
		Action: "ec2:DescribeVolumes", Noun: "volume", NotFound: "InvalidVolume.NotFound",
	})
	return &describeVolumesOutput{[]struct{}{}}, err
}

type describeVpcEndpointsInput struct {
	describeInput
	VpcEndpointID []string `query:"VpcEndpointId"`
}

type describeVpcEndpointsOutput struct {
	Endpoints []struct{} `query:"vpcEndpointSet"`
}

func (h handlers) describeVpcEndpoints(ctx context.Context, in *describeVpcEndpointsInput) (*describeVpcEndpointsOutput, error) {
	err := h.service.DescribeNothing(ctx, caller(ctx), in.asked(in.VpcEndpointID), ec2.Nothing{
		Action: "ec2:DescribeVpcEndpoints", Noun: "Vpc Endpoint Id", NotFound: "InvalidVpcEndpointId.NotFound",
	})
	return &describeVpcEndpointsOutput{[]struct{}{}}, err
}
