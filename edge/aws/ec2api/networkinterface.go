package ec2api

import (
	"context"
	"net/netip"
	"time"

	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/ec2"
)

func (h handlers) networkInterfaces() []query.Operation {
	return []query.Operation{
		query.Op("AssignPrivateIpAddresses", h.assignPrivateIPAddresses),
		query.Op("CreateNetworkInterface", h.createNetworkInterface),
		query.Op("DeleteNetworkInterface", h.deleteNetworkInterface),
		query.Op("DescribeNetworkInterfaces", h.describeNetworkInterfaces),
		query.Op("ModifyNetworkInterfaceAttribute", h.modifyNetworkInterfaceAttribute),
		query.Op("UnassignPrivateIpAddresses", h.unassignPrivateIPAddresses),
	}
}

type networkInterface struct {
	ID               string               `query:"networkInterfaceId"`
	SubnetID         string               `query:"subnetId"`
	VpcID            string               `query:"vpcId"`
	Zone             string               `query:"availabilityZone"`
	ZoneID           string               `query:"availabilityZoneId"`
	Description      string               `query:"description"`
	OwnerID          string               `query:"ownerId"`
	RequesterID      string               `query:"requesterId"`
	RequesterManaged bool                 `query:"requesterManaged"`
	Status           string               `query:"status"`
	MAC              string               `query:"macAddress"`
	PrivateIP        string               `query:"privateIpAddress"`
	PrivateDNSName   string               `query:"privateDnsName"`
	SourceDestCheck  bool                 `query:"sourceDestCheck"`
	Groups           []groupName          `query:"groupSet"`
	Attachment       *interfaceAttachment `query:"attachment"`
	Association      *publicAssociation   `query:"association"`
	PrivateIPs       []privateIP          `query:"privateIpAddressesSet"`
	IPv6Addresses    []struct{}           `query:"ipv6AddressesSet"`
	InterfaceType    string               `query:"interfaceType"`
	Tags             []tag                `query:"tagSet"`
}

type groupName struct {
	GroupID   string `query:"groupId"`
	GroupName string `query:"groupName"`
}

type interfaceAttachment struct {
	ID                  string    `query:"attachmentId"`
	InstanceID          string    `query:"instanceId"`
	InstanceOwnerID     string    `query:"instanceOwnerId"`
	DeviceIndex         int       `query:"deviceIndex"`
	NetworkCardIndex    int       `query:"networkCardIndex"`
	Status              string    `query:"status"`
	AttachTime          time.Time `query:"attachTime"`
	DeleteOnTermination bool      `query:"deleteOnTermination"`
}

type publicAssociation struct {
	AllocationID  string `query:"allocationId"`
	AssociationID string `query:"associationId"`
	IPOwnerID     string `query:"ipOwnerId"`
	PublicIP      string `query:"publicIp"`
}

type privateIP struct {
	Address        string             `query:"privateIpAddress"`
	PrivateDNSName string             `query:"privateDnsName"`
	Primary        bool               `query:"primary"`
	Association    *publicAssociation `query:"association"`
}

func newNetworkInterface(n ec2.InterfaceView) networkInterface {
	out := networkInterface{
		ID: n.ID, SubnetID: n.SubnetID, VpcID: n.VPCID, Zone: n.Zone, ZoneID: n.ZoneID, Description: n.Description, OwnerID: n.Scope.Account,
		RequesterID: n.RequesterID, RequesterManaged: n.RequesterManaged(), Status: n.Status(), MAC: n.MAC,
		PrivateIP: n.Addresses[0].String(), PrivateDNSName: ec2.PrivateDNSName(n.Scope.Region, n.Addresses[0]), SourceDestCheck: true,
		Groups: newGroupNames(n.SecurityGroups, n.GroupNames), Attachment: newAttachment(n.Interface), IPv6Addresses: []struct{}{},
		InterfaceType: n.KindName(), Tags: newTags(n.Tags),
	}
	if n.Public != nil {
		out.Association = &publicAssociation{n.Public.ID, n.Public.AssociationID, n.Scope.Account, n.Public.PublicIP.String()}
	}
	out.PrivateIPs = newPrivateIPs(n.Interface, out.Association)
	return out
}

