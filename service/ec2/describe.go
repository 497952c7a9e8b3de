package ec2

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"minato.dev/minato"
)

// Describe is what every Describe operation can be asked.
type Describe struct {
	IDs        []string // nil is all; one that does not exist is an error
	Filters    []Filter
	MaxResults *int32 // 5 to 1000; nil is 1000
	NextToken  string
	DryRun     bool // only say whether the caller may
}

// Page is one page of what was asked for.
type Page[T any] struct {
	Items     []T
	NextToken string // empty at the end
}

// Bounds of MaxResults.
const (
	minResults = 5
	maxResults = 1000
)

// DescribeVPCs lists the VPCs of the caller's account and region.
func (s *Service) DescribeVPCs(ctx context.Context, c Caller, d Describe) (Page[VPC], error) {
	return describe(ctx, s, c, "ec2:DescribeVpcs", d, &vpcKind, func() ([]VPC, error) { return list(ctx, s, s.vpcs(), c.Scope) })
}

// DescribeSubnets lists the subnets of the caller's account and region, by VPC and zone.
func (s *Service) DescribeSubnets(ctx context.Context, c Caller, d Describe) (Page[Subnet], error) {
	return describe(ctx, s, c, "ec2:DescribeSubnets", d, &subnetKind, func() ([]Subnet, error) { return list(ctx, s, s.subnets(), c.Scope) })
}

// DescribeSecurityGroups lists the security groups of the caller's account and region. Names are those of groups in the
// default VPC, and work like ids.
func (s *Service) DescribeSecurityGroups(ctx context.Context, c Caller, d Describe, names []string) (Page[SecurityGroup], error) {
	return describe(ctx, s, c, "ec2:DescribeSecurityGroups", d, &securityGroupKind, func() ([]SecurityGroup, error) {
		groups, err := list(ctx, s, s.securityGroups(), c.Scope)
		if err != nil || len(names) == 0 {
			return groups, err
		}
		return s.named(ctx, c.Scope, groups, names)
	})
}

// named are the groups of the default VPC with these names.
func (s *Service) named(ctx context.Context, scope minato.Scope, groups []SecurityGroup, names []string) ([]SecurityGroup, error) {
	network, err := s.defaults().Get(ctx, scopeID(scope))
	if err != nil {
		return nil, readError(s.defaults().Key(scopeID(scope)), err)
	}
	groups = slices.DeleteFunc(groups, func(g SecurityGroup) bool {
		return g.VPCID != network.Value.VPCID || !slices.Contains(names, g.Name)
	})
	for _, name := range names {
		if !slices.ContainsFunc(groups, func(g SecurityGroup) bool { return g.Name == name }) {
			return nil, minato.Errorf(minato.NotFound, "The security group '%s' does not exist in default VPC '%s'", name, network.Value.VPCID).
				Because(securityGroupKind.notFound)
		}
	}
	return groups, nil
}

// DescribeZones lists the region's availability zones. The ids asked for are zone names; zoneIDs narrow them further.
func (s *Service) DescribeZones(ctx context.Context, c Caller, d Describe, zoneIDs []string) (Page[Zone], error) {
	return describe(ctx, s, c, "ec2:DescribeAvailabilityZones", d, &zoneKind, func() ([]Zone, error) {
		zones := Zones(c.Scope.Region)
		if len(zoneIDs) == 0 {
			return zones, nil
		}
		for _, id := range zoneIDs {
			if !slices.ContainsFunc(zones, func(z Zone) bool { return z.ID == id }) {
				return nil, zoneKind.missing(id)
			}
		}
		return slices.DeleteFunc(zones, func(z Zone) bool { return !slices.Contains(zoneIDs, z.ID) }), nil
	})
}

func describe[T any](ctx context.Context, s *Service, c Caller, action string, d Describe, k *kind[T], read func() ([]T, error)) (Page[T], error) {
	if err := s.authorize(ctx, c, action); err != nil {
		return Page[T]{}, err
	}
	if d.DryRun {
		return Page[T]{}, errDryRun()
	}
	if err := k.check(d.Filters); err != nil {
		return Page[T]{}, err
	}
	all, err := read()
	if err != nil {
		return Page[T]{}, err
	}
	found, err := k.pick(all, d)
	if err != nil {
		return Page[T]{}, err
	}
	return k.page(found, d)
}

// pick are the resources asked for, in order.
func (k *kind[T]) pick(all []T, d Describe) ([]T, error) {
	var missing []string
	for _, id := range d.IDs {
		if !slices.ContainsFunc(all, func(v T) bool { return k.id(v) == id }) {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return nil, k.missing(missing...)
	}
	found := slices.DeleteFunc(all, func(v T) bool {
		return len(d.IDs) > 0 && !slices.Contains(d.IDs, k.id(v)) || !k.matches(v, d.Filters)
	})
	slices.SortFunc(found, func(x, y T) int { return cmp.Compare(k.order(x), k.order(y)) })
	return found, nil
}

// page cuts the page asked for out of what was found. A token is the order key of the last resource before the page.
func (k *kind[T]) page(found []T, d Describe) (Page[T], error) {
	limit := maxResults
	if d.MaxResults != nil {
		limit = int(*d.MaxResults)
	}
	if limit < minResults || limit > maxResults {
		return Page[T]{}, minato.Errorf(minato.Invalid, "Value ( %d ) for parameter maxResults is invalid. Expecting a value from %d to %d.",
			limit, minResults, maxResults).Because("InvalidParameterValue")
	}
	if d.NextToken != "" {
		token, err := base64.RawURLEncoding.DecodeString(d.NextToken)
		after, ok := strings.CutPrefix(string(token), k.noun+":")
		if err != nil || !ok {
			return Page[T]{}, minato.Errorf(minato.Invalid, "The token '%s' is invalid: want the nextToken of the page before", d.NextToken).
				Because("InvalidPaginationToken")
		}
		found = slices.DeleteFunc(found, func(v T) bool { return k.order(v) <= after })
	}
	if len(found) <= limit {
		return Page[T]{Items: found}, nil
	}
	found = found[:limit]
	last := k.noun + ":" + k.order(found[limit-1])
	return Page[T]{Items: found, NextToken: base64.RawURLEncoding.EncodeToString([]byte(last))}, nil
}
