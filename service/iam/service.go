package iam

import (
	"context"
	"errors"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/seal"
)

// Service is IAM over a store. All methods are safe for concurrent use, and each call is one commit: it happens, or not.
type Service struct {
	store  store.Store
	sealer *seal.Sealer
	clock  *clock.Clock

	accounts  *store.Collection[Account]
	users     table[User, *User]
	groups    table[Group, *Group]
	roles     table[Role, *Role]
	policies  *store.Collection[ManagedPolicy]
	profiles  *store.Collection[InstanceProfile]
	providers *store.Collection[OIDCProvider]
	keys      *store.Collection[AccessKey]
	sessions  *store.Collection[Session]

	directory directory
	compiled  compiler
}

// New makes the service. The sealer seals the secrets of access keys and sessions.
func New(s store.Store, sealer *seal.Sealer, clk *clock.Clock) *Service {
	iam := &Service{
		store:     s,
		sealer:    sealer,
		clock:     clk,
		accounts:  store.NewCollection[Account](s, AccountsPrefix),
		users:     table[User, *User]{UserKind, Users(s)},
		groups:    table[Group, *Group]{GroupKind, store.NewCollection[Group](s, GroupsPrefix)},
		roles:     table[Role, *Role]{RoleKind, Roles(s)},
		policies:  store.NewCollection[ManagedPolicy](s, PoliciesPrefix),
		profiles:  store.NewCollection[InstanceProfile](s, InstanceProfilesPrefix),
		providers: store.NewCollection[OIDCProvider](s, OIDCProvidersPrefix),
		keys:      AccessKeys(s),
		sessions:  Sessions(s),
	}
	iam.directory = directory{
		sealer:  sealer,
		clock:   clk,
		key:     getter(iam.keys),
		session: getter(iam.sessions),
		user:    getter(iam.users.records),
		role:    getter(iam.roles.records),
	}
	return iam
}

// maxAttempts is how often a change is tried again when others write to the same records. It ends what would never end, such
// as a change to records that contradict each other.
const maxAttempts = 100

// transact commits the ops that fn makes of what it reads, and runs it again from the start whenever somebody else wrote
// in between. So fn finds out itself what is missing or already there.
func (s *Service) transact(ctx context.Context, fn func() ([]store.Op, error)) error {
	var err error
	for range maxAttempts {
		var ops []store.Op
		if ops, err = fn(); err != nil || len(ops) == 0 {
			return err
		}
		_, err = s.store.Commit(ctx, ops...)
		raced := errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrNotFound)
		if !raced || ctx.Err() != nil {
			return err
		}
	}
	return minato.Errorf(minato.Conflict, "The request was rejected because multiple requests to change this object were "+
		"submitted simultaneously. Wait a few minutes and submit your request again: %w", err).Because("ConcurrentModification")
}

// exists is whether a record is there.
func exists[T any](ctx context.Context, c *store.Collection[T], id string) (bool, error) {
	_, err := c.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
