package ec2api

import (
	"context"

	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/ec2"
)

func (h handlers) subnets() []query.Operation {
	return []query.Operation{
		query.Op("CreateSubnet", h.createSubnet),
		query.Op("DeleteSubnet", h.deleteSubnet),
		query.Op("DescribeSubnets", h.describeSubnets),
		query.Op("ModifySubnetAttribute", h.modifySubnetAttribute),
	}
}

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
		DefaultForAZ: n.DefaultForAZ, MapPublicIPOnLaunch: n.MapPublicIP,
		PrivateDNSOptions: privateDNSOptions{HostnameType: "ip-name"}, Tags: newTags(n.Tags),
	}
}

type createSubnetInput struct {
	dryRun
	VpcID              string `query:"VpcId"`
	CIDRBlock          string `query:"CidrBlock"`
	AvailabilityZone   string
	AvailabilityZoneID string `query:"AvailabilityZoneId"`
	IPv6CIDRBlock      string `query:"Ipv6CidrBlock"`
	IPv6Native         bool   `query:"Ipv6Native"`
	OutpostArn         string
	IPv4IpamPoolID     string `query:"Ipv4IpamPoolId"`
	IPv6IpamPoolID     string `query:"Ipv6IpamPoolId"`
	TagSpecification   []tagSpecification
}

type createSubnetOutput struct {
	Subnet subnet `query:"subnet"`
}

func (h handlers) createSubnet(ctx context.Context, in *createSubnetInput) (*createSubnetOutput, error) {
	err := refuseIf(map[string]bool{
		"IPv6": in.IPv6CIDRBlock+in.IPv6IpamPoolID != "" || in.IPv6Native, "IPAM pools": in.IPv4IpamPoolID != "", "Outposts": in.OutpostArn != "",
	})
	if err != nil {
		return nil, err
	}
	tags, err := newTagsFor(in.TagSpecification, "subnet")
	if err != nil {
		return nil, err
	}
	n, err := h.service.CreateSubnet(ctx, in.caller(ctx), ec2.NewSubnet{
		VPCID: in.VpcID, CIDR: in.CIDRBlock, Zone: in.AvailabilityZone, ZoneID: in.AvailabilityZoneID, Tags: tags,
	})
	if err != nil {
		return nil, err
	}
	return &createSubnetOutput{newSubnet(n)}, nil
}

type subnetInput struct {
	dryRun
	SubnetID string `query:"SubnetId"`
}

func (h handlers) deleteSubnet(ctx context.Context, in *subnetInput) (*done, error) {
	return &done{true}, h.service.DeleteSubnet(ctx, in.caller(ctx), in.SubnetID)
}

type modifySubnetAttributeInput struct {
	subnetInput
	MapPublicIP     *boolInput `query:"MapPublicIpOnLaunch"`
	AssignIPv6      *boolInput `query:"AssignIpv6AddressOnCreation"`
	EnableDNS64     *boolInput `query:"EnableDns64"`
	MapCustomerIP   *boolInput `query:"MapCustomerOwnedIpOnLaunch"`
	HostnameType    string     `query:"PrivateDnsHostnameTypeOnLaunch"`
	ARecord         *boolInput `query:"EnableResourceNameDnsARecordOnLaunch"`
	AAAARecord      *boolInput `query:"EnableResourceNameDnsAAAARecordOnLaunch"`
	LniDeviceIndex  *int32     `query:"EnableLniAtDeviceIndex"`
	CustomerPoolIPs string     `query:"CustomerOwnedIpv4Pool"`
}

func (h handlers) modifySubnetAttribute(ctx context.Context, in *modifySubnetAttributeInput) (*done, error) {
	err := refuseIf(map[string]bool{
		"AssignIpv6AddressOnCreation": in.AssignIPv6.yes(), "EnableDns64": in.EnableDNS64.yes(), "MapCustomerOwnedIpOnLaunch": in.MapCustomerIP.yes(),
		"PrivateDnsHostnameTypeOnLaunch other than ip-name": in.HostnameType != "" && in.HostnameType != "ip-name",
		"EnableResourceNameDnsARecordOnLaunch":              in.ARecord.yes(), "EnableResourceNameDnsAAAARecordOnLaunch": in.AAAARecord.yes(),
		"EnableLniAtDeviceIndex": in.LniDeviceIndex != nil, "CustomerOwnedIpv4Pool": in.CustomerPoolIPs != "",
	})
	if err != nil {
		return nil, err
	}
	return &done{true}, h.service.ModifySubnet(ctx, in.caller(ctx), in.SubnetID, in.MapPublicIP.set())
}
