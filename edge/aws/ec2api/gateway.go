package ec2api

import (
	"context"
	"net/netip"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/ec2"
)

func (h handlers) gateways() []query.Operation {
	return []query.Operation{
		query.Op("AllocateAddress", h.allocateAddress),
		query.Op("AttachInternetGateway", h.attachInternetGateway),
		query.Op("CreateInternetGateway", h.createInternetGateway),
		query.Op("CreateNatGateway", h.createNatGateway),
		query.Op("DeleteInternetGateway", h.deleteInternetGateway),
		query.Op("DeleteNatGateway", h.deleteNatGateway),
		query.Op("DescribeAddresses", h.describeAddresses),
		query.Op("DescribeAddressesAttribute", h.describeAddressesAttribute),
		query.Op("DescribeInternetGateways", h.describeInternetGateways),
		query.Op("DescribeNatGateways", h.describeNatGateways),
		query.Op("DetachInternetGateway", h.detachInternetGateway),
		query.Op("DisassociateAddress", h.disassociateAddress),
		query.Op("ReleaseAddress", h.releaseAddress),
	}
}

type internetGateway struct {
	ID          string              `query:"internetGatewayId"`
	OwnerID     string              `query:"ownerId"`
	Attachments []gatewayAttachment `query:"attachmentSet"`
	Tags        []tag               `query:"tagSet"`
}

type gatewayAttachment struct {
	State string `query:"state"`
	VpcID string `query:"vpcId"`
}

func newInternetGateway(g ec2.InternetGateway) internetGateway {
	out := internetGateway{ID: g.ID, OwnerID: g.Scope.Account, Attachments: []gatewayAttachment{}, Tags: newTags(g.Tags)}
	if g.VPCID != "" {
		out.Attachments = []gatewayAttachment{{"available", g.VPCID}}
	}
	return out
}

type createInternetGatewayInput struct {
	dryRun
	TagSpecification []tagSpecification
}

type createInternetGatewayOutput struct {
	Gateway internetGateway `query:"internetGateway"`
}

func (h handlers) createInternetGateway(ctx context.Context, in *createInternetGatewayInput) (*createInternetGatewayOutput, error) {
	tags, err := newTagsFor(in.TagSpecification, "internet-gateway")
	if err != nil {
		return nil, err
	}
	g, err := h.service.CreateInternetGateway(ctx, in.caller(ctx), tags)
	return &createInternetGatewayOutput{newInternetGateway(g)}, err
}

type internetGatewayInput struct {
	vpcInput
	InternetGatewayID string `query:"InternetGatewayId"`
}

func (h handlers) attachInternetGateway(ctx context.Context, in *internetGatewayInput) (*done, error) {
	return &done{true}, h.service.AttachInternetGateway(ctx, in.caller(ctx), in.InternetGatewayID, in.VpcID)
}

func (h handlers) detachInternetGateway(ctx context.Context, in *internetGatewayInput) (*done, error) {
	return &done{true}, h.service.DetachInternetGateway(ctx, in.caller(ctx), in.InternetGatewayID, in.VpcID)
}

func (h handlers) deleteInternetGateway(ctx context.Context, in *internetGatewayInput) (*done, error) {
	return &done{true}, h.service.DeleteInternetGateway(ctx, in.caller(ctx), in.InternetGatewayID)
}

type describeInternetGatewaysInput struct {
	describeInput
	InternetGatewayID []string `query:"InternetGatewayId"`
}

type describeInternetGatewaysOutput struct {
	Gateways  []internetGateway `query:"internetGatewaySet"`
	NextToken string            `query:"nextToken"`
}

func (h handlers) describeInternetGateways(ctx context.Context, in *describeInternetGatewaysInput) (*describeInternetGatewaysOutput, error) {
	page, err := h.service.DescribeInternetGateways(ctx, caller(ctx), in.asked(in.InternetGatewayID))
	if err != nil {
		return nil, err
	}
	return &describeInternetGatewaysOutput{each(page.Items, newInternetGateway), page.NextToken}, nil
}

type address struct {
	AllocationID       string `query:"allocationId"`
	PublicIP           string `query:"publicIp"`
	Domain             string `query:"domain"`
	AssociationID      string `query:"associationId"`
	InterfaceID        string `query:"networkInterfaceId"`
	InterfaceOwnerID   string `query:"networkInterfaceOwnerId"`
	PrivateIPAddress   string `query:"privateIpAddress"`
	PublicIPv4Pool     string `query:"publicIpv4Pool"`
	NetworkBorderGroup string `query:"networkBorderGroup"`
	Tags               []tag  `query:"tagSet"`
}

