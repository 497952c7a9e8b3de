package iam

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// table is the records of one kind of entity.
type table[T any, P interface {
	*T
	entity() *Entity
}] struct {
	kind    Kind
	records *store.Collection[T]
}

// get reads an entity by its name, which must be spelled as it was made.
func (t table[T, P]) get(ctx context.Context, account, name string) (store.Item[T], error) {
	item, err := t.records.Get(ctx, recordID(account, name))
	if errors.Is(err, store.ErrNotFound) || (err == nil && P(&item.Value).entity().Name != name) {
		return item, notFound("The %s with name %s cannot be found.", t.kind, name)
	}
	return item, err
}

// held is an entity that was read, and the op that writes it back as it then is.
type held struct {
	*Entity
	save func() store.Op
}

// hold reads an entity of any kind.
func (t table[T, P]) hold(ctx context.Context, account, name string) (held, error) {
	item, err := t.get(ctx, account, name)
	if err != nil {
		return held{}, err
	}
	return held{P(&item.Value).entity(), func() store.Op { return t.records.UpdateOp(item) }}, nil
}

// list reads a page of the account's entities under a path.
func (t table[T, P]) list(ctx context.Context, account, pathPrefix string, p Page) ([]T, string, error) {
	if pathPrefix != "" && !prefixForm.MatchString(pathPrefix) {
		return nil, "", invalid("The specified value for pathPrefix is invalid. It must begin with /: %q", pathPrefix)
	}
	return list(ctx, t.records, account, p, func(v *T) bool {
		return strings.HasPrefix(P(v).entity().Path, pathPrefix)
	})
}

// hold reads a user, group or role.
func (s *Service) hold(ctx context.Context, h Holder) (held, error) {
	switch h.Kind {
	case UserKind:
		return s.users.hold(ctx, h.Account, h.Name)
	case GroupKind:
		return s.groups.hold(ctx, h.Account, h.Name)
	default:
		return s.roles.hold(ctx, h.Account, h.Name)
	}
}

// Description is what is common to users, groups and roles.
type Description struct {
	ARN      minato.ARN
	Tags     minato.Tags
	Boundary string // ARN of the permissions boundary, or empty
}

// Describe reads what is common to users, groups and roles.
func (s *Service) Describe(ctx context.Context, h Holder) (Description, error) {
	e, err := s.hold(ctx, h)
	if err != nil {
		return Description{}, err
	}
	return Description{ARN: e.arn(h.Kind), Tags: e.Tags, Boundary: e.Boundary}, nil
}

// update changes a user, group or role.
func (s *Service) update(ctx context.Context, h Holder, change func(*Entity) error) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		e, err := s.hold(ctx, h)
		if err != nil {
			return nil, err
		}
		if err := change(e.Entity); err != nil {
			return nil, err
		}
		return []store.Op{e.save()}, nil
	})
}

// Tag adds tags to a user or role, over those of the same keys.
func (s *Service) Tag(ctx context.Context, h Holder, tags minato.Tags) error {
	return s.update(ctx, h, func(e *Entity) error { return addTags(&e.Tags, tags) })
}

// Untag takes tags from a user or role; keys that are not there are ignored.
func (s *Service) Untag(ctx context.Context, h Holder, keys []string) error {
	return s.update(ctx, h, func(e *Entity) error { removeTags(e.Tags, keys); return nil })
}

// addTags merges tags into a set. Keys are told apart without case, as IAM does.
func addTags(to *minato.Tags, tags minato.Tags) error {
	if err := CheckTags(tags); err != nil {
		return err
	}
	merged := maps.Clone(*to)
	if merged == nil {
		merged = minato.Tags{}
	}
	removeTags(merged, slices.Collect(maps.Keys(tags)))
	maps.Copy(merged, tags)
	if len(merged) > maxTags {
		return limitExceeded("The number of tags has reached the maximum limit: %d", maxTags)
	}
	*to = merged
	return nil
}

func removeTags(tags minato.Tags, keys []string) {
	maps.DeleteFunc(tags, func(tag, _ string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return strings.EqualFold(tag, key) })
	})
}

// checkDeletable refuses to delete an entity that still has policies.
func (e *Entity) checkDeletable() error {
	if len(e.Attached) > 0 {
		return deleteConflict("Cannot delete entity, must detach all policies first.")
	}
	if len(e.Inline) > 0 {
		return deleteConflict("Cannot delete entity, must delete policies first.")
	}
	return nil
}

// newEntity checks what is common to CreateUser, CreateGroup and CreateRole.
func (s *Service) newEntity(account, path, name, parameter, idPrefix string, longest int, tags minato.Tags) (Entity, error) {
	path, err := checkPath(path, pathForm)
	if err == nil {
		err = checkName(parameter, name, longest)
	}
	if err == nil {
		err = CheckTags(tags)
	}
	return Entity{Account: account, Path: path, Name: name, ID: newUniqueID(idPrefix), Created: s.clock.Now().UTC(), Tags: tags}, err
}
