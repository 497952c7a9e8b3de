package ec2

import (
	"context"

	"minato.dev/minato"
)

// PublicSubnets are those of some subnets whose route table, their own or their VPC's main one, leads to an internet gateway.
func (s *Service) PublicSubnets(ctx context.Context, scope minato.Scope, subnets []Subnet) (map[string]bool, error) {
	tables, err := list(ctx, s, s.routeTables(), scope)
	if err != nil {
		return nil, err
	}
	main, own := map[string]RouteTable{}, map[string]RouteTable{}
	for _, t := range tables {
		for _, a := range t.Associations {
			if a.Main {
				main[t.VPCID] = t
			} else {
				own[a.SubnetID] = t
			}
		}
	}
	public := map[string]bool{}
	for _, n := range subnets {
		table, ok := own[n.ID]
		if !ok {
			table = main[n.VPCID]
		}
		for _, r := range table.Routes {
			public[n.ID] = public[n.ID] || r.GatewayID != ""
		}
	}
	return public, nil
}
