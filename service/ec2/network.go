package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// What follows is for the other services, which have authorized their caller for their own action.

// Subnets are those of the subnets named that exist, in the order named.
func (s *Service) Subnets(ctx context.Context, scope minato.Scope, ids []string) ([]Subnet, error) {
	return existing(ctx, s.subnets(), scope, ids)
}

// DefaultSubnets are the default VPC's subnets that EnsureDefaults made, by zone.
func (s *Service) DefaultSubnets(ctx context.Context, scope minato.Scope) ([]Subnet, error) {
	subnets, err := list(ctx, s, s.subnets(), scope)
	if err != nil {
		return nil, err
	}
	subnets = slices.DeleteFunc(subnets, func(n Subnet) bool { return !n.DefaultForAZ })
	slices.SortFunc(subnets, func(x, y Subnet) int { return strings.Compare(x.Zone, y.Zone) })
	return subnets, nil
}

// SecurityGroups are those of the security groups named that exist, in the order named.
func (s *Service) SecurityGroups(ctx context.Context, scope minato.Scope, ids []string) ([]SecurityGroup, error) {
	return existing(ctx, s.securityGroups(), scope, ids)
}

func existing[T any](ctx context.Context, records *store.Collection[T], scope minato.Scope, ids []string) ([]T, error) {
	var found []T
	for _, id := range ids {
		item, ok, err := get(ctx, records, scope, id)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, item.Value)
		}
	}
	return found, nil
}

// CIDRs are the IPv4 blocks of a VPC. The error is of kind NotFound where there is no such VPC.
func (s *Service) CIDRs(ctx context.Context, scope minato.Scope, vpcID string) ([]netip.Prefix, error) {
	vpc, ok, err := get(ctx, s.vpcs(), scope, vpcID)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, vpcKind.missing(vpcID)
	}
	var cidrs []netip.Prefix
	for _, b := range vpc.Value.Blocks() {
		cidrs = append(cidrs, b.CIDR)
	}
	return cidrs, nil
}

// NewSecurityGroup makes a security group whose members may talk to each other, and to everybody if they begin: its id,
// and the ops that make it exist, to be committed together with what needs it.
func (s *Service) NewSecurityGroup(ctx context.Context, scope minato.Scope, vpcID, name, description string, tags minato.Tags) (id string, ops []store.Op, err error) {
	if _, err := s.CIDRs(ctx, scope, vpcID); err != nil {
		return "", nil, err
	}
	g := newSecurityGroup(scope, vpcID, name, description, tags)
	return g.ID, []store.Op{s.joinOp(scope, vpcID), s.securityGroups().CreateOp(recordID(scope, g.ID), g)}, nil
}

// RemoveSecurityGroup gives the ops that remove a security group; none where there is none.
func (s *Service) RemoveSecurityGroup(ctx context.Context, scope minato.Scope, id string) ([]store.Op, error) {
	item, ok, err := get(ctx, s.securityGroups(), scope, id)
	if err != nil || !ok {
		return nil, err
	}
	return []store.Op{s.securityGroups().DeleteOp(item)}, nil
}
