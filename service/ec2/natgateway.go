package ec2

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// NATState is the state of a NAT gateway, spelled as EC2 spells it.
type NATState string

// The states of a NAT gateway.
const (
	NATAvailable NATState = "available"
	NATFailed    NATState = "failed"
	NATDeleted   NATState = "deleted"
)

// NATGateway lets a VPC's traffic out under an address of its own.
type NATGateway struct {
	Scope         minato.Scope `json:"scope"`
	ID            string       `json:"id"` // "nat-0…"
	VPCID         string       `json:"vpcId"`
	SubnetID      string       `json:"subnetId"`
	Private       bool         `json:"private,omitempty"` // it has no public address
	AllocationID  string       `json:"allocationId,omitempty"`
	AssociationID string       `json:"associationId,omitempty"` // of the public address
	PublicIP      netip.Addr   `json:"publicIp,omitzero"`
	InterfaceID   string       `json:"interfaceId"`
	PrivateIP     netip.Addr   `json:"privateIp"`
	State         NATState     `json:"state"`
	FailureCode   string       `json:"failureCode,omitempty"`
	FailureReason string       `json:"failureReason,omitempty"`
	CreatedAt     time.Time    `json:"createdAt"`
	DeletedAt     time.Time    `json:"deletedAt,omitzero"`
	ClientToken   string       `json:"clientToken,omitempty"`
	Tags          minato.Tags  `json:"tags,omitempty"`
}

const natGatewaysPrefix = "/minato/ec2/nat-gateways/"

// NATGateways is the collection of NAT gateways.
func NATGateways(s store.Store) *store.Collection[NATGateway] {
	return store.NewCollection[NATGateway](s, natGatewaysPrefix)
}

func (s *Service) natGateways() *store.Collection[NATGateway] { return NATGateways(s.Store) }

// NewNATGateway is a NAT gateway to be made.
type NewNATGateway struct {
	SubnetID     string
	AllocationID string // of its public address
	Private      bool
	PrivateIP    netip.Addr // zero lets the subnet choose
	ClientToken  string
	Tags         minato.Tags
}

// CreateNATGateway makes a NAT gateway with an interface in a subnet. As on AWS, one in a VPC without an internet gateway fails.
func (s *Service) CreateNATGateway(ctx context.Context, c Caller, n NewNATGateway) (NATGateway, error) {
	subnet, err := s.allowNATGateway(ctx, c, n)
	if err != nil {
		return NATGateway{}, err
	}
	if n.Private != (n.AllocationID == "") {
		return NATGateway{}, minato.Errorf(minato.Invalid, "A public NAT gateway needs an AllocationId, and a private one takes none").
			Because("InvalidParameterCombination")
	}
	if again, ok, err := s.natByToken(ctx, c.Scope, n.ClientToken); err != nil || ok {
		return again, err
	}
	g := NATGateway{
		Scope: c.Scope, ID: newID("nat"), VPCID: subnet.VPCID, SubnetID: subnet.ID, Private: n.Private, AllocationID: n.AllocationID,
		InterfaceID: newID("eni"), State: NATAvailable, CreatedAt: s.Now().UTC(), ClientToken: n.ClientToken, Tags: n.Tags,
	}
	return g, s.commit(ctx, func() ([]store.Op, error) { return s.natOps(ctx, &g, n) })
}

func (s *Service) allowNATGateway(ctx context.Context, c Caller, n NewNATGateway) (Subnet, error) {
	subnet, err := need(ctx, s, &subnetKind, c.Scope, n.SubnetID)
	if err != nil && !minato.Is(err, minato.NotFound) {
		return Subnet{}, err
	}
	parts := []target{{arn: resourceARN(c.Scope, subnetKind.resource, n.SubnetID), tags: subnet.Value.Tags}}
	if n.AllocationID != "" {
		parts = append(parts, target{arn: resourceARN(c.Scope, elasticIPKind.resource, n.AllocationID)})
	}
	if denied := s.allowCreate(ctx, c, "ec2:CreateNatGateway", natGatewayKind.resource, n.Tags, parts...); denied != nil {
		return Subnet{}, denied
	}
	return subnet.Value, err
}

