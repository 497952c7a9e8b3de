package ec2

import (
	"context"
	"errors"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// roster is a record of each VPC that says nothing, and is written whenever something joins the VPC or begins to refer to a part
// of it. Who deletes a part reads the roster first, then looks for what depends on the part, and commits on the condition that
// the roster is as it was. So nothing can join unseen in between; and those who join never get in each other's way.
type roster struct{}

func (s *Service) rosters() *store.Collection[roster] {
	return store.NewCollection[roster](s.Store, rostersPrefix)
}

// joinOp is part of every commit that adds to a VPC. It asks that the VPC exists.
func (s *Service) joinOp(scope minato.Scope, vpcID string) store.Op {
	return s.rosters().UpdateOp(store.Item[roster]{ID: recordID(scope, vpcID), Revision: store.AnyRevision})
}

// nothingJoined gives what a commit that deletes a part of a VPC must hold to: read it before looking for dependents.
func (s *Service) nothingJoined(ctx context.Context, scope minato.Scope, vpcID string) (store.Op, error) {
	id := recordID(scope, vpcID)
	item, err := s.rosters().Get(ctx, id)
	if err != nil {
		return store.Op{}, readError(s.rosters().Key(id), err)
	}
	return store.Check(s.rosters().Key(id), item.Revision), nil
}

// existsOp asks that a record is still there when a commit is made.
func existsOp[T any](records *store.Collection[T], scope minato.Scope, id string) store.Op {
	return store.Check(records.Key(recordID(scope, id)), store.AnyRevision)
}

// aloneOp is part of a commit that must be the only one to add to a VPC since it looked: it is read before anything else.
func (s *Service) aloneOp(ctx context.Context, scope minato.Scope, vpcID string) (store.Op, error) {
	id := recordID(scope, vpcID)
	item, err := s.rosters().Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return store.Op{}, vpcKind.missing(vpcID)
	}
	if err != nil {
		return store.Op{}, readError(s.rosters().Key(id), err)
	}
	return s.rosters().UpdateOp(item), nil
}
