package ec2

import (
	"context"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// NewSubnet is a subnet to be made.
type NewSubnet struct {
	VPCID  string
	CIDR   string
	Zone   string // its name or its id; empty for any
	ZoneID string
	Tags   minato.Tags
}

// CreateSubnet makes a subnet of a VPC.
func (s *Service) CreateSubnet(ctx context.Context, c Caller, in NewSubnet) (Subnet, error) {
	n := Subnet{Scope: c.Scope, ID: newID("subnet"), VPCID: in.VPCID, Tags: in.Tags}
	vpc, err := s.findPart(ctx, c, "ec2:CreateSubnet", subnetKind.resource, in.Tags, in.VPCID)
	if err != nil {
		return n, err
	}
	zone, err := zoneFor(c.Scope.Region, in.Zone, in.ZoneID)
	if err != nil {
		return n, err
	}
	n.Zone, n.ZoneID = zone.Name, zone.ID
	if in.CIDR == "" {
		return n, missingParameter("cidrBlock")
	}
	if n.CIDR, err = parseBlock(in.CIDR); err != nil {
		return n, err
	}
	err = s.commit(ctx, func() ([]store.Op, error) {
		alone, err := s.aloneOp(ctx, c.Scope, vpc.ID)
		if err == nil {
			err = s.fits(ctx, n)
		}
		return []store.Op{alone, s.subnets().CreateOp(recordID(c.Scope, n.ID), n)}, err
	})
	return n, err
}

// findPart reads the VPC in which something is to be made, and asks whether the caller may make it there.
func (s *Service) findPart(ctx context.Context, c Caller, action, resource string, tags minato.Tags, vpcID string) (VPC, error) {
	item, err := need(ctx, s, &vpcKind, c.Scope, vpcID)
	if err != nil && !minato.Is(err, minato.NotFound) {
		return VPC{}, err
	}
	vpc := target{arn: resourceARN(c.Scope, vpcKind.resource, vpcID), tags: item.Value.Tags}
	if err := s.allowCreate(ctx, c, action, resource, tags, vpc); err != nil {
		return VPC{}, err
	}
	return item.Value, err
}

// fits is whether a new subnet lies in one block of its VPC and on none of its subnets.
func (s *Service) fits(ctx context.Context, n Subnet) error {
	vpc, err := need(ctx, s, &vpcKind, n.Scope, n.VPCID)
	if err != nil {
		return err
	}
	inside := slices.ContainsFunc(vpc.Value.Blocks(), func(b CIDRBlock) bool { return b.CIDR.Contains(n.CIDR.Addr()) && b.CIDR.Bits() <= n.CIDR.Bits() })
	if !inside || n.CIDR.Bits() < largestBlock || n.CIDR.Bits() > smallestBlock {
		return minato.Errorf(minato.Invalid, "The CIDR '%s' is invalid.", n.CIDR).Because("InvalidSubnet.Range")
	}
	others, err := list(ctx, s, s.subnets(), n.Scope)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(others, func(o Subnet) bool { return o.VPCID == n.VPCID && o.CIDR.Overlaps(n.CIDR) }) {
		return minato.Errorf(minato.Invalid, "The CIDR '%s' conflicts with another subnet", n.CIDR).Because("InvalidSubnet.Conflict")
	}
	return nil
}

func zoneFor(region minato.Region, name, id string) (Zone, error) {
	zones := Zones(region)
	var names []string
	for _, z := range zones {
		if name == "" && id == "" || z.Name == name || name == "" && z.ID == id {
			return z, nil
		}
		names = append(names, z.Name)
	}
	return Zone{}, invalid("Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s.",
		name+id, strings.Join(names, ", "))
}

// DeleteSubnet removes a subnet in which no address is taken.
func (s *Service) DeleteSubnet(ctx context.Context, c Caller, id string) error {
	if _, err := find(ctx, s, c, "ec2:DeleteSubnet", &subnetKind, id); err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		item, err := need(ctx, s, &subnetKind, c.Scope, id)
		if err != nil {
			return nil, err
		}
		unchanged, err := s.nothingJoined(ctx, c.Scope, item.Value.VPCID) // no association
		if err != nil {
			return nil, err
		}
		if item.Value.Addresses.Used > 0 {
			return nil, dependency("The subnet '%s' has dependencies and cannot be deleted.", id)
		}
		ops := []store.Op{unchanged, s.subnets().DeleteOp(item)}
		table, association, err := s.associationOf(ctx, c.Scope, id)
		if err != nil || association < 0 {
			return ops, err
		}
		table.Value.Associations = slices.Delete(table.Value.Associations, association, association+1)
		return append(ops, s.routeTables().UpdateOp(table)), nil
	})
}

// ModifySubnet changes whether instances of a subnet get public addresses.
func (s *Service) ModifySubnet(ctx context.Context, c Caller, id string, mapPublicIP *bool) error {
	_, err := modify(ctx, s, c, "ec2:ModifySubnetAttribute", &subnetKind, id, func(n *Subnet) error {
		if mapPublicIP != nil {
			n.MapPublicIP = *mapPublicIP
		}
		return nil
	})
	return err
}
