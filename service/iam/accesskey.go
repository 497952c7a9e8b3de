package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/seal"
)

const maxAccessKeys = 2 // per user

// NewAccessKey is an access key with its secret, which is told once. Do not log it.
type NewAccessKey struct {
	AccessKey
	SecretAccessKey string
}

// makeKey makes an active access key; its secret is sealed in the record.
func (s *Service) makeKey(account, user, userID string) NewAccessKey {
	k := NewAccessKey{
		AccessKey: AccessKey{ID: newAccessKeyID(accessKeyPrefix), Account: account, User: user, UserID: userID,
			Active: true, Created: s.clock.Now().UTC()},
		SecretAccessKey: newSecret(),
	}
	k.Secret = s.sealer.Seal([]byte(k.SecretAccessKey), AccessKeysPrefix+k.ID)
	return k
}

func (k *AccessKey) unseal(sealer *seal.Sealer) (string, error) {
	secret, err := sealer.Unseal(k.Secret, AccessKeysPrefix+k.ID)
	if err != nil {
		return "", fmt.Errorf("reading access key %s: %w", k.ID, err)
	}
	return string(secret), nil
}

// CreateAccessKey makes an access key for a user.
func (s *Service) CreateAccessKey(ctx context.Context, account, user string) (NewAccessKey, error) {
	var key NewAccessKey
	err := s.transact(ctx, func() ([]store.Op, error) {
		u, err := s.users.get(ctx, account, user)
		if err != nil {
			return nil, err
		}
		if len(u.Value.AccessKeys) >= maxAccessKeys {
			return nil, limitExceeded("Cannot exceed quota for AccessKeysPerUser: %d", maxAccessKeys)
		}
		key = s.makeKey(account, user, u.Value.ID)
		u.Value.AccessKeys = append(u.Value.AccessKeys, key.ID)
		return []store.Op{s.users.records.UpdateOp(u), s.keys.CreateOp(store.ID(key.ID), key.AccessKey)}, nil
	})
	return key, err
}

// AccessKeys lists a user's access keys, oldest first.
func (s *Service) AccessKeys(ctx context.Context, account, user string) ([]AccessKey, error) {
	u, err := s.users.get(ctx, account, user)
	if err != nil {
		return nil, err
	}
	var keys []AccessKey
	for _, id := range u.Value.AccessKeys {
		key, err := s.keys.Get(ctx, store.ID(id))
		if errors.Is(err, store.ErrNotFound) {
			continue // it went away since we read the user
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key.Value)
	}
	return keys, nil
}

// KeyAccount is the account that an access key belongs to, long-lived or temporary; a temporary one says so itself, also when it has
// expired. NotFound if no account of this server has such a key.
func (s *Service) KeyAccount(ctx context.Context, id string) (string, error) {
	if strings.HasPrefix(id, sessionKeyPrefix) {
		account := sessionKeyAccount(id)
		here, err := exists(ctx, s.accounts, store.ID(account))
		if err == nil && !here {
			err = noAccessKey(id)
		}
		return account, err
	}
	key, err := s.keys.Get(ctx, store.ID(id))
	if errors.Is(err, store.ErrNotFound) {
		err = noAccessKey(id)
	}
	return key.Value.Account, err
}

func noAccessKey(id string) error { return notFound("The Access Key with id %s cannot be found.", id) }

// getKey reads a user's access key.
func (s *Service) getKey(ctx context.Context, account, user, id string) (store.Item[AccessKey], error) {
	key, err := s.keys.Get(ctx, store.ID(id))
	if errors.Is(err, store.ErrNotFound) || (err == nil && (key.Value.Account != account || key.Value.User != user)) {
		return key, noAccessKey(id)
	}
	return key, err
}

// SetAccessKeyActive switches a user's access key on or off.
func (s *Service) SetAccessKeyActive(ctx context.Context, account, user, id string, active bool) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		if _, err := s.users.get(ctx, account, user); err != nil {
			return nil, err
		}
		key, err := s.getKey(ctx, account, user, id)
		key.Value.Active = active
		return []store.Op{s.keys.UpdateOp(key)}, err
	})
}

// DeleteAccessKey removes a user's access key.
func (s *Service) DeleteAccessKey(ctx context.Context, account, user, id string) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		u, err := s.users.get(ctx, account, user)
		if err != nil {
			return nil, err
		}
		key, err := s.getKey(ctx, account, user, id)
		u.Value.AccessKeys = without(u.Value.AccessKeys, id)
		return []store.Op{s.users.records.UpdateOp(u), s.keys.DeleteOp(key)}, err
	})
}
