package iamapi

import (
	"context"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

type listEntitiesForPolicyInput struct {
	PolicyArn, EntityFilter, PathPrefix, PolicyUsageFilter string
	pageInput
}

type listEntitiesForPolicyOutput struct {
	PolicyGroups []policyGroup
	PolicyUsers  []policyUser
	PolicyRoles  []policyRole
	pageOutput
}

type policyGroup struct {
	GroupName string
	GroupID   string `query:"GroupId"`
}

type policyUser struct {
	UserName string
	UserID   string `query:"UserId"`
}

type policyRole struct {
	RoleName string
	RoleID   string `query:"RoleId"`
}

func (h handlers) listEntitiesForPolicy(ctx context.Context, in *listEntitiesForPolicyInput) (*listEntitiesForPolicyOutput, error) {
	account, err := h.allowPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	if in.EntityFilter != "" && !slices.Contains([]string{"User", "Group", "Role"}, in.EntityFilter) {
		return nil, minato.Errorf(minato.Invalid, "1 validation error detected: Value '%s' at 'entityFilter' failed to satisfy "+
			"constraint: Member must satisfy enum value set: [User, Group, Role]", in.EntityFilter).Because(iam.ValidationError)
	}
	filter := iam.EntityFilter{Kind: iam.Kind(strings.ToLower(in.EntityFilter)), PathPrefix: in.PathPrefix, Use: in.PolicyUsageFilter}
	found, next, err := h.iam.EntitiesFor(ctx, account, in.PolicyArn, filter, in.page())
	if err != nil {
		return nil, err
	}
	out := &listEntitiesForPolicyOutput{PolicyGroups: []policyGroup{}, PolicyUsers: []policyUser{}, PolicyRoles: []policyRole{},
		pageOutput: pageEnd(next)}
	for _, e := range found {
		switch e.Kind {
		case iam.GroupKind:
			out.PolicyGroups = append(out.PolicyGroups, policyGroup{e.Name, e.ID})
		case iam.UserKind:
			out.PolicyUsers = append(out.PolicyUsers, policyUser{e.Name, e.ID})
		case iam.RoleKind:
			out.PolicyRoles = append(out.PolicyRoles, policyRole{e.Name, e.ID})
		}
	}
	return out, nil
}
