package iamapi

import (
	"context"

	"minato.dev/minato/service/iam"
)

type createGroupInput struct{ Path, GroupName string }

type groupOutput struct{ Group group }

func (h handlers) createGroup(ctx context.Context, in *createGroupInput) (*groupOutput, error) {
	account, err := h.allowNew(ctx, "group", in.Path, in.GroupName, "", nil)
	if err != nil {
		return nil, err
	}
	g, err := h.iam.CreateGroup(ctx, account, in.Path, in.GroupName)
	if err != nil {
		return nil, err
	}
	return &groupOutput{wireGroup(g)}, nil
}

type getGroupInput struct {
	GroupName string
	pageInput
}

type getGroupOutput struct {
	Group group
	Users []user
	pageOutput
}

func (h handlers) getGroup(ctx context.Context, in *getGroupInput) (*getGroupOutput, error) {
	holder, err := h.allowOn(ctx, iam.GroupKind, in.GroupName)
	if err != nil {
		return nil, err
	}
	g, members, next, err := h.iam.Group(ctx, holder.Account, in.GroupName, in.page())
	if err != nil {
		return nil, err
	}
	return &getGroupOutput{wireGroup(g), each(members, listedUser), pageEnd(next)}, nil
}

type listGroupsOutput struct {
	Groups []group
	pageOutput
}

func (h handlers) listGroups(ctx context.Context, in *listInput) (*listGroupsOutput, error) {
	account, err := h.allowList(ctx, "group", in.PathPrefix)
	if err != nil {
		return nil, err
	}
	groups, next, err := h.iam.Groups(ctx, account, in.PathPrefix, in.page())
	if err != nil {
		return nil, err
	}
	return &listGroupsOutput{each(groups, wireGroup), pageEnd(next)}, nil
}

type groupInput struct{ GroupName string }

func (h handlers) updateGroup(ctx context.Context, in *renameInput) (*struct{}, error) {
	to := iam.Rename{Path: in.NewPath, Name: in.NewGroupName}
	account, err := h.rename(ctx, iam.GroupKind, in.GroupName, to)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.UpdateGroup(ctx, account, in.GroupName, to)
}

func (h handlers) deleteGroup(ctx context.Context, in *groupInput) (*struct{}, error) {
	holder, err := h.allowOn(ctx, iam.GroupKind, in.GroupName)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.DeleteGroup(ctx, holder.Account, in.GroupName)
}

type memberInput struct{ GroupName, UserName string }

func (h handlers) addUserToGroup(ctx context.Context, in *memberInput) (*struct{}, error) {
	holder, err := h.allowOn(ctx, iam.GroupKind, in.GroupName)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.AddUserToGroup(ctx, holder.Account, in.GroupName, in.UserName)
}

func (h handlers) removeUserFromGroup(ctx context.Context, in *memberInput) (*struct{}, error) {
	holder, err := h.allowOn(ctx, iam.GroupKind, in.GroupName)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.RemoveUserFromGroup(ctx, holder.Account, in.GroupName, in.UserName)
}