func newGroupNames(ids []string, names map[string]string) []groupName {
	return each(ids, func(id string) groupName { return groupName{id, names[id]} })
}

func newAttachment(n ec2.Interface) *interfaceAttachment {
	if n.AttachmentID == "" {
		return nil
	}
	return &interfaceAttachment{n.AttachmentID, n.InstanceID, n.AttachmentOwner(), n.DeviceIndex, 0, "attached", n.AttachedAt, n.DeleteOnTermination}
}

func newPrivateIPs(n ec2.Interface, public *publicAssociation) []privateIP {
	out := each(n.Addresses, func(a netip.Addr) privateIP {
		return privateIP{Address: a.String(), PrivateDNSName: ec2.PrivateDNSName(n.Scope.Region, a)}
	})
	if len(out) > 0 {
		out[0].Primary, out[0].Association = true, public
	}
	return out
}

type describeNetworkInterfacesInput struct {
	describeInput
	NetworkInterfaceID []string `query:"NetworkInterfaceId"`
}

type describeNetworkInterfacesOutput struct {
	Interfaces []networkInterface `query:"networkInterfaceSet"`
	NextToken  string             `query:"nextToken"`
}

func (h handlers) describeNetworkInterfaces(ctx context.Context, in *describeNetworkInterfacesInput) (*describeNetworkInterfacesOutput, error) {
	page, err := h.service.DescribeInterfaces(ctx, caller(ctx), in.asked(in.NetworkInterfaceID))
	if err != nil {
		return nil, err
	}
	return &describeNetworkInterfacesOutput{each(page.Items, newNetworkInterface), page.NextToken}, nil
}

type privateIPInput struct {
	Primary          bool
	PrivateIPAddress string `query:"PrivateIpAddress"`
}

type createNetworkInterfaceInput struct {
	subnetInput
	Description        string
	PrivateIPAddress   string           `query:"PrivateIpAddress"`
	PrivateIPAddresses []privateIPInput `query:"PrivateIpAddresses"`
	SecondaryCount     int32            `query:"SecondaryPrivateIpAddressCount"`
	SecurityGroupID    []string         `query:"SecurityGroupId"`
	InterfaceType      string
	ClientToken        string
	IPv6Addresses      given  `query:"Ipv6Addresses"`
	IPv6AddressCount   *int32 `query:"Ipv6AddressCount"`
	IPv4Prefix         given  `query:"Ipv4Prefix"`
	IPv4PrefixCount    *int32 `query:"Ipv4PrefixCount"`
	IPv6Prefix         given  `query:"Ipv6Prefix"`
	IPv6PrefixCount    *int32 `query:"Ipv6PrefixCount"`
	TagSpecification   []tagSpecification
}

type createNetworkInterfaceOutput struct {
	Interface   networkInterface `query:"networkInterface"`
	ClientToken string           `query:"clientToken"`
}

func (h handlers) createNetworkInterface(ctx context.Context, in *createNetworkInterfaceInput) (*createNetworkInterfaceOutput, error) {
	err := refuseIf(map[string]bool{
		"IPv6 addresses": in.IPv6Addresses != nil || positive(in.IPv6AddressCount) || in.IPv6Prefix != nil || positive(in.IPv6PrefixCount),
		"prefixes":       in.IPv4Prefix != nil || positive(in.IPv4PrefixCount), "InterfaceType " + in.InterfaceType: in.InterfaceType != "" && in.InterfaceType != "interface",
		"more than one address by name: want SecondaryPrivateIpAddressCount": len(in.PrivateIPAddresses) > 1,
	})
	if err != nil {
		return nil, err
	}
	n := ec2.NewInterface{SubnetID: in.SubnetID, Description: in.Description, Secondary: int(in.SecondaryCount), SecurityGroups: in.SecurityGroupID}
	for _, p := range in.PrivateIPAddresses {
		in.PrivateIPAddress = p.PrivateIPAddress
	}
	if n.PrivateIP, err = parseIP("privateIpAddress", in.PrivateIPAddress); err != nil {
		return nil, err
	}
	if n.Tags, err = newTagsFor(in.TagSpecification, "network-interface"); err != nil {
		return nil, err
	}
	nic, err := h.service.CreateInterface(ctx, in.caller(ctx), n)
	if err != nil {
		return nil, err
	}
	view, err := h.service.ViewInterface(ctx, nic)
	if err != nil {
		return nil, err
	}
	return &createNetworkInterfaceOutput{newNetworkInterface(view), in.ClientToken}, nil
}

