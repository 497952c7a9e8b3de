package iam

import (
	"context"
	"errors"
	"fmt"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// AdministratorUser is the name of the IAM user that comes with an account.
const AdministratorUser = "admin"

const administratorAccess = "arn:aws:iam::aws:policy/AdministratorAccess"

// EnsureAccount makes an account, unless it is there: with an access key for its root, which is kept aside, and with an
// administrator user and its access key, all in one commit. It answers with the administrator's key, and so again when it
// is called again, so that a crash before the caller has written the key down loses nothing. The key is the zero key once
// somebody has deleted it.
func (s *Service) EnsureAccount(ctx context.Context, account string) (NewAccessKey, error) {
	if !minato.ValidAccountID(account) {
		return NewAccessKey{}, minato.Errorf(minato.Invalid, "%q is not an account id: want 12 digits", account)
	}
	var created Account
	err := s.transact(ctx, func() ([]store.Op, error) {
		item, err := s.accounts.Get(ctx, store.ID(account))
		if err == nil {
			created = item.Value
			return nil, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		now := s.clock.Now().UTC()
		admin := User{Entity: Entity{Account: account, Path: "/", Name: AdministratorUser, ID: newUniqueID(userPrefix),
			Created: now, Attached: []string{administratorAccess}}}
		root, key := s.makeKey(account, "", account), s.makeKey(account, admin.Name, admin.ID)
		admin.AccessKeys = []string{key.ID}
		created = Account{ID: account, Created: now, RootKey: root.ID, AdminKey: key.ID}
		return []store.Op{
			s.accounts.CreateOp(store.ID(account), created),
			s.keys.CreateOp(store.ID(root.ID), root.AccessKey),
			s.keys.CreateOp(store.ID(key.ID), key.AccessKey),
			s.users.records.CreateOp(recordID(account, admin.Name), admin),
		}, nil
	})
	if err != nil {
		return NewAccessKey{}, fmt.Errorf("making account %s: %w", account, err)
	}
	return s.revealKey(ctx, created.AdminKey)
}

// RootKey is the access key of an account's root, for repairs on the machine itself: nothing prints it.
func (s *Service) RootKey(ctx context.Context, account string) (NewAccessKey, error) {
	item, err := s.accounts.Get(ctx, store.ID(account))
	if errors.Is(err, store.ErrNotFound) {
		return NewAccessKey{}, notFound("Account %s does not exist on this server.", account)
	}
	if err != nil {
		return NewAccessKey{}, err
	}
	return s.revealKey(ctx, item.Value.RootKey)
}

func (s *Service) revealKey(ctx context.Context, id string) (NewAccessKey, error) {
	key, err := s.keys.Get(ctx, store.ID(id))
	if errors.Is(err, store.ErrNotFound) {
		return NewAccessKey{}, nil
	}
	if err != nil {
		return NewAccessKey{}, err
	}
	secret, err := key.Value.unseal(s.sealer)
	return NewAccessKey{key.Value, secret}, err
}

// HasAccount is whether this server has an account.
func (s *Service) HasAccount(ctx context.Context, account string) (bool, error) {
	return exists(ctx, s.accounts, store.ID(account))
}
