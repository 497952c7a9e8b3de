package iam

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// create commits a new entity, and its permissions boundary with it.
func create[T any, P interface {
	*T
	entity() *Entity
}](ctx context.Context, s *Service, t table[T, P], v T) error {
	e := P(&v).entity()
	id := recordID(e.Account, e.Name)
	return s.transact(ctx, func() ([]store.Op, error) {
		taken, err := exists(ctx, t.records, id)
		if err != nil {
			return nil, err
		}
		if taken {
			return nil, alreadyExists("%s with name %s already exists.", capital(t.kind), e.Name)
		}
		return s.withBoundary(ctx, Holder{e.Account, t.kind, e.Name}, "", e.Boundary, t.records.CreateOp(id, v))
	})
}

func capital(k Kind) string { return string(k[0]-'a'+'A') + string(k[1:]) }

// withBoundary adds to an op on an entity what its change of boundary does to the records of the two policies. Each may be
// empty.
func (s *Service) withBoundary(ctx context.Context, h Holder, from, to string, op store.Op) ([]store.Op, error) {
	ops := []store.Op{op}
	if from == to {
		return ops, nil
	}
	user := string(h.Kind) + "/" + h.Name
	if to != "" {
		p, err := s.holdPolicy(ctx, h.Account, to)
		if minato.Is(err, minato.NotFound) {
			return nil, notFound("Scope ARN: %s does not exist or is not attachable.", to)
		}
		if err != nil {
			return nil, err
		}
		p.BoundaryOf = append(p.BoundaryOf, user)
		ops = append(ops, p.save()...)
	}
	if from != "" {
		p, err := s.holdPolicy(ctx, h.Account, from)
		if err != nil {
			return nil, err
		}
		p.BoundaryOf = without(p.BoundaryOf, user)
		ops = append(ops, p.save()...)
	}
	return ops, nil
}

// SetBoundary makes a managed policy the permissions boundary of a user or role; an empty ARN takes the boundary away.
func (s *Service) SetBoundary(ctx context.Context, h Holder, arn string) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		e, err := s.hold(ctx, h)
		if err != nil {
			return nil, err
		}
		if arn == "" && e.Boundary == "" {
			return nil, notFound("The %s with name %s does not have a permissions boundary.", h.Kind, h.Name)
		}
		before := e.Boundary
		e.Boundary = arn
		return s.withBoundary(ctx, h, before, arn, e.save())
	})
}

// heldPolicy is a managed policy that was read, and the ops that write it back: none for AWS's own.
type heldPolicy struct {
	*ManagedPolicy
	save func() []store.Op
}

// holdPolicy reads a managed policy that an account may use: its own, or AWS's.
func (s *Service) holdPolicy(ctx context.Context, account, arn string) (heldPolicy, error) {
	if p := awsManaged(arn); p != nil {
		// AWS's own are shared by all accounts: who uses one is found by looking (usage), not kept.
		copied := *p
		return heldPolicy{&copied, func() []store.Op { return nil }}, nil
	}
	item, err := s.getPolicy(ctx, account, arn)
	if err != nil {
		return heldPolicy{}, err
	}
	return heldPolicy{&item.Value, func() []store.Op { return []store.Op{s.policies.UpdateOp(item)} }}, nil
}
