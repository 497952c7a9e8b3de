package iam

import (
	"context"
	"errors"
	"fmt"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/seal"
)

// lookup reads a record by its id; the error wraps store.ErrNotFound when there is none.
type lookup[T any] func(ctx context.Context, id string) (T, error)

func getter[T any](c *store.Collection[T]) lookup[T] {
	return func(ctx context.Context, id string) (T, error) {
		item, err := c.Get(ctx, id)
		return item.Value, err
	}
}

// directory turns access key ids into credentials, wherever the records are read from.
type directory struct {
	sealer  *seal.Sealer
	clock   *clock.Clock
	key     lookup[AccessKey]
	session lookup[Session]
	user    lookup[User]
	role    lookup[Role]
}

// credential is the Credentials seam.
func (d *directory) credential(ctx context.Context, accessKeyID, sessionToken string) (Credential, error) {
	if !accessKeyIDForm.MatchString(accessKeyID) {
		return Credential{}, unknownKey()
	}
	if accessKeyID[:len(sessionKeyPrefix)] == sessionKeyPrefix {
		return d.temporary(ctx, accessKeyID, sessionToken)
	}
	if sessionToken != "" {
		return Credential{}, unknownToken()
	}
	return d.longLived(ctx, accessKeyID)
}

func (d *directory) longLived(ctx context.Context, id string) (Credential, error) {
	key, err := d.key(ctx, store.ID(id))
	if errors.Is(err, store.ErrNotFound) || (err == nil && !key.Active) {
		return Credential{}, unknownKey()
	}
	if err != nil {
		return Credential{}, fmt.Errorf("reading access key %s: %w", id, err)
	}
	who := minato.Principal{Type: minato.AccountRoot, Account: key.Account, ID: key.Account, AccessKeyID: id,
		ARN: minato.NewARN("iam", "", key.Account, "root")}
	if key.User != "" {
		user, err := d.user(ctx, recordID(key.Account, key.User))
		if errors.Is(err, store.ErrNotFound) || (err == nil && user.ID != key.UserID) {
			return Credential{}, unknownKey()
		}
		if err != nil {
			return Credential{}, fmt.Errorf("reading user %s of account %s: %w", key.User, key.Account, err)
		}
		who.Type, who.ID, who.ARN = minato.IAMUser, user.ID, user.ARN()
	}
	secret, err := key.unseal(d.sealer)
	return Credential{AccessKeyID: id, Secret: secret, Principal: who}, err
}

func (d *directory) temporary(ctx context.Context, id, token string) (Credential, error) {
	t, ok := openToken(d.sealer, token)
	if !ok || t.keyID != id {
		return Credential{}, unknownToken()
	}
	if !d.clock.Now().Before(t.expires) {
		return Credential{}, expiredToken()
	}
	session, err := t.session, error(nil)
	if session == nil {
		session, err = d.recorded(ctx, id)
	}
	if err != nil {
		return Credential{}, err
	}
	if alive, err := d.alive(ctx, session.Principal); err != nil || !alive {
		if err == nil {
			err = unknownKey()
		}
		return Credential{}, err
	}
	return Credential{AccessKeyID: id, Secret: string(session.Secret), Principal: session.Principal, Expires: session.Expires,
		Session: &session.Context}, nil
}

// recorded reads a session that does not travel in its token, and opens its secret.
func (d *directory) recorded(ctx context.Context, id string) (*Session, error) {
	session, err := d.session(ctx, store.ID(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, unknownKey()
	}
	if err == nil {
		session.Secret, err = d.sealer.Unseal(session.Secret, SessionsPrefix+id)
	}
	if err != nil {
		return nil, fmt.Errorf("reading session %s: %w", id, err)
	}
	return &session, nil
}

// alive is whether the user or role behind a session is still the one that it was issued for.
func (d *directory) alive(ctx context.Context, who minato.Principal) (bool, error) {
	var id string
	var err error
	switch arn := who.IAMARN(); who.Type {
	case minato.AssumedRole:
		var role Role
		role, err = d.role(ctx, recordID(who.Account, arn.ResourceName()))
		id = role.ID
	case minato.IAMUser:
		var user User
		user, err = d.user(ctx, recordID(who.Account, arn.ResourceName()))
		id = user.ID
	default:
		return who.Type == minato.AccountRoot, nil
	}
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", who.IAMARN(), err)
	}
	return id == who.UniqueID(), nil
}

// Credentials looks up a key in the store: the seam of this name.
func (s *Service) Credentials(ctx context.Context, accessKeyID, sessionToken string) (Credential, error) {
	return s.directory.credential(ctx, accessKeyID, sessionToken)
}
