package iam

import (
	"context"
	"errors"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// CreateInstanceProfile makes an instance profile without a role.
func (s *Service) CreateInstanceProfile(ctx context.Context, account, path, name string, tags minato.Tags) (InstanceProfile, error) {
	path, err := checkPath(path, pathForm)
	if err == nil {
		err = checkName("instanceProfileName", name, maxLongName)
	}
	if err == nil {
		err = CheckTags(tags)
	}
	if err != nil {
		return InstanceProfile{}, err
	}
	p := InstanceProfile{Account: account, Path: path, Name: name, ID: newUniqueID(instanceProfilePrefix),
		Created: s.clock.Now().UTC(), Tags: tags}
	id := recordID(account, name)
	return p, s.transact(ctx, func() ([]store.Op, error) {
		taken, err := exists(ctx, s.profiles, id)
		if taken {
			err = alreadyExists("Instance Profile %s already exists.", name)
		}
		return []store.Op{s.profiles.CreateOp(id, p)}, err
	})
}

func (s *Service) getProfile(ctx context.Context, account, name string) (store.Item[InstanceProfile], error) {
	item, err := s.profiles.Get(ctx, recordID(account, name))
	if errors.Is(err, store.ErrNotFound) || (err == nil && item.Value.Name != name) {
		return item, notFound("Instance Profile %s cannot be found.", name)
	}
	return item, err
}

// InstanceProfile reads an instance profile.
func (s *Service) InstanceProfile(ctx context.Context, account, name string) (InstanceProfile, error) {
	item, err := s.getProfile(ctx, account, name)
	return item.Value, err
}

// InstanceProfiles lists an account's instance profiles under a path.
func (s *Service) InstanceProfiles(ctx context.Context, account, pathPrefix string, p Page) ([]InstanceProfile, string, error) {
	return list(ctx, s.profiles, account, p, func(v *InstanceProfile) bool { return strings.HasPrefix(v.Path, pathPrefix) })
}

// InstanceProfilesOf lists the instance profiles that have a role.
func (s *Service) InstanceProfilesOf(ctx context.Context, account, role string, p Page) ([]InstanceProfile, string, error) {
	if _, err := s.Role(ctx, account, role); err != nil {
		return nil, "", err
	}
	return list(ctx, s.profiles, account, p, func(v *InstanceProfile) bool { return v.Role == role })
}

// AddRoleToInstanceProfile puts a role into a profile that has none.
func (s *Service) AddRoleToInstanceProfile(ctx context.Context, account, profile, role string) error {
	return s.changeProfile(ctx, account, profile, role, func(p *InstanceProfile, r *Role) error {
		if p.Role != "" {
			return limitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		}
		p.Role, r.InstanceProfiles = role, append(r.InstanceProfiles, profile)
		return nil
	})
}

// RemoveRoleFromInstanceProfile takes a role out of a profile.
func (s *Service) RemoveRoleFromInstanceProfile(ctx context.Context, account, profile, role string) error {
	return s.changeProfile(ctx, account, profile, role, func(p *InstanceProfile, r *Role) error {
		if p.Role != role {
			return notFound("Cannot find role %s in instance profile %s.", role, profile)
		}
		p.Role, r.InstanceProfiles = "", without(r.InstanceProfiles, profile)
		return nil
	})
}

func (s *Service) changeProfile(ctx context.Context, account, profile, role string, change func(*InstanceProfile, *Role) error) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		p, err := s.getProfile(ctx, account, profile)
		if err != nil {
			return nil, err
		}
		r, err := s.roles.get(ctx, account, role)
		if err != nil {
			return nil, err
		}
		if err := change(&p.Value, &r.Value); err != nil {
			return nil, err
		}
		return []store.Op{s.profiles.UpdateOp(p), s.roles.records.UpdateOp(r)}, nil
	})
}

// DeleteInstanceProfile removes a profile that has no role any more.
func (s *Service) DeleteInstanceProfile(ctx context.Context, account, name string) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		p, err := s.getProfile(ctx, account, name)
		if err == nil && p.Value.Role != "" {
			err = deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
		}
		return []store.Op{s.profiles.DeleteOp(p)}, err
	})
}

// TagInstanceProfile adds tags.
func (s *Service) TagInstanceProfile(ctx context.Context, account, name string, tags minato.Tags) error {
	return s.modifyProfile(ctx, account, name, func(p *InstanceProfile) error { return addTags(&p.Tags, tags) })
}

// UntagInstanceProfile takes tags away.
func (s *Service) UntagInstanceProfile(ctx context.Context, account, name string, keys []string) error {
	return s.modifyProfile(ctx, account, name, func(p *InstanceProfile) error { removeTags(p.Tags, keys); return nil })
}

func (s *Service) modifyProfile(ctx context.Context, account, name string, change func(*InstanceProfile) error) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		p, err := s.getProfile(ctx, account, name)
		if err == nil {
			err = change(&p.Value)
		}
		return []store.Op{s.profiles.UpdateOp(p)}, err
	})
}
