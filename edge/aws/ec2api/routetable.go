package ec2api

import (
	"context"

	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/ec2"
)

func (h handlers) routeTables() []query.Operation {
	return []query.Operation{
		query.Op("AssociateRouteTable", h.associateRouteTable),
		query.Op("CreateRoute", h.createRoute),
		query.Op("CreateRouteTable", h.createRouteTable),
		query.Op("DeleteRoute", h.deleteRoute),
		query.Op("DeleteRouteTable", h.deleteRouteTable),
		query.Op("DescribeRouteTables", h.describeRouteTables),
		query.Op("DisassociateRouteTable", h.disassociateRouteTable),
		query.Op("ReplaceRoute", h.replaceRoute),
		query.Op("ReplaceRouteTableAssociation", h.replaceRouteTableAssociation),
	}
}

type routeTable struct {
	RouteTableID string             `query:"routeTableId"`
	VpcID        string             `query:"vpcId"`
	OwnerID      string             `query:"ownerId"`
	Associations []routeAssociation `query:"associationSet"`
	Propagating  []struct{}         `query:"propagatingVgwSet"`
	Routes       []route            `query:"routeSet"`
	Tags         []tag              `query:"tagSet"`
}

type routeAssociation struct {
	ID           string           `query:"routeTableAssociationId"`
	RouteTableID string           `query:"routeTableId"`
	SubnetID     string           `query:"subnetId"`
	Main         bool             `query:"main"`
	State        associationState `query:"associationState"`
}

type associationState struct {
	State string `query:"state"`
}

type route struct {
	Destination     string `query:"destinationCidrBlock"`
	GatewayID       string `query:"gatewayId"`
	NATGatewayID    string `query:"natGatewayId"`
	InterfaceID     string `query:"networkInterfaceId"`
	InstanceID      string `query:"instanceId"`
	InstanceOwnerID string `query:"instanceOwnerId"`
	Origin          string `query:"origin"`
	State           string `query:"state"`
}

func newRouteTable(t ec2.RouteTableView) routeTable {
	return routeTable{
		RouteTableID: t.ID, VpcID: t.VPCID, OwnerID: t.Scope.Account, Propagating: []struct{}{}, Tags: newTags(t.Tags),
		Associations: each(t.Associations, func(a ec2.Association) routeAssociation {
			return routeAssociation{a.ID, t.ID, a.SubnetID, a.Main, associationState{"associated"}}
		}),
		Routes: each(t.Routes, func(r ec2.RouteView) route {
			out := route{r.Destination.String(), r.GatewayID, r.NATGatewayID, r.InterfaceID, r.InstanceID, "", r.Origin(), r.State()}
			if r.InstanceID != "" {
				out.InstanceOwnerID = t.Scope.Account
			}
			return out
		}),
	}
}

type describeRouteTablesInput struct {
	describeInput
	RouteTableID []string `query:"RouteTableId"`
}

type describeRouteTablesOutput struct {
	Tables    []routeTable `query:"routeTableSet"`
	NextToken string       `query:"nextToken"`
}

func (h handlers) describeRouteTables(ctx context.Context, in *describeRouteTablesInput) (*describeRouteTablesOutput, error) {
	page, err := h.service.DescribeRouteTables(ctx, caller(ctx), in.asked(in.RouteTableID))
	if err != nil {
		return nil, err
	}
	return &describeRouteTablesOutput{each(page.Items, newRouteTable), page.NextToken}, nil
}

type createRouteTableInput struct {
	vpcInput
	ClientToken      string
	TagSpecification []tagSpecification
}

type createRouteTableOutput struct {
	Table       routeTable `query:"routeTable"`
	ClientToken string     `query:"clientToken"`
}

func (h handlers) createRouteTable(ctx context.Context, in *createRouteTableInput) (*createRouteTableOutput, error) {
	tags, err := newTagsFor(in.TagSpecification, "route-table")
	if err != nil {
		return nil, err
	}
	t, err := h.service.CreateRouteTable(ctx, in.caller(ctx), in.VpcID, tags)
	if err != nil {
		return nil, err
	}
	view, err := h.service.ViewRouteTable(ctx, t)
	return &createRouteTableOutput{newRouteTable(view), in.ClientToken}, err
}

type routeTableInput struct {
	dryRun
	RouteTableID string `query:"RouteTableId"`
}

func (h handlers) deleteRouteTable(ctx context.Context, in *routeTableInput) (*done, error) {
	return &done{true}, h.service.DeleteRouteTable(ctx, in.caller(ctx), in.RouteTableID)
}