func newAddress(a ec2.ElasticIP) address {
	out := address{
		AllocationID: a.ID, PublicIP: a.PublicIP.String(), Domain: "vpc", AssociationID: a.AssociationID, InterfaceID: a.InterfaceID,
		PublicIPv4Pool: "amazon", NetworkBorderGroup: string(a.Scope.Region), Tags: newTags(a.Tags),
	}
	if a.InterfaceID != "" {
		out.InterfaceOwnerID, out.PrivateIPAddress = a.Scope.Account, a.PrivateIP.String()
	}
	return out
}

type allocateAddressInput struct {
	dryRun
	Domain           string
	Address          string
	PublicIPv4Pool   string `query:"PublicIpv4Pool"`
	CustomerPool     string `query:"CustomerOwnedIpv4Pool"`
	IpamPoolID       string `query:"IpamPoolId"`
	TagSpecification []tagSpecification
}

type allocateAddressOutput struct {
	AllocationID       string `query:"allocationId"`
	PublicIP           string `query:"publicIp"`
	Domain             string `query:"domain"`
	PublicIPv4Pool     string `query:"publicIpv4Pool"`
	NetworkBorderGroup string `query:"networkBorderGroup"`
}

func (h handlers) allocateAddress(ctx context.Context, in *allocateAddressInput) (*allocateAddressOutput, error) {
	err := refuseIf(map[string]bool{
		"Domain " + in.Domain:        in.Domain != "" && in.Domain != "vpc",
		"addresses and pools of own": in.Address+in.CustomerPool+in.IpamPoolID != "" || in.PublicIPv4Pool != "" && in.PublicIPv4Pool != "amazon",
	})
	if err != nil {
		return nil, err
	}
	tags, err := newTagsFor(in.TagSpecification, "elastic-ip")
	if err != nil {
		return nil, err
	}
	a, err := h.service.AllocateAddress(ctx, in.caller(ctx), tags)
	return &allocateAddressOutput{a.ID, a.PublicIP.String(), "vpc", "amazon", string(a.Scope.Region)}, err
}

type releaseAddressInput struct {
	dryRun
	AllocationID string `query:"AllocationId"`
	PublicIP     string `query:"PublicIp"`
}

func (h handlers) releaseAddress(ctx context.Context, in *releaseAddressInput) (*done, error) {
	return &done{true}, h.service.ReleaseAddress(ctx, in.caller(ctx), in.AllocationID, in.PublicIP)
}

type disassociateAddressInput struct {
	dryRun
	AssociationID string `query:"AssociationId"`
}

func (h handlers) disassociateAddress(ctx context.Context, in *disassociateAddressInput) (*done, error) {
	return &done{true}, h.service.DisassociateAddress(ctx, in.caller(ctx), in.AssociationID)
}

type describeAddressesInput struct {
	describeInput
	AllocationID []string `query:"AllocationId"`
	PublicIP     []string `query:"PublicIp"`
}

type describeAddressesOutput struct {
	Addresses []address `query:"addressesSet"`
}

func (h handlers) describeAddresses(ctx context.Context, in *describeAddressesInput) (*describeAddressesOutput, error) {
	page, err := h.service.DescribeAddresses(ctx, caller(ctx), in.asked(in.AllocationID), in.PublicIP)
	if err != nil {
		return nil, err
	}
	return &describeAddressesOutput{each(page.Items, newAddress)}, nil
}

type describeAddressesAttributeOutput struct {
	Addresses []addressAttribute `query:"addressSet"`
	NextToken string             `query:"nextToken"`
}

// addressAttribute has no domain name, because no address has one.
type addressAttribute struct {
	PublicIP     string `query:"publicIp"`
	AllocationID string `query:"allocationId"`
}

func (h handlers) describeAddressesAttribute(ctx context.Context, in *describeAddressesInput) (*describeAddressesAttributeOutput, error) {
	page, err := h.service.DescribeAddressesAttribute(ctx, caller(ctx), in.asked(in.AllocationID))
	if err != nil {
		return nil, err
	}
	convert := func(a ec2.ElasticIP) addressAttribute { return addressAttribute{a.PublicIP.String(), a.ID} }
	return &describeAddressesAttributeOutput{each(page.Items, convert), page.NextToken}, nil
}

type natGateway struct {
	ID               string       `query:"natGatewayId"`
	SubnetID         string       `query:"subnetId"`
	VpcID            string       `query:"vpcId"`
	State            string       `query:"state"`
	FailureCode      string       `query:"failureCode"`
	FailureMessage   string       `query:"failureMessage"`
	ConnectivityType string       `query:"connectivityType"`
	CreateTime       time.Time    `query:"createTime"`
	DeleteTime       time.Time    `query:"deleteTime"`
	Addresses        []natAddress `query:"natGatewayAddressSet"`
	Tags             []tag        `query:"tagSet"`
}

