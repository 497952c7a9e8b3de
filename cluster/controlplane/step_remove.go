package controlplane

import (
	"context"
	"errors"
	"fmt"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// removeSecurityGroupStep removes the cluster's security group.
type removeSecurityGroupStep struct {
	remove func(ctx context.Context, scope minato.Scope, id string) error
}

func (s removeSecurityGroupStep) do(ctx context.Context, p *pass) error {
	if p.cluster.Spec.ClusterSecurityGroup == "" {
		return nil
	}
	return s.remove(ctx, p.cluster.Scope, p.cluster.Spec.ClusterSecurityGroup)
}

// removeRecordsStep removes the updates, access entries, add-ons, Pod Identity associations and insights, and then, in the commit that ends the pass, the private
// record, its claims and the cluster: there is never one without the other.
type removeRecordsStep struct{ store store.Store }

func (s removeRecordsStep) do(ctx context.Context, p *pass) error {
	if err := eks.RemoveUpdates(ctx, s.store, &p.cluster); err != nil {
		return err
	}
	if err := eks.RemoveAccessEntries(ctx, s.store, &p.cluster); err != nil {
		return err
	}
	if err := eks.RemoveAddons(ctx, s.store, &p.cluster); err != nil {
		return err
	}
	if err := eks.RemovePodIdentityAssociations(ctx, s.store, &p.cluster); err != nil {
		return err
	}
	if err := eks.RemoveInsights(ctx, s.store, &p.cluster); err != nil {
		return err
	}
	// By key, since the record may be corrupt; and by who holds them, for the same reason.
	switch _, err := s.store.Get(ctx, Records(s.store).Key(p.cluster.ID)); {
	case err == nil:
		p.ops = append(p.ops, store.Delete(Records(s.store).Key(p.cluster.ID), store.AnyRevision))
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	for _, claims := range []*store.Collection[claim]{uidClaims(s.store), portClaims(s.store)} {
		page, err := claims.List(ctx, "", "", 0)
		if err != nil {
			return fmt.Errorf("reading claims: %w", err)
		}
		for _, item := range page.Items {
			if item.Value.ClusterID == p.cluster.ID {
				p.ops = append(p.ops, claims.DeleteOp(item))
			}
		}
	}
	p.ops = append(p.ops, eks.Clusters(s.store).DeleteOp(p.item))
	p.gone = true
	return nil
}
