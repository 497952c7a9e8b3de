package iam

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam/policy"
)

const maxAttached = 10

// maxInlineSize is the sum of an entity's inline policies.
var maxInlineSize = map[Kind]int{UserKind: 2048, GroupKind: 5120, RoleKind: 10240}

// AttachPolicy attaches a managed policy; it may be attached already.
func (s *Service) AttachPolicy(ctx context.Context, h Holder, arn string) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		e, err := s.hold(ctx, h)
		if err != nil {
			return nil, err
		}
		p, err := s.holdPolicy(ctx, h.Account, arn)
		if minato.Is(err, minato.NotFound) {
			return nil, notFound("Policy %s does not exist or is not attachable.", arn)
		}
		if err != nil || slices.Contains(e.Attached, arn) {
			return nil, err
		}
		if len(e.Attached) >= maxAttached {
			return nil, limitExceeded("Cannot exceed quota for PoliciesPer%s: %d", capital(h.Kind), maxAttached)
		}
		e.Attached = append(e.Attached, arn)
		p.AttachedTo = append(p.AttachedTo, string(h.Kind)+"/"+h.Name)
		return append(p.save(), e.save()), nil
	})
}

// DetachPolicy detaches a managed policy.
func (s *Service) DetachPolicy(ctx context.Context, h Holder, arn string) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		e, err := s.hold(ctx, h)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(e.Attached, arn) {
			return nil, notFound("Policy %s was not found.", arn)
		}
		p, err := s.holdPolicy(ctx, h.Account, arn)
		if err != nil {
			return nil, err
		}
		e.Attached = without(e.Attached, arn)
		p.AttachedTo = without(p.AttachedTo, string(h.Kind)+"/"+h.Name)
		return append(p.save(), e.save()), nil
	})
}

// AttachedPolicies lists the ARNs of the managed policies attached to a user, group or role, under a path.
func (s *Service) AttachedPolicies(ctx context.Context, h Holder, pathPrefix string, p Page) ([]minato.ARN, string, error) {
	e, err := s.hold(ctx, h)
	if err != nil {
		return nil, "", err
	}
	var arns []minato.ARN
	for _, attached := range slices.Sorted(slices.Values(e.Attached)) {
		arn, err := minato.ParseARN(attached)
		if err != nil {
			return nil, "", err
		}
		if strings.HasPrefix(strings.TrimPrefix(arn.Resource, "policy"), pathPrefix) {
			arns = append(arns, arn)
		}
	}
	return slicePage(arns, p, minato.ARN.String)
}

// PutInlinePolicy adds an inline policy, or replaces the one of the same name.
func (s *Service) PutInlinePolicy(ctx context.Context, h Holder, name, document string) error {
	if err := checkName("policyName", name, maxLongName); err != nil {
		return err
	}
	if _, err := parseDocument("policyDocument", document, policy.Identity); err != nil {
		return err
	}
	return s.update(ctx, h, func(e *Entity) error {
		if e.Inline == nil {
			e.Inline = map[string]string{}
		}
		e.Inline[name] = document
		size := 0
		for _, d := range e.Inline {
			size += policySize(d)
		}
		if size > maxInlineSize[h.Kind] {
			return limitExceeded("Maximum policy size of %d bytes exceeded for %s %s", maxInlineSize[h.Kind], h.Kind, h.Name)
		}
		return nil
	})
}

// InlinePolicy reads an inline policy's document.
func (s *Service) InlinePolicy(ctx context.Context, h Holder, name string) (string, error) {
	e, err := s.hold(ctx, h)
	if err != nil {
		return "", err
	}
	document, ok := e.Inline[name]
	if !ok {
		return "", noInlinePolicy(h, name)
	}
	return document, nil
}

func noInlinePolicy(h Holder, name string) error {
	return notFound("The %s policy with name %s cannot be found.", h.Kind, name)
}

// InlinePolicies lists the names of inline policies.
func (s *Service) InlinePolicies(ctx context.Context, h Holder, p Page) ([]string, string, error) {
	e, err := s.hold(ctx, h)
	if err != nil {
		return nil, "", err
	}
	return slicePage(slices.Sorted(maps.Keys(e.Inline)), p, func(n string) string { return n })
}