type natAddress struct {
	AllocationID  string `query:"allocationId"`
	AssociationID string `query:"associationId"`
	InterfaceID   string `query:"networkInterfaceId"`
	PrivateIP     string `query:"privateIp"`
	PublicIP      string `query:"publicIp"`
	Primary       bool   `query:"isPrimary"`
	Status        string `query:"status"`
}

func newNatGateway(g ec2.NATGateway) natGateway {
	out := natGateway{
		ID: g.ID, SubnetID: g.SubnetID, VpcID: g.VPCID, State: string(g.State), FailureCode: g.FailureCode, FailureMessage: g.FailureReason,
		ConnectivityType: "public", CreateTime: g.CreatedAt, DeleteTime: g.DeletedAt, Tags: newTags(g.Tags),
	}
	a := natAddress{AllocationID: g.AllocationID, AssociationID: g.AssociationID, Primary: true, Status: "succeeded"}
	if g.Private {
		out.ConnectivityType = "private"
	}
	if g.PrivateIP.IsValid() {
		a.InterfaceID, a.PrivateIP = g.InterfaceID, g.PrivateIP.String()
	}
	if g.PublicIP.IsValid() {
		a.PublicIP = g.PublicIP.String()
	}
	if g.State == ec2.NATFailed {
		a.Status = "failed"
	}
	out.Addresses = []natAddress{a}
	return out
}

type createNatGatewayInput struct {
	subnetInput
	AllocationID       string `query:"AllocationId"`
	ConnectivityType   string
	PrivateIPAddress   string `query:"PrivateIpAddress"`
	ClientToken        string
	AvailabilityMode   string
	SecondaryAddresses given  `query:"SecondaryAllocationId"`
	SecondaryPrivate   given  `query:"SecondaryPrivateIpAddress"`
	SecondaryCount     *int32 `query:"SecondaryPrivateIpAddressCount"`
	TagSpecification   []tagSpecification
}

type createNatGatewayOutput struct {
	Gateway     natGateway `query:"natGateway"`
	ClientToken string     `query:"clientToken"`
}

func (h handlers) createNatGateway(ctx context.Context, in *createNatGatewayInput) (*createNatGatewayOutput, error) {
	err := refuseIf(map[string]bool{
		"AvailabilityMode regional":               in.AvailabilityMode == "regional",
		"secondary addresses of NAT gateways":     in.SecondaryAddresses != nil || in.SecondaryPrivate != nil || positive(in.SecondaryCount),
		"ConnectivityType " + in.ConnectivityType: in.ConnectivityType != "" && in.ConnectivityType != "public" && in.ConnectivityType != "private",
	})
	if err != nil {
		return nil, err
	}
	n := ec2.NewNATGateway{SubnetID: in.SubnetID, AllocationID: in.AllocationID, Private: in.ConnectivityType == "private", ClientToken: in.ClientToken}
	if n.Tags, err = newTagsFor(in.TagSpecification, "natgateway"); err != nil {
		return nil, err
	}
	if n.PrivateIP, err = parseIP("privateIpAddress", in.PrivateIPAddress); err != nil {
		return nil, err
	}
	g, err := h.service.CreateNATGateway(ctx, in.caller(ctx), n)
	return &createNatGatewayOutput{newNatGateway(g), in.ClientToken}, err
}

// parseIP is an IPv4 address; empty text is none.
func parseIP(parameter, text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return netip.Addr{}, minato.Errorf(minato.Invalid, "Value (%s) for parameter %s is invalid: want an IPv4 address", text, parameter).
			Because("InvalidParameterValue")
	}
	return a, nil
}

type natGatewayInput struct {
	dryRun
	NATGatewayID string `query:"NatGatewayId"`
}

type deleteNatGatewayOutput struct {
	NATGatewayID string `query:"natGatewayId"`
}

func (h handlers) deleteNatGateway(ctx context.Context, in *natGatewayInput) (*deleteNatGatewayOutput, error) {
	return &deleteNatGatewayOutput{in.NATGatewayID}, h.service.DeleteNATGateway(ctx, in.caller(ctx), in.NATGatewayID)
}

type describeNatGatewaysInput struct {
	describeInput
	NATGatewayID []string `query:"NatGatewayId"`
}

type describeNatGatewaysOutput struct {
	Gateways  []natGateway `query:"natGatewaySet"`
	NextToken string       `query:"nextToken"`
}

func (h handlers) describeNatGateways(ctx context.Context, in *describeNatGatewaysInput) (*describeNatGatewaysOutput, error) {
	page, err := h.service.DescribeNATGateways(ctx, caller(ctx), in.asked(in.NATGatewayID))
	if err != nil {
		return nil, err
	}
	return &describeNatGatewaysOutput{each(page.Items, newNatGateway), page.NextToken}, nil
}
