package iam

import (
	"context"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// maxRenamedMembers bounds the records that a change of a group's name writes, one for each member: etcd takes 128 in a commit.
const maxRenamedMembers = 100

// Rename is what UpdateUser and UpdateGroup take; nil leaves as it is.
type Rename struct{ Path, Name *string }

// apply gives an entity another path and name.
func (r Rename) apply(e *Entity, parameter string, longest int) error {
	if r.Path != nil {
		path, err := checkPath(*r.Path, pathForm)
		if err != nil {
			return err
		}
		e.Path = path
	}
	if r.Name != nil {
		if err := checkName(parameter, *r.Name, longest); err != nil {
			return err
		}
		e.Name = *r.Name
	}
	return nil
}

// UpdateUser gives a user another path and name, under its unique id: its keys, groups and policies stay.
func (s *Service) UpdateUser(ctx context.Context, account, name string, r Rename) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		u, err := s.users.get(ctx, account, name)
		if err != nil {
			return nil, err
		}
		if err := r.apply(&u.Value.Entity, "newUserName", maxUserName); err != nil {
			return nil, err
		}
		ops, err := moveOps(ctx, s, s.users, u, name)
		if err != nil || u.Value.Name == name {
			return ops, err
		}
		for _, id := range u.Value.AccessKeys {
			key, err := s.getKey(ctx, account, name, id)
			if err != nil {
				return nil, err
			}
			key.Value.User = u.Value.Name
			ops = append(ops, s.keys.UpdateOp(key))
		}
		for _, group := range u.Value.Groups {
			g, err := s.groups.get(ctx, account, group)
			if err != nil {
				return nil, err
			}
			g.Value.Members = renamed(g.Value.Members, name, u.Value.Name)
			ops = append(ops, s.groups.records.UpdateOp(g))
		}
		return ops, nil
	})
}

// UpdateGroup gives a group another path and name.
func (s *Service) UpdateGroup(ctx context.Context, account, name string, r Rename) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		g, err := s.groups.get(ctx, account, name)
		if err != nil {
			return nil, err
		}
		if err := r.apply(&g.Value.Entity, "newGroupName", maxLongName); err != nil {
			return nil, err
		}
		ops, err := moveOps(ctx, s, s.groups, g, name)
		if err != nil || g.Value.Name == name {
			return ops, err
		}
		if n := len(g.Value.Members); n > maxRenamedMembers {
			return nil, limitExceeded("A group with more than %d members cannot be given another name, this one has %d", maxRenamedMembers, n)
		}
		for _, member := range g.Value.Members {
			u, err := s.users.get(ctx, account, member)
			if err != nil {
				return nil, err
			}
			u.Value.Groups = renamed(u.Value.Groups, name, g.Value.Name)
			ops = append(ops, s.users.records.UpdateOp(u))
		}
		return ops, nil
	})
}

// moveOps write an entity back that may have another name than the one it was read by, with the policies that say who uses them.
func moveOps[T any, P interface {
	*T
	entity() *Entity
}](ctx context.Context, s *Service, t table[T, P], item store.Item[T], before string) ([]store.Op, error) {
	e := P(&item.Value).entity()
	if e.Name == before {
		return []store.Op{t.records.UpdateOp(item)}, nil
	}
	ops := []store.Op{t.records.UpdateOp(item)}
	if from, to := recordID(e.Account, before), recordID(e.Account, e.Name); from != to {
		taken, err := exists(ctx, t.records, to)
		if err != nil {
			return nil, err
		}
		if taken {
			return nil, alreadyExists("%s with name %s already exists.", capital(t.kind), e.Name)
		}
		ops = []store.Op{t.records.DeleteOp(item), t.records.CreateOp(to, item.Value)}
	}
	was, is := string(t.kind)+"/"+before, string(t.kind)+"/"+e.Name
	used := slices.Clone(e.Attached)
	if e.Boundary != "" && !slices.Contains(used, e.Boundary) {
		used = append(used, e.Boundary)
	}
	for _, arn := range used {
		p, err := s.holdPolicy(ctx, e.Account, arn)
		if minato.Is(err, minato.NotFound) {
			return nil, store.ErrConflict // it was detached and deleted since: from the start
		}
		if err != nil {
			return nil, err
		}
		p.AttachedTo, p.BoundaryOf = renamed(p.AttachedTo, was, is), renamed(p.BoundaryOf, was, is)
		ops = append(ops, p.save()...)
	}
	return ops, nil
}

// renamed is a list with another name in the place of one.
func renamed(list []string, from, to string) []string {
	list = slices.Clone(list)
	for i, name := range list {
		if name == from {
			list[i] = to
		}
	}
	return list
}
