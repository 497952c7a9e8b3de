package iam

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/seal"
)

// Keyring looks up credentials in copies that it keeps of the records, for a process that must answer at once and also while
// the store is away. It only reads. What is not in a copy yet is asked of the store.
type Keyring struct {
	directory directory
	keys      *store.View[AccessKey]
	sessions  *store.View[Session]
	users     *store.View[User]
	roles     *store.View[Role]
}

// NewKeyring makes a Keyring. It works at once, and quickly after Run has filled its copies.
func NewKeyring(s store.Store, sealer *seal.Sealer, clk *clock.Clock) *Keyring {
	k := &Keyring{
		keys:     store.NewView(AccessKeys(s)),
		sessions: store.NewView(Sessions(s)),
		users:    store.NewView(Users(s)),
		roles:    store.NewView(Roles(s)),
	}
	k.directory = directory{
		sealer:  sealer,
		clock:   clk,
		key:     copied(k.keys, AccessKeys(s)),
		session: copied(k.sessions, Sessions(s)),
		user:    copied(k.users, Users(s)),
		role:    copied(k.roles, Roles(s)),
	}
	return k
}

func copied[T any](v *store.View[T], c *store.Collection[T]) lookup[T] {
	fromStore := getter(c)
	return func(ctx context.Context, id string) (T, error) {
		if item, ok := v.Get(id); ok {
			return item.Value, nil
		}
		return fromStore(ctx, id)
	}
}

// Run keeps the copies until ctx ends.
func (k *Keyring) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return k.keys.Run(ctx) })
	group.Go(func() error { return k.sessions.Run(ctx) })
	group.Go(func() error { return k.users.Run(ctx) })
	group.Go(func() error { return k.roles.Run(ctx) })
	return group.Wait()
}

// Ready is nil once all copies are there.
func (k *Keyring) Ready() error {
	for _, ready := range []<-chan struct{}{k.keys.Ready(), k.sessions.Ready(), k.users.Ready(), k.roles.Ready()} {
		select {
		case <-ready:
		default:
			return errors.New("the access keys, sessions, users and roles have not been read from the store yet")
		}
	}
	return nil
}

// WaitFor waits until the copies show a revision. The error wraps that of ctx.
func (k *Keyring) WaitFor(ctx context.Context, rev store.Revision) error {
	return errors.Join(k.keys.WaitFor(ctx, rev), k.sessions.WaitFor(ctx, rev), k.users.WaitFor(ctx, rev), k.roles.WaitFor(ctx, rev))
}

// Credentials looks up a key: the seam of this name. The sessions of a role or user end with it.
func (k *Keyring) Credentials(ctx context.Context, accessKeyID, sessionToken string) (Credential, error) {
	return k.directory.credential(ctx, accessKeyID, sessionToken)
}

// UniqueID is the unique id that a user or role has now. Errors: NotFound (NoSuchEntity), or the store's trouble.
func (k *Keyring) UniqueID(ctx context.Context, h Holder) (string, error) {
	var id, name string
	var err error
	if h.Kind == UserKind {
		var user User
		user, err = k.directory.user(ctx, recordID(h.Account, h.Name))
		id, name = user.ID, user.Name
	} else {
		var role Role
		role, err = k.directory.role(ctx, recordID(h.Account, h.Name))
		id, name = role.ID, role.Name
	}
	if errors.Is(err, store.ErrNotFound) || (err == nil && name != h.Name) {
		return "", notFound("The %s with name %s cannot be found.", h.Kind, h.Name)
	}
	return id, err
}
