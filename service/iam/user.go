package iam

import (
	"context"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// NewUser is what CreateUser takes.
type NewUser struct {
	Path     string // "/" if empty
	Name     string
	Boundary string // ARN of a managed policy, or empty
	Tags     minato.Tags
}

// CreateUser makes a user without policies and keys.
func (s *Service) CreateUser(ctx context.Context, account string, in NewUser) (User, error) {
	e, err := s.newEntity(account, in.Path, in.Name, "userName", userPrefix, maxUserName, in.Tags)
	e.Boundary = in.Boundary
	if err != nil {
		return User{}, err
	}
	user := User{Entity: e}
	return user, create(ctx, s, s.users, user)
}

// User reads a user.
func (s *Service) User(ctx context.Context, account, name string) (User, error) {
	item, err := s.users.get(ctx, account, name)
	return item.Value, err
}

// Users lists an account's users under a path, and answers with the marker of the next page.
func (s *Service) Users(ctx context.Context, account, pathPrefix string, p Page) ([]User, string, error) {
	return s.users.list(ctx, account, pathPrefix, p)
}

// DeleteUser removes a user that has no policies, keys and groups any more.
func (s *Service) DeleteUser(ctx context.Context, account, name string) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		user, err := s.users.get(ctx, account, name)
		if err != nil {
			return nil, err
		}
		if err := user.Value.checkDeletable(); err != nil {
			return nil, err
		}
		if len(user.Value.AccessKeys) > 0 {
			return nil, deleteConflict("Cannot delete entity, must delete access keys first.")
		}
		if len(user.Value.Groups) > 0 {
			return nil, deleteConflict("Cannot delete entity, must remove users from group first.")
		}
		return s.withBoundary(ctx, Holder{account, UserKind, name}, user.Value.Boundary, "", s.users.records.DeleteOp(user))
	})
}

// GroupsOf lists the groups that a user is in, by name.
func (s *Service) GroupsOf(ctx context.Context, account, user string, p Page) ([]Group, string, error) {
	item, err := s.users.get(ctx, account, user)
	if err != nil {
		return nil, "", err
	}
	names, next, err := slicePage(slices.Sorted(slices.Values(item.Value.Groups)), p, func(n string) string { return n })
	if err != nil {
		return nil, "", err
	}
	groups := make([]Group, 0, len(names))
	for _, name := range names {
		group, err := s.groups.get(ctx, account, name)
		if minato.Is(err, minato.NotFound) {
			continue // it went away since we read the user
		}
		if err != nil {
			return nil, "", err
		}
		groups = append(groups, group.Value)
	}
	return groups, next, nil
}