type networkInterfaceInput struct {
	dryRun
	NetworkInterfaceID string `query:"NetworkInterfaceId"`
}

func (h handlers) deleteNetworkInterface(ctx context.Context, in *networkInterfaceInput) (*done, error) {
	return &done{true}, h.service.DeleteInterface(ctx, in.caller(ctx), in.NetworkInterfaceID)
}

type addressesInput struct {
	networkInterfaceInput
	PrivateIPAddress []string `query:"PrivateIpAddress"`
	SecondaryCount   int32    `query:"SecondaryPrivateIpAddressCount"`
	IPv4Prefix       given    `query:"Ipv4Prefix"`
	IPv4PrefixCount  *int32   `query:"Ipv4PrefixCount"`
}

func (in addressesInput) addresses() ([]netip.Addr, error) {
	var out []netip.Addr
	for _, text := range in.PrivateIPAddress {
		a, err := parseIP("privateIpAddress", text)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, refuseIf(map[string]bool{"prefixes": in.IPv4Prefix != nil || positive(in.IPv4PrefixCount)})
}

type assignPrivateIPAddressesOutput struct {
	NetworkInterfaceID string       `query:"networkInterfaceId"`
	Assigned           []assignedIP `query:"assignedPrivateIpAddressesSet"`
	Return             bool         `query:"return"`
}

type assignedIP struct {
	Address string `query:"privateIpAddress"`
}

func (h handlers) assignPrivateIPAddresses(ctx context.Context, in *addressesInput) (*assignPrivateIPAddressesOutput, error) {
	addresses, err := in.addresses()
	if err != nil {
		return nil, err
	}
	assigned, err := h.service.AssignAddresses(ctx, in.caller(ctx), in.NetworkInterfaceID, addresses, int(in.SecondaryCount))
	convert := func(a netip.Addr) assignedIP { return assignedIP{a.String()} }
	return &assignPrivateIPAddressesOutput{in.NetworkInterfaceID, each(assigned, convert), true}, err
}

func (h handlers) unassignPrivateIPAddresses(ctx context.Context, in *addressesInput) (*done, error) {
	addresses, err := in.addresses()
	if err != nil {
		return nil, err
	}
	return &done{true}, h.service.UnassignAddresses(ctx, in.caller(ctx), in.NetworkInterfaceID, addresses)
}

type modifyNetworkInterfaceAttributeInput struct {
	networkInterfaceInput
	Description     *struct{ Value string }
	SecurityGroupID []string `query:"SecurityGroupId"`
	SourceDestCheck *boolInput
	Attachment      given
	PublicIP        *bool `query:"AssociatePublicIpAddress"`
}

func (h handlers) modifyNetworkInterfaceAttribute(ctx context.Context, in *modifyNetworkInterfaceAttributeInput) (*done, error) {
	err := refuseIf(map[string]bool{
		"SourceDestCheck false": in.SourceDestCheck != nil && !in.SourceDestCheck.Value, "Attachment": in.Attachment != nil,
		"AssociatePublicIpAddress": in.PublicIP != nil && *in.PublicIP,
	})
	if err != nil {
		return nil, err
	}
	a := ec2.InterfaceAttributes{SecurityGroups: in.SecurityGroupID}
	if in.Description != nil {
		a.Description = &in.Description.Value
	}
	return &done{true}, h.service.ModifyInterface(ctx, in.caller(ctx), in.NetworkInterfaceID, a)
}
