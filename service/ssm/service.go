package ssm

import (
	"context"
	"errors"
	"sync"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

// Service is Systems Manager over a store.
type Service struct {
	Store     store.Store
	Now       func() time.Time
	Authorize iam.Authorize
	// PassRole decides whether a caller may give a role to Systems Manager.
	PassRole func(ctx context.Context, p iam.Pass) error
	// Role finds a role of an account by its name.
	Role func(ctx context.Context, account, name string) (iam.Role, error)
	// CheckRole is whether a role lets a service assume it for a resource, else Denied.
	CheckRole func(ctx context.Context, role minato.ARN, service string, resource minato.ARN) error
	// Session makes credentials of a role for a managed instance, in a session of a name.
	Session func(ctx context.Context, role, instance minato.ARN, name string, d time.Duration) (iam.Temporary, error)
	// Cluster finds what a machine must fit into.
	Cluster func(ctx context.Context, scope minato.Scope, name string) (Cluster, error)
	// NodeImages are the images that nodegroups can take.
	NodeImages func() []NodeImage
	// TunnelPort is what registered machines are told.
	TunnelPort int

	registering sync.Mutex // that no two machines take the same addresses at once
}

// Caller is who asks, and from where.
type Caller struct {
	Credential iam.Credential
	Scope      minato.Scope
	Context    map[string][]string // condition keys that the request brings
}

// servicePrincipal is who assumes the role of an activation.
const servicePrincipal = "ssm.amazonaws.com"

func (s *Service) authorize(ctx context.Context, c Caller, action string) error {
	return s.Authorize(ctx, iam.Access{Credential: c.Credential, Action: "ssm:" + action, Context: c.Context})
}

// maxAttempts bounds how often a commit is built again because others wrote in between.
const maxAttempts = 100

// transact commits the ops that build makes of what it reads, again from the start whenever somebody else wrote in between.
func (s *Service) transact(ctx context.Context, build func() ([]store.Op, error)) (err error) {
	for range maxAttempts {
		var ops []store.Op
		if ops, err = build(); err != nil || len(ops) == 0 {
			return err
		}
		_, err = s.Store.Commit(ctx, ops...)
		raced := errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists)
		if !raced || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func invalid(reason, format string, args ...any) *minato.Error {
	return minato.Errorf(minato.Invalid, format, args...).Because(reason)
}
