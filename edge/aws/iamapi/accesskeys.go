package iamapi

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

const (
	active   = "Active"
	inactive = "Inactive"
)

func keyStatus(k iam.AccessKey) string {
	if k.Active {
		return active
	}
	return inactive
}

type accessKey struct {
	UserName        string
	AccessKeyID     string `query:"AccessKeyId"`
	Status          string
	SecretAccessKey string
	CreateDate      time.Time
}

type createAccessKeyOutput struct{ AccessKey accessKey }

// allowKeys is allowOn for the user whose keys are meant: the one who calls, if none is named.
func (h handlers) allowKeys(ctx context.Context, userName string) (iam.Holder, error) {
	name, err := callingUser(ctx, userName)
	if err != nil {
		return iam.Holder{}, err
	}
	return h.allowOn(ctx, iam.UserKind, name)
}

func (h handlers) createAccessKey(ctx context.Context, in *userInput) (*createAccessKeyOutput, error) {
	user, err := h.allowKeys(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	k, err := h.iam.CreateAccessKey(ctx, user.Account, user.Name)
	if err != nil {
		return nil, err
	}
	return &createAccessKeyOutput{accessKey{user.Name, k.ID, keyStatus(k.AccessKey), k.SecretAccessKey, k.Created}}, nil
}

type listAccessKeysOutput struct {
	AccessKeyMetadata []accessKey // without secrets
	pageOutput
}

func (h handlers) listAccessKeys(ctx context.Context, in *userInput) (*listAccessKeysOutput, error) {
	user, err := h.allowKeys(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	keys, err := h.iam.AccessKeys(ctx, user.Account, user.Name)
	if err != nil {
		return nil, err
	}
	return &listAccessKeysOutput{AccessKeyMetadata: each(keys, func(k iam.AccessKey) accessKey {
		return accessKey{UserName: user.Name, AccessKeyID: k.ID, Status: keyStatus(k), CreateDate: k.Created}
	})}, nil
}

type accessKeyInput struct {
	UserName    string
	AccessKeyID string `query:"AccessKeyId"`
	Status      string
}

func (h handlers) updateAccessKey(ctx context.Context, in *accessKeyInput) (*struct{}, error) {
	user, err := h.allowKeys(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	if in.Status != active && in.Status != inactive {
		return nil, minato.Errorf(minato.Invalid, "1 validation error detected: Value '%s' at 'status' failed to satisfy constraint: "+
			"Member must satisfy enum value set: [Active, Inactive]", in.Status).Because(iam.ValidationError)
	}
	return nil, h.iam.SetAccessKeyActive(ctx, user.Account, user.Name, in.AccessKeyID, in.Status == active)
}

func (h handlers) deleteAccessKey(ctx context.Context, in *accessKeyInput) (*struct{}, error) {
	user, err := h.allowKeys(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.DeleteAccessKey(ctx, user.Account, user.Name, in.AccessKeyID)
}
