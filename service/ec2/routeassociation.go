package ec2

import (
	"context"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// associationOf finds the route table that a subnet is associated with, and the number of the association in it; -1 where
// there is none and the main table holds.
func (s *Service) associationOf(ctx context.Context, scope minato.Scope, subnetID string) (store.Item[RouteTable], int, error) {
	return s.findAssociation(ctx, scope, func(a Association) bool { return a.SubnetID == subnetID })
}

func (s *Service) findAssociation(ctx context.Context, scope minato.Scope, is func(Association) bool) (store.Item[RouteTable], int, error) {
	page, err := s.routeTables().List(ctx, scopeID(scope)+"/", "", 0)
	if err != nil {
		return store.Item[RouteTable]{}, -1, readError(s.routeTables().Prefix(), err)
	}
	for _, item := range page.Items {
		if i := slices.IndexFunc(item.Value.Associations, is); i >= 0 {
			return item, i, nil
		}
	}
	return store.Item[RouteTable]{}, -1, nil
}

// AssociateRouteTable puts a route table to a subnet and gives the association's id.
func (s *Service) AssociateRouteTable(ctx context.Context, c Caller, tableID, subnetID string) (string, error) {
	subnet, err := need(ctx, s, &subnetKind, c.Scope, subnetID)
	if err != nil && !minato.Is(err, minato.NotFound) {
		return "", err
	}
	of := target{arn: resourceARN(c.Scope, subnetKind.resource, subnetID), tags: subnet.Value.Tags}
	table, findErr := find(ctx, s, c, "ec2:AssociateRouteTable", &routeTableKind, tableID, of)
	if findErr != nil || err != nil {
		if findErr == nil {
			findErr = err
		}
		return "", findErr
	}
	if table.Value.VPCID != subnet.Value.VPCID {
		return "", invalid("Route table %s and subnet %s belong to different networks", tableID, subnetID)
	}
	var id string
	err = s.commit(ctx, func() ([]store.Op, error) {
		alone, err := s.aloneOp(ctx, c.Scope, subnet.Value.VPCID)
		if err != nil {
			return nil, err
		}
		held, at, err := s.associationOf(ctx, c.Scope, subnetID)
		if err != nil {
			return nil, err
		}
		if at >= 0 && held.Value.ID == tableID {
			id = held.Value.Associations[at].ID
			return nil, nil
		}
		if at >= 0 {
			return nil, minato.Errorf(minato.WrongState, "the specified association for route table %s conflicts with an existing association", tableID).
				Because("Resource.AlreadyAssociated")
		}
		if table, err = need(ctx, s, &routeTableKind, c.Scope, tableID); err != nil {
			return nil, err
		}
		id = newID("rtbassoc")
		table.Value.Associations = append(table.Value.Associations, Association{ID: id, SubnetID: subnetID})
		return []store.Op{alone, existsOp(s.subnets(), c.Scope, subnetID), s.routeTables().UpdateOp(table)}, nil
	})
	return id, err
}

// DisassociateRouteTable ends an association: the main route table holds for the subnet again.
func (s *Service) DisassociateRouteTable(ctx context.Context, c Caller, associationID string) error {
	item, _, err := s.needAssociation(ctx, c, "ec2:DisassociateRouteTable", associationID)
	if err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		if item, err = need(ctx, s, &routeTableKind, c.Scope, item.Value.ID); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(item.Value.Associations, func(a Association) bool { return a.ID == associationID })
		if i < 0 {
			return nil, noAssociation(associationID)
		}
		if item.Value.Associations[i].Main {
			return nil, invalid("cannot disassociate the main route table association %s", associationID)
		}
		item.Value.Associations = slices.Delete(item.Value.Associations, i, i+1)
		return []store.Op{s.routeTables().UpdateOp(item)}, nil
	})
}

func (s *Service) needAssociation(ctx context.Context, c Caller, action, id string) (store.Item[RouteTable], int, error) {
	if id == "" {
		return store.Item[RouteTable]{}, -1, missingParameter("AssociationId")
	}
	item, at, err := s.findAssociation(ctx, c.Scope, func(a Association) bool { return a.ID == id })
	if err != nil {
		return item, at, err
	}
	if at < 0 {
		if denied := s.permitted(ctx, c, action, target{arn: resourceARN(c.Scope, routeTableKind.resource, "*")}); denied != nil {
			return item, at, denied
		}
		return item, at, noAssociation(id)
	}
	_, err = find(ctx, s, c, action, &routeTableKind, item.Value.ID)
	return item, at, err
}

func noAssociation(id string) error {
	return minato.Errorf(minato.NotFound, "The association ID '%s' does not exist", id).Because("InvalidAssociationID.NotFound")
}

// ReplaceRouteTableAssociation puts another route table to what an association is for, a subnet or all that have no other. It
// gives the new association's id.
func (s *Service) ReplaceRouteTableAssociation(ctx context.Context, c Caller, associationID, tableID string) (string, error) {
	from, _, err := s.needAssociation(ctx, c, "ec2:ReplaceRouteTableAssociation", associationID)
	if err != nil {
		return "", err
	}
	to, err := find(ctx, s, c, "ec2:ReplaceRouteTableAssociation", &routeTableKind, tableID)
	if err != nil {
		return "", err
	}
	if from.Value.VPCID != to.Value.VPCID {
		return "", invalid("Route tables %s and %s belong to different networks", from.Value.ID, tableID)
	}
	id := newID("rtbassoc")
	return id, s.commit(ctx, func() ([]store.Op, error) {
		if from, err = need(ctx, s, &routeTableKind, c.Scope, from.Value.ID); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(from.Value.Associations, func(a Association) bool { return a.ID == associationID })
		if i < 0 {
			return nil, noAssociation(associationID)
		}
		moved := from.Value.Associations[i]
		moved.ID = id
		if from.Value.ID == tableID {
			from.Value.Associations[i] = moved
			return []store.Op{s.routeTables().UpdateOp(from)}, nil
		}
		if to, err = need(ctx, s, &routeTableKind, c.Scope, tableID); err != nil {
			return nil, err
		}
		from.Value.Associations = slices.Delete(from.Value.Associations, i, i+1)
		to.Value.Associations = append(to.Value.Associations, moved)
		return []store.Op{s.routeTables().UpdateOp(from), s.routeTables().UpdateOp(to)}, nil
	})
}
