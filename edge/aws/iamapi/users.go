package iamapi

import (
	"context"
	"strings"

	"minato.dev/minato/service/iam"
)

type createUserInput struct {
	Path, UserName, PermissionsBoundary string
	Tags                                []tag
}

type userOutput struct{ User user }

func (h handlers) createUser(ctx context.Context, in *createUserInput) (*userOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	account, err := h.allowNew(ctx, "user", in.Path, in.UserName, "TagUser", tags, boundaryKey(in.PermissionsBoundary))
	if err != nil {
		return nil, err
	}
	u, err := h.iam.CreateUser(ctx, account, iam.NewUser{Path: in.Path, Name: in.UserName, Boundary: in.PermissionsBoundary, Tags: tags})
	if err != nil {
		return nil, err
	}
	return &userOutput{wireUser(u)}, nil
}

func boundaryKey(arn string) conditions {
	if arn == "" {
		return nil
	}
	return conditions{"iam:permissionsboundary": {arn}}
}

type userInput struct{ UserName string }

func (h handlers) getUser(ctx context.Context, in *userInput) (*userOutput, error) {
	name, err := callingUser(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	holder, err := h.allowOn(ctx, iam.UserKind, name)
	if err != nil {
		return nil, err
	}
	u, err := h.iam.User(ctx, holder.Account, name)
	if err != nil {
		return nil, err
	}
	return &userOutput{wireUser(u)}, nil
}

type renameInput struct {
	UserName, GroupName                string
	NewPath, NewUserName, NewGroupName *string
}

// rename asks whether the caller may give a user or group another path and name, as the one that it is and as the one that it would be.
func (h handlers) rename(ctx context.Context, kind iam.Kind, name string, to iam.Rename) (account string, err error) {
	holder, err := h.allowOn(ctx, kind, name)
	if err != nil {
		return "", err
	}
	about, err := h.iam.Describe(ctx, holder)
	if err != nil {
		return "", err
	}
	path := strings.TrimSuffix(strings.TrimPrefix(about.ARN.Resource, string(kind)), name)
	if to.Path != nil {
		path = *to.Path
	}
	if to.Name != nil {
		name = *to.Name
	}
	return h.allow(ctx, arn(ctx, string(kind)+path+name), resourceTags(about.Tags))
}

func (h handlers) updateUser(ctx context.Context, in *renameInput) (*struct{}, error) {
	to := iam.Rename{Path: in.NewPath, Name: in.NewUserName}
	account, err := h.rename(ctx, iam.UserKind, in.UserName, to)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.UpdateUser(ctx, account, in.UserName, to)
}

func (h handlers) deleteUser(ctx context.Context, in *userInput) (*struct{}, error) {
	holder, err := h.allowOn(ctx, iam.UserKind, in.UserName)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.DeleteUser(ctx, holder.Account, in.UserName)
}

// listInput is what the lists of users, groups, roles and instance profiles take.
type listInput struct {
	PathPrefix string
	pageInput
}

type listUsersOutput struct {
	Users []user
	pageOutput
}

func (h handlers) listUsers(ctx context.Context, in *listInput) (*listUsersOutput, error) {
	account, err := h.allowList(ctx, "user", in.PathPrefix)
	if err != nil {
		return nil, err
	}
	users, next, err := h.iam.Users(ctx, account, in.PathPrefix, in.page())
	if err != nil {
		return nil, err
	}
	return &listUsersOutput{each(users, listedUser), pageEnd(next)}, nil
}

type listGroupsForUserInput struct {
	UserName string
	pageInput
}

func (h handlers) listGroupsForUser(ctx context.Context, in *listGroupsForUserInput) (*listGroupsOutput, error) {
	holder, err := h.allowOn(ctx, iam.UserKind, in.UserName)
	if err != nil {
		return nil, err
	}
	groups, next, err := h.iam.GroupsOf(ctx, holder.Account, in.UserName, in.page())
	if err != nil {
		return nil, err
	}
	return &listGroupsOutput{each(groups, wireGroup), pageEnd(next)}, nil
}