// natByToken finds the NAT gateway that a request with this token has made already.
func (s *Service) natByToken(ctx context.Context, scope minato.Scope, token string) (NATGateway, bool, error) {
	if token == "" {
		return NATGateway{}, false, nil
	}
	all, err := list(ctx, s, s.natGateways(), scope)
	if i := slices.IndexFunc(all, func(g NATGateway) bool { return g.ClientToken == token }); i >= 0 {
		return all[i], true, err
	}
	return NATGateway{}, false, err
}

func (s *Service) natOps(ctx context.Context, g *NATGateway, n NewNATGateway) ([]store.Op, error) {
	alone, err := s.aloneOp(ctx, g.Scope, g.VPCID)
	if err != nil {
		return nil, err
	}
	gateways, err := list(ctx, s, s.internetGateways(), g.Scope)
	if err != nil {
		return nil, err
	}
	if !g.Private && !slices.ContainsFunc(gateways, func(i InternetGateway) bool { return i.VPCID == g.VPCID }) {
		g.State, g.FailureCode = NATFailed, "Gateway.NotAttached"
		g.FailureReason = "Network " + g.VPCID + " has no Internet gateway attached"
		return []store.Op{alone, s.natGateways().CreateOp(recordID(g.Scope, g.ID), *g)}, nil
	}
	subnet, err := need(ctx, s, &subnetKind, g.Scope, g.SubnetID)
	if err != nil {
		return nil, err
	}
	nic := Interface{
		Scope: g.Scope, ID: g.InterfaceID, VPCID: g.VPCID, SubnetID: g.SubnetID, Zone: subnet.Value.Zone, MAC: newMAC(), Type: "nat_gateway",
		Description: "Interface for NAT Gateway " + g.ID, RequesterID: "amazon-nat-gateway",
	}
	if nic.Addresses, err = subnet.Value.takeWith(n.PrivateIP, 1); err != nil {
		return nil, err
	}
	g.PrivateIP = nic.Addresses[0]
	ops := []store.Op{alone, s.subnets().UpdateOp(subnet), s.interfaces().CreateOp(recordID(g.Scope, nic.ID), nic)}
	if !g.Private {
		op, address, err := s.associateOp(ctx, g.Scope, g.AllocationID, &nic)
		if err != nil {
			return nil, err
		}
		g.AssociationID, g.PublicIP = address.AssociationID, address.PublicIP
		ops = append(ops, op)
	}
	return append(ops, s.natGateways().CreateOp(recordID(g.Scope, g.ID), *g)), nil
}

// DeleteNATGateway removes a NAT gateway and its interface. The record stays for an hour, as on AWS.
func (s *Service) DeleteNATGateway(ctx context.Context, c Caller, id string) error {
	if _, err := find(ctx, s, c, "ec2:DeleteNatGateway", &natGatewayKind, id); err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		item, err := need(ctx, s, &natGatewayKind, c.Scope, id)
		if err != nil || item.Value.State == NATDeleted {
			return nil, err
		}
		ops, err := s.giveInterface(ctx, c.Scope, item.Value.InterfaceID)
		if err != nil {
			return nil, err
		}
		if item.Value.AssociationID != "" {
			op, _, err := s.associateOp(ctx, c.Scope, item.Value.AllocationID, nil)
			if err != nil {
				return nil, err
			}
			ops = append(ops, op)
		}
		item.Value.State, item.Value.DeletedAt = NATDeleted, s.Now().UTC()
		return append(ops, s.natGateways().UpdateOp(item)), nil
	})
}

// DescribeNATGateways lists the NAT gateways of the caller's account and region, for an hour also those that have been deleted.
func (s *Service) DescribeNATGateways(ctx context.Context, c Caller, d Describe) (Page[NATGateway], error) {
	return describe(ctx, s, c, "ec2:DescribeNatGateways", d, &natGatewayKind, func() ([]NATGateway, error) {
		all, err := list(ctx, s, s.natGateways(), c.Scope)
		if err != nil {
			return nil, err
		}
		forgotten := func(g NATGateway) bool { return g.State == NATDeleted && s.Now().Sub(g.DeletedAt) > terminatedFor }
		for _, g := range all {
			if !forgotten(g) {
				continue
			}
			if err := s.natGateways().Delete(ctx, recordID(c.Scope, g.ID), store.AnyRevision); ignoreNotFound(err) != nil {
				return nil, err
			}
		}
		return slices.DeleteFunc(all, forgotten), nil
	})
}
