package iamapi

import (
	"context"
	"time"

	"minato.dev/minato/service/iam"
)

type createRoleInput struct {
	Path, RoleName, AssumeRolePolicyDocument, Description, PermissionsBoundary string
	MaxSessionDuration                                                         *int
	Tags                                                                       []tag
}

type roleOutput struct{ Role role }

func (h handlers) createRole(ctx context.Context, in *createRoleInput) (*roleOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	account, err := h.allowNew(ctx, "role", in.Path, in.RoleName, "TagRole", tags, boundaryKey(in.PermissionsBoundary))
	if err != nil {
		return nil, err
	}
	r, err := h.iam.CreateRole(ctx, account, iam.NewRole{
		Path: in.Path, Name: in.RoleName, Trust: in.AssumeRolePolicyDocument, Description: in.Description,
		MaxSessionDuration: sessionDuration(in.MaxSessionDuration), Boundary: in.PermissionsBoundary, Tags: tags,
	})
	if err != nil {
		return nil, err
	}
	return &roleOutput{wireRole(r)}, nil
}

// sessionDuration is that of MaxSessionDuration: zero where it was not sent, and out of any range if it was sent as zero.
func sessionDuration(seconds *int) time.Duration {
	switch {
	case seconds == nil:
		return 0
	case *seconds == 0 || *seconds > 1<<30:
		return -time.Second
	}
	return time.Duration(*seconds) * time.Second
}

type roleInput struct{ RoleName string }

func (h handlers) getRole(ctx context.Context, in *roleInput) (*roleOutput, error) {
	holder, err := h.allowOn(ctx, iam.RoleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	r, err := h.iam.Role(ctx, holder.Account, in.RoleName)
	if err != nil {
		return nil, err
	}
	return &roleOutput{wireRole(r)}, nil
}

type listRolesOutput struct {
	Roles []role
	pageOutput
}

func (h handlers) listRoles(ctx context.Context, in *listInput) (*listRolesOutput, error) {
	account, err := h.allowList(ctx, "role", in.PathPrefix)
	if err != nil {
		return nil, err
	}
	roles, next, err := h.iam.Roles(ctx, account, in.PathPrefix, in.page())
	if err != nil {
		return nil, err
	}
	return &listRolesOutput{each(roles, listedRole), pageEnd(next)}, nil
}

func (h handlers) deleteRole(ctx context.Context, in *roleInput) (*struct{}, error) {
	holder, err := h.allowOn(ctx, iam.RoleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.DeleteRole(ctx, holder.Account, in.RoleName)
}

type updateRoleInput struct {
	RoleName           string
	Description        *string
	MaxSessionDuration *int
}

// updateRoleOutput has nothing in it; unlike operations without a result, UpdateRole has one.
type updateRoleOutput struct{ Unused *string }

func (h handlers) updateRole(ctx context.Context, in *updateRoleInput) (*updateRoleOutput, error) {
	holder, err := h.allowOn(ctx, iam.RoleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	var longest *time.Duration
	if in.MaxSessionDuration != nil {
		d := sessionDuration(in.MaxSessionDuration)
		longest = &d
	}
	_, err = h.iam.UpdateRole(ctx, holder.Account, in.RoleName, in.Description, longest)
	return nil, err
}

func (h handlers) updateRoleDescription(ctx context.Context, in *updateRoleInput) (*roleOutput, error) {
	holder, err := h.allowOn(ctx, iam.RoleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	r, err := h.iam.UpdateRole(ctx, holder.Account, in.RoleName, in.Description, nil)
	if err != nil {
		return nil, err
	}
	return &roleOutput{wireRole(r)}, nil
}

type updateAssumeRolePolicyInput struct{ RoleName, PolicyDocument string }

func (h handlers) updateAssumeRolePolicy(ctx context.Context, in *updateAssumeRolePolicyInput) (*struct{}, error) {
	holder, err := h.allowOn(ctx, iam.RoleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.UpdateTrust(ctx, holder.Account, in.RoleName, in.PolicyDocument)
}