// DeleteInlinePolicy removes an inline policy.
func (s *Service) DeleteInlinePolicy(ctx context.Context, h Holder, name string) error {
	return s.update(ctx, h, func(e *Entity) error {
		if _, ok := e.Inline[name]; !ok {
			return noInlinePolicy(h, name)
		}
		delete(e.Inline, name)
		return nil
	})
}

// use is who uses a managed policy, and as what.
type use struct {
	kind     Kind
	entity   *Entity
	boundary bool
}

// uses are an account's, by the policy's ARN.
type uses map[string][]use

// usage looks through an account for who uses which managed policy.
func (s *Service) usage(ctx context.Context, account string) (uses, error) {
	found := uses{}
	note := func(kind Kind, e *Entity) {
		for _, arn := range e.Attached {
			found[arn] = append(found[arn], use{kind, e, false})
		}
		if e.Boundary != "" {
			found[e.Boundary] = append(found[e.Boundary], use{kind, e, true})
		}
	}
	users, err := all(ctx, s.users.records, account, func(*User) bool { return true })
	if err != nil {
		return nil, err
	}
	for i := range users {
		note(UserKind, &users[i].Entity)
	}
	groups, err := all(ctx, s.groups.records, account, func(*Group) bool { return true })
	if err != nil {
		return nil, err
	}
	for i := range groups {
		note(GroupKind, &groups[i].Entity)
	}
	roles, err := all(ctx, s.roles.records, account, func(*Role) bool { return true })
	if err != nil {
		return nil, err
	}
	for i := range roles {
		note(RoleKind, &roles[i].Entity)
	}
	return found, nil
}

func (u uses) of(p ManagedPolicy) PolicyUse {
	result := PolicyUse{ManagedPolicy: p}
	for _, use := range u[p.ARN().String()] {
		if use.boundary {
			result.Boundaries++
		} else {
			result.Attachments++
		}
	}
	return result
}

// PolicyUse reads a managed policy with how often it is used.
func (s *Service) PolicyUse(ctx context.Context, account, arn string) (PolicyUse, error) {
	p, err := s.Policy(ctx, account, arn)
	if err != nil {
		return PolicyUse{}, err
	}
	if awsManaged(arn) == nil {
		return PolicyUse{ManagedPolicy: p, Attachments: len(p.AttachedTo), Boundaries: len(p.BoundaryOf)}, nil
	}
	uses, err := s.usage(ctx, account)
	return uses.of(p), err
}

// Attachment is a user, group or role that uses a managed policy.
type Attachment struct {
	Kind     Kind
	Name, ID string
}

// EntityFilter narrows who uses a policy; empty members do not.
type EntityFilter struct {
	Kind       Kind
	PathPrefix string
	Use        string // "PermissionsPolicy" or "PermissionsBoundary"
}

// EntitiesFor lists who uses a managed policy: users, then roles, then groups, each by name.
func (s *Service) EntitiesFor(ctx context.Context, account, arn string, f EntityFilter, p Page) ([]Attachment, string, error) {
	if _, err := s.Policy(ctx, account, arn); err != nil {
		return nil, "", err
	}
	uses, err := s.usage(ctx, account)
	if err != nil {
		return nil, "", err
	}
	var found []Attachment
	for _, u := range uses[arn] {
		if (f.Kind == "" || f.Kind == u.kind) && strings.HasPrefix(u.entity.Path, f.PathPrefix) &&
			(f.Use == "" || (f.Use == "PermissionsBoundary") == u.boundary) {
			found = append(found, Attachment{u.kind, u.entity.Name, u.entity.ID})
		}
	}
	slices.SortFunc(found, func(a, b Attachment) int { return cmp.Compare(a.key(), b.key()) })
	return slicePage(slices.Compact(found), p, Attachment.key)
}

func (a Attachment) key() string { return string(a.Kind) + "/" + a.Name }
