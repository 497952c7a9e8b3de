package iam

import (
	"context"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

const maxGroupsPerUser = 10

// CreateGroup makes a group without members and policies.
func (s *Service) CreateGroup(ctx context.Context, account, path, name string) (Group, error) {
	e, err := s.newEntity(account, path, name, "groupName", groupPrefix, maxLongName, nil)
	if err != nil {
		return Group{}, err
	}
	group := Group{Entity: e}
	return group, create(ctx, s, s.groups, group)
}

// Group reads a group and a page of its members.
func (s *Service) Group(ctx context.Context, account, name string, p Page) (Group, []User, string, error) {
	item, err := s.groups.get(ctx, account, name)
	if err != nil {
		return Group{}, nil, "", err
	}
	members, next, err := slicePage(slices.Sorted(slices.Values(item.Value.Members)), p, func(n string) string { return n })
	if err != nil {
		return Group{}, nil, "", err
	}
	users := make([]User, 0, len(members))
	for _, member := range members {
		user, err := s.users.get(ctx, account, member)
		if minato.Is(err, minato.NotFound) {
			continue // it went away since we read the group
		}
		if err != nil {
			return Group{}, nil, "", err
		}
		users = append(users, user.Value)
	}
	return item.Value, users, next, nil
}

// Groups lists an account's groups under a path.
func (s *Service) Groups(ctx context.Context, account, pathPrefix string, p Page) ([]Group, string, error) {
	return s.groups.list(ctx, account, pathPrefix, p)
}

// DeleteGroup removes a group that has no members and policies any more.
func (s *Service) DeleteGroup(ctx context.Context, account, name string) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		group, err := s.groups.get(ctx, account, name)
		if err != nil {
			return nil, err
		}
		if len(group.Value.Members) > 0 {
			return nil, deleteConflict("Cannot delete entity, must remove users from group first.")
		}
		if err := group.Value.checkDeletable(); err != nil {
			return nil, err
		}
		return []store.Op{s.groups.records.DeleteOp(group)}, nil
	})
}

// AddUserToGroup makes a user a member; it may be one already.
func (s *Service) AddUserToGroup(ctx context.Context, account, group, user string) error {
	return s.changeMember(ctx, account, group, user, func(g *Group, u *User) error {
		if slices.Contains(u.Groups, group) {
			return nil
		}
		if len(u.Groups) >= maxGroupsPerUser {
			return limitExceeded("Cannot exceed quota for GroupsPerUser: %d", maxGroupsPerUser)
		}
		g.Members, u.Groups = append(g.Members, user), append(u.Groups, group)
		return nil
	})
}

// RemoveUserFromGroup ends a user's membership; there may be none.
func (s *Service) RemoveUserFromGroup(ctx context.Context, account, group, user string) error {
	return s.changeMember(ctx, account, group, user, func(g *Group, u *User) error {
		g.Members = without(g.Members, user)
		u.Groups = without(u.Groups, group)
		return nil
	})
}

func (s *Service) changeMember(ctx context.Context, account, group, user string, change func(*Group, *User) error) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		g, err := s.groups.get(ctx, account, group)
		if err != nil {
			return nil, err
		}
		u, err := s.users.get(ctx, account, user)
		if err != nil {
			return nil, err
		}
		if err := change(&g.Value, &u.Value); err != nil {
			return nil, err
		}
		return []store.Op{s.groups.records.UpdateOp(g), s.users.records.UpdateOp(u)}, nil
	})
}

// without is a list without one of its values.
func without(list []string, value string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(v string) bool { return v == value })
}