type routeInput struct {
	routeTableInput
	DestinationCIDR        string `query:"DestinationCidrBlock"`
	DestinationIPv6        string `query:"DestinationIpv6CidrBlock"`
	DestinationPrefixList  string `query:"DestinationPrefixListId"`
	GatewayID              string `query:"GatewayId"`
	NATGatewayID           string `query:"NatGatewayId"`
	InterfaceID            string `query:"NetworkInterfaceId"`
	InstanceID             string `query:"InstanceId"`
	VpcEndpointID          string `query:"VpcEndpointId"`
	TransitGatewayID       string `query:"TransitGatewayId"`
	LocalGatewayID         string `query:"LocalGatewayId"`
	CarrierGatewayID       string `query:"CarrierGatewayId"`
	CoreNetworkArn         string
	OdbNetworkArn          string
	EgressOnlyGatewayID    string `query:"EgressOnlyInternetGatewayId"`
	VpcPeeringConnectionID string `query:"VpcPeeringConnectionId"`
	LocalTarget            bool
}

func (in *routeInput) route() (ec2.NewRoute, error) {
	other := in.VpcEndpointID + in.TransitGatewayID + in.LocalGatewayID + in.CarrierGatewayID + in.CoreNetworkArn + in.OdbNetworkArn +
		in.EgressOnlyGatewayID + in.VpcPeeringConnectionID
	return ec2.NewRoute{
			TableID: in.RouteTableID, Destination: in.DestinationCIDR, GatewayID: in.GatewayID, NATGatewayID: in.NATGatewayID,
			InterfaceID: in.InterfaceID, InstanceID: in.InstanceID,
		}, refuseIf(map[string]bool{
			"IPv6 routes": in.DestinationIPv6 != "", "prefix lists": in.DestinationPrefixList != "", "LocalTarget": in.LocalTarget,
			"a route to " + other + ": want an internet or NAT gateway, a network interface or an instance": other != "",
		})
}

func (h handlers) createRoute(ctx context.Context, in *routeInput) (*done, error) {
	r, err := in.route()
	if err != nil {
		return nil, err
	}
	return &done{true}, h.service.CreateRoute(ctx, in.caller(ctx), r)
}

func (h handlers) replaceRoute(ctx context.Context, in *routeInput) (*done, error) {
	r, err := in.route()
	if err != nil {
		return nil, err
	}
	return &done{true}, h.service.ReplaceRoute(ctx, in.caller(ctx), r)
}

func (h handlers) deleteRoute(ctx context.Context, in *routeInput) (*done, error) {
	if _, err := in.route(); err != nil {
		return nil, err
	}
	return &done{true}, h.service.DeleteRoute(ctx, in.caller(ctx), in.RouteTableID, in.DestinationCIDR)
}

type associateRouteTableInput struct {
	routeTableInput
	SubnetID  string `query:"SubnetId"`
	GatewayID string `query:"GatewayId"`
}

type associateRouteTableOutput struct {
	AssociationID string           `query:"associationId"`
	State         associationState `query:"associationState"`
}

func (h handlers) associateRouteTable(ctx context.Context, in *associateRouteTableInput) (*associateRouteTableOutput, error) {
	if err := refuseIf(map[string]bool{"route tables of gateways": in.GatewayID != ""}); err != nil {
		return nil, err
	}
	id, err := h.service.AssociateRouteTable(ctx, in.caller(ctx), in.RouteTableID, in.SubnetID)
	return &associateRouteTableOutput{id, associationState{"associated"}}, err
}

type routeAssociationInput struct {
	dryRun
	AssociationID string `query:"AssociationId"`
	RouteTableID  string `query:"RouteTableId"` // of ReplaceRouteTableAssociation
}

func (h handlers) disassociateRouteTable(ctx context.Context, in *routeAssociationInput) (*done, error) {
	return &done{true}, h.service.DisassociateRouteTable(ctx, in.caller(ctx), in.AssociationID)
}

type replaceRouteTableAssociationOutput struct {
	NewAssociationID string           `query:"newAssociationId"`
	State            associationState `query:"associationState"`
}

func (h handlers) replaceRouteTableAssociation(ctx context.Context, in *routeAssociationInput) (*replaceRouteTableAssociationOutput, error) {
	id, err := h.service.ReplaceRouteTableAssociation(ctx, in.caller(ctx), in.AssociationID, in.RouteTableID)
	return &replaceRouteTableAssociationOutput{id, associationState{"associated"}}, err
}
