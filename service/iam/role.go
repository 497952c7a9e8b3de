package iam

import (
	"context"
	"fmt"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam/policy"
)

// Bounds of MaxSessionDuration.
const (
	MinSessionDuration = time.Hour // and the default
	maxSessionDuration = 12 * time.Hour
	maxTrustSize       = 2048
)

// NewRole is what CreateRole takes.
type NewRole struct {
	Path               string // "/" if empty
	Name               string
	Trust              string // the trust policy
	Description        string
	MaxSessionDuration time.Duration // 0 is an hour
	Boundary           string        // ARN of a managed policy, or empty
	Tags               minato.Tags
}

// CreateRole makes a role without policies.
func (s *Service) CreateRole(ctx context.Context, account string, in NewRole) (Role, error) {
	e, err := s.newEntity(account, in.Path, in.Name, "roleName", rolePrefix, maxRoleName, in.Tags)
	e.Boundary = in.Boundary
	if err == nil {
		err = checkDescription(in.Description)
	}
	if in.MaxSessionDuration == 0 {
		in.MaxSessionDuration = MinSessionDuration
	}
	if err == nil {
		err = checkSessionDuration(in.MaxSessionDuration)
	}
	if err != nil {
		return Role{}, err
	}
	role := Role{Entity: e, Description: in.Description, MaxSessionDuration: in.MaxSessionDuration, Trust: in.Trust}
	if role.TrustIDs, err = s.readTrust(ctx, in.Trust, "assumeRolePolicyDocument"); err != nil {
		return Role{}, err
	}
	return role, create(ctx, s, s.roles, role)
}

func checkSessionDuration(d time.Duration) error {
	if d < MinSessionDuration || d > maxSessionDuration {
		return invalid("1 validation error detected: Value '%d' at 'maxSessionDuration' failed to satisfy constraint: "+
			"Member must have value between 3600 and 43200", int(d.Seconds()))
	}
	return nil
}

// readTrust checks a trust policy and finds the unique ids of the users and roles that it names. One that names a user or
// role which is not there is malformed, as on AWS; accounts that this server does not have cannot be checked.
func (s *Service) readTrust(ctx context.Context, document, parameter string) (map[string]string, error) {
	p, err := parseDocument(parameter, document, policy.Trust)
	if err != nil {
		return nil, err
	}
	if policySize(document) > maxTrustSize {
		return nil, limitExceeded("Cannot exceed quota for ACLSizePerRole: %d", maxTrustSize)
	}
	return s.BindPrincipals(ctx, p)
}

// BindPrincipals finds the unique ids of the users and roles of this server's accounts that a policy names in Principal, for its
// Bind. One that is not there is an Error that the policy is malformed.
func (s *Service) BindPrincipals(ctx context.Context, p *policy.Policy) (map[string]string, error) {
	ids := map[string]string{}
	for _, named := range p.Principals() {
		arn, err := minato.ParseARN(named)
		if err != nil {
			return nil, fmt.Errorf("the policy parser let %q pass: %w", named, err)
		}
		if here, err := exists(ctx, s.accounts, store.ID(arn.Account)); err != nil || !here || arn.Service != "iam" {
			if err != nil {
				return nil, err
			}
			continue
		}
		id, err := s.uniqueID(ctx, arn)
		if minato.Is(err, minato.NotFound) {
			return nil, malformed(&policy.Malformed{Reason: fmt.Sprintf(`Invalid principal in policy: "AWS":"%s"`, named)})
		}
		if err != nil {
			return nil, err
		}
		ids[named] = id
	}
	return ids, nil
}

// uniqueID is the id of the user or role with an ARN.
func (s *Service) uniqueID(ctx context.Context, arn minato.ARN) (string, error) {
	kind := Kind(arn.ResourceType())
	e, err := s.hold(ctx, Holder{arn.Account, kind, arn.ResourceName()})
	if err == nil && e.arn(kind) != arn {
		err = notFound("%s does not exist", arn)
	}
	if err != nil {
		return "", err
	}
	return e.ID, nil
}

// Role reads a role.
func (s *Service) Role(ctx context.Context, account, name string) (Role, error) {
	item, err := s.roles.get(ctx, account, name)
	return item.Value, err
}

// RoleByARN reads a role by its whole ARN, path included.
func (s *Service) RoleByARN(ctx context.Context, arn minato.ARN) (Role, error) {
	if arn.Service != "iam" || arn.ResourceType() != "role" {
		return Role{}, invalid("%s is not the ARN of a role: want arn:aws:iam::account:role/name", arn)
	}
	role, err := s.Role(ctx, arn.Account, arn.ResourceName())
	if err == nil && role.ARN() != arn {
		err = notFound("The role with name %s cannot be found.", arn.ResourceID())
	}
	return role, err
}

// Roles lists an account's roles under a path.
func (s *Service) Roles(ctx context.Context, account, pathPrefix string, p Page) ([]Role, string, error) {
	return s.roles.list(ctx, account, pathPrefix, p)
}

// DeleteRole removes a role that has no policies and instance profiles any more. Its sessions die with it.
func (s *Service) DeleteRole(ctx context.Context, account, name string) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		role, err := s.roles.get(ctx, account, name)
		if err != nil {
			return nil, err
		}
		if err := role.Value.checkDeletable(); err != nil {
			return nil, err
		}
		if len(role.Value.InstanceProfiles) > 0 {
			return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
		}
		return s.withBoundary(ctx, Holder{account, RoleKind, name}, role.Value.Boundary, "", s.roles.records.DeleteOp(role))
	})
}

// UpdateRole changes a role's description and longest session; nil leaves as it is.
func (s *Service) UpdateRole(ctx context.Context, account, name string, description *string, session *time.Duration) (Role, error) {
	return s.modifyRole(ctx, account, name, func(r *Role) error {
		if description != nil {
			if err := checkDescription(*description); err != nil {
				return err
			}
			r.Description = *description
		}
		if session != nil {
			if err := checkSessionDuration(*session); err != nil {
				return err
			}
			r.MaxSessionDuration = *session
		}
		return nil
	})
}

// UpdateTrust replaces a role's trust policy. Sessions that exist go on.
func (s *Service) UpdateTrust(ctx context.Context, account, name, document string) error {
	if _, err := s.Role(ctx, account, name); err != nil {
		return err
	}
	ids, err := s.readTrust(ctx, document, "policyDocument")
	if err != nil {
		return err
	}
	_, err = s.modifyRole(ctx, account, name, func(r *Role) error {
		r.Trust, r.TrustIDs = document, ids
		return nil
	})
	return err
}

func (s *Service) modifyRole(ctx context.Context, account, name string, change func(*Role) error) (Role, error) {
	var role store.Item[Role]
	err := s.transact(ctx, func() (ops []store.Op, err error) {
		if role, err = s.roles.get(ctx, account, name); err != nil {
			return nil, err
		}
		if err := change(&role.Value); err != nil {
			return nil, err
		}
		return []store.Op{s.roles.records.UpdateOp(role)}, nil
	})
	return role.Value, err
}
