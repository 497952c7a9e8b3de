package ec2

import (
	"context"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// InternetGateway is a VPC's way out and in.
type InternetGateway struct {
	Scope minato.Scope `json:"scope"`
	ID    string       `json:"id"`              // "igw-0…"
	VPCID string       `json:"vpcId,omitempty"` // that it is attached to
	Tags  minato.Tags  `json:"tags,omitempty"`
}

const internetGatewaysPrefix = "/minato/ec2/internet-gateways/"

// InternetGateways is the collection of internet gateways.
func InternetGateways(s store.Store) *store.Collection[InternetGateway] {
	return store.NewCollection[InternetGateway](s, internetGatewaysPrefix)
}

func (s *Service) internetGateways() *store.Collection[InternetGateway] {
	return InternetGateways(s.Store)
}

// CreateInternetGateway makes an internet gateway that is not attached to any VPC.
func (s *Service) CreateInternetGateway(ctx context.Context, c Caller, tags minato.Tags) (InternetGateway, error) {
	g := InternetGateway{Scope: c.Scope, ID: newID("igw"), Tags: tags}
	if err := s.allowCreate(ctx, c, "ec2:CreateInternetGateway", internetGatewayKind.resource, tags); err != nil {
		return g, err
	}
	_, err := s.internetGateways().Create(ctx, recordID(c.Scope, g.ID), g)
	return g, err
}

// AttachInternetGateway attaches an internet gateway to a VPC that has none.
func (s *Service) AttachInternetGateway(ctx context.Context, c Caller, id, vpcID string) error {
	if err := s.findGatewayAndVPC(ctx, c, "ec2:AttachInternetGateway", id, vpcID); err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		alone, err := s.aloneOp(ctx, c.Scope, vpcID)
		if err != nil {
			return nil, err
		}
		item, err := need(ctx, s, &internetGatewayKind, c.Scope, id)
		if err != nil {
			return nil, err
		}
		if item.Value.VPCID != "" {
			return nil, minato.Errorf(minato.WrongState, "resource %s is already attached to network %s", id, item.Value.VPCID).
				Because("Resource.AlreadyAssociated")
		}
		all, err := list(ctx, s, s.internetGateways(), c.Scope)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(g InternetGateway) bool { return g.VPCID == vpcID }) {
			return nil, invalid("Network %s already has an internet gateway attached", vpcID)
		}
		item.Value.VPCID = vpcID
		return []store.Op{alone, s.internetGateways().UpdateOp(item)}, nil
	})
}

// DetachInternetGateway takes an internet gateway from its VPC, unless a NAT gateway needs it there.
func (s *Service) DetachInternetGateway(ctx context.Context, c Caller, id, vpcID string) error {
	if err := s.findGatewayAndVPC(ctx, c, "ec2:DetachInternetGateway", id, vpcID); err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		unchanged, err := s.nothingJoined(ctx, c.Scope, vpcID)
		if err != nil {
			return nil, err
		}
		item, err := need(ctx, s, &internetGatewayKind, c.Scope, id)
		if err != nil {
			return nil, err
		}
		if item.Value.VPCID != vpcID {
			return nil, minato.Errorf(minato.WrongState, "resource %s is not attached to network %s", id, vpcID).Because("Gateway.NotAttached")
		}
		nats, err := list(ctx, s, s.natGateways(), c.Scope)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(nats, func(g NATGateway) bool { return g.VPCID == vpcID && g.State == NATAvailable && !g.Private }) {
			return nil, dependency("Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", vpcID)
		}
		item.Value.VPCID = ""
		return []store.Op{unchanged, s.internetGateways().UpdateOp(item)}, nil
	})
}

func (s *Service) findGatewayAndVPC(ctx context.Context, c Caller, action, id, vpcID string) error {
	vpc, vpcErr := need(ctx, s, &vpcKind, c.Scope, vpcID)
	if vpcErr != nil && !minato.Is(vpcErr, minato.NotFound) {
		return vpcErr
	}
	of := target{arn: resourceARN(c.Scope, vpcKind.resource, vpcID), tags: vpc.Value.Tags}
	if _, err := find(ctx, s, c, action, &internetGatewayKind, id, of); err != nil {
		return err
	}
	return vpcErr
}

// DeleteInternetGateway removes an internet gateway that is not attached.
func (s *Service) DeleteInternetGateway(ctx context.Context, c Caller, id string) error {
	if _, err := find(ctx, s, c, "ec2:DeleteInternetGateway", &internetGatewayKind, id); err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		item, err := need(ctx, s, &internetGatewayKind, c.Scope, id)
		if err == nil && item.Value.VPCID != "" {
			err = dependency("The internetGateway '%s' has dependencies and cannot be deleted.", id)
		}
		return []store.Op{s.internetGateways().DeleteOp(item)}, err
	})
}

// DescribeInternetGateways lists the internet gateways of the caller's account and region.
func (s *Service) DescribeInternetGateways(ctx context.Context, c Caller, d Describe) (Page[InternetGateway], error) {
	return describe(ctx, s, c, "ec2:DescribeInternetGateways", d, &internetGatewayKind, func() ([]InternetGateway, error) {
		return list(ctx, s, s.internetGateways(), c.Scope)
	})
}
