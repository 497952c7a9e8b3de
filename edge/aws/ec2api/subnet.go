package ec2api

import (
	"context"

	"minato.dev/minato/service/ec2"
)

type describeSubnetsInput struct {
	describeInput
	SubnetID []string `query:"SubnetId"`
}

type describeSubnetsOutput struct {
	Subnets   []subnet `query:"subnetSet"`
	NextToken string   `query:"nextToken"`
}

type subnet struct {
	SubnetID                string            `query:"subnetId"`
	SubnetARN               string            `query:"subnetArn"`
	VpcID                   string            `query:"vpcId"`
	OwnerID                 string            `query:"ownerId"`
	State                   string            `query:"state"`
	CIDRBlock               string            `query:"cidrBlock"`
	IPv6Associations        []cidrAssociation `query:"ipv6CidrBlockAssociationSet"`
	AvailableIPAddressCount int               `query:"availableIpAddressCount"`
	AvailabilityZone        string            `query:"availabilityZone"`
	AvailabilityZoneID      string            `query:"availabilityZoneId"`
	DefaultForAZ            bool              `query:"defaultForAz"`
	MapPublicIPOnLaunch     bool              `query:"mapPublicIpOnLaunch"`
	MapCustomerOwnedIP      bool              `query:"mapCustomerOwnedIpOnLaunch"`
	AssignIPv6              bool              `query:"assignIpv6AddressOnCreation"`
	EnableDNS64             bool              `query:"enableDns64"`
	IPv6Native              bool              `query:"ipv6Native"`
	PrivateDNSOptions       privateDNSOptions `query:"privateDnsNameOptionsOnLaunch"`
	Tags                    []tag             `query:"tagSet"`
}

type privateDNSOptions struct {
	HostnameType string `query:"hostnameType"`
	ARecord      bool   `query:"enableResourceNameDnsARecord"`
	AAAARecord   bool   `query:"enableResourceNameDnsAAAARecord"`
}

func (h handlers) describeSubnets(ctx context.Context, in *describeSubnetsInput) (*describeSubnetsOutput, error) {
	page, err := h.service.DescribeSubnets(ctx, caller(ctx), in.asked(in.SubnetID))
	if err != nil {
		return nil, err
	}
	return &describeSubnetsOutput{Subnets: each(page.Items, newSubnet), NextToken: page.NextToken}, nil
}

func newSubnet(n ec2.Subnet) subnet {
	return subnet{
		SubnetID: n.ID, SubnetARN: n.ARN().String(), VpcID: n.VPCID, OwnerID: n.Scope.Account, State: "available",
		CIDRBlock: n.CIDR.String(), IPv6Associations: []cidrAssociation{}, AvailableIPAddressCount: n.AvailableAddresses(),
		AvailabilityZone: n.Zone, AvailabilityZoneID: n.ZoneID,
		DefaultForAZ: n.DefaultForAZ, MapPublicIPOnLaunch: n.DefaultForAZ, // default subnets are public ones
		PrivateDNSOptions: privateDNSOptions{HostnameType: "ip-name"}, Tags: newTags(n.Tags),
	}
}
