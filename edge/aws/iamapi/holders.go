package iamapi

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

// holderInput is what the operations take that IAM has alike for users, groups and roles.
type holderInput struct {
	UserName, GroupName, RoleName string
	PolicyName                    string
	PolicyDocument                string
	PolicyArn                     string
	PermissionsBoundary           string
	PathPrefix                    string
	Tags                          []tag
	TagKeys                       []string
	pageInput
}

func (in *holderInput) name(kind iam.Kind) string {
	switch kind {
	case iam.UserKind:
		return in.UserName
	case iam.GroupKind:
		return in.GroupName
	}
	return in.RoleName
}

func (h handlers) tagHolder(kind iam.Kind) func(context.Context, *holderInput) (*struct{}, error) {
	return func(ctx context.Context, in *holderInput) (*struct{}, error) {
		tags, err := tagsOf(in.Tags)
		if err != nil {
			return nil, err
		}
		holder, err := h.allowOn(ctx, kind, in.name(kind), requestTags(tags))
		if err != nil {
			return nil, err
		}
		return nil, h.iam.Tag(ctx, holder, tags)
	}
}

func (h handlers) untagHolder(kind iam.Kind) func(context.Context, *holderInput) (*struct{}, error) {
	return func(ctx context.Context, in *holderInput) (*struct{}, error) {
		holder, err := h.allowOn(ctx, kind, in.name(kind), conditions{"aws:tagkeys": in.TagKeys})
		if err != nil {
			return nil, err
		}
		return nil, h.iam.Untag(ctx, holder, in.TagKeys)
	}
}

func (h handlers) listHolderTags(kind iam.Kind) func(context.Context, *holderInput) (*tagsOutput, error) {
	return func(ctx context.Context, in *holderInput) (*tagsOutput, error) {
		holder, err := h.allowOn(ctx, kind, in.name(kind))
		if err != nil {
			return nil, err
		}
		about, err := h.iam.Describe(ctx, holder)
		if err != nil {
			return nil, err
		}
		return tagPage(about.Tags), nil
	}
}

func (h handlers) putBoundary(kind iam.Kind) func(context.Context, *holderInput) (*struct{}, error) {
	return func(ctx context.Context, in *holderInput) (*struct{}, error) {
		holder, err := h.allowOn(ctx, kind, in.name(kind), boundaryKey(in.PermissionsBoundary))
		if err == nil && in.PermissionsBoundary == "" {
			err = iam.Missing("permissionsBoundary")
		}
		if err != nil {
			return nil, err
		}
		return nil, h.iam.SetBoundary(ctx, holder, in.PermissionsBoundary)
	}
}

func (h handlers) deleteBoundary(kind iam.Kind) func(context.Context, *holderInput) (*struct{}, error) {
	return func(ctx context.Context, in *holderInput) (*struct{}, error) {
		holder, err := h.allowOn(ctx, kind, in.name(kind))
		if err != nil {
			return nil, err
		}
		return nil, h.iam.SetBoundary(ctx, holder, "")
	}
}

func (h handlers) putInline(kind iam.Kind) func(context.Context, *holderInput) (*struct{}, error) {
	return func(ctx context.Context, in *holderInput) (*struct{}, error) {
		holder, err := h.allowOn(ctx, kind, in.name(kind))
		if err != nil {
			return nil, err
		}
		return nil, h.iam.PutInlinePolicy(ctx, holder, in.PolicyName, in.PolicyDocument)
	}
}

type getInlineOutput struct{ UserName, GroupName, RoleName, PolicyName, PolicyDocument string }

func (h handlers) getInline(kind iam.Kind) func(context.Context, *holderInput) (*getInlineOutput, error) {
	return func(ctx context.Context, in *holderInput) (*getInlineOutput, error) {
		holder, err := h.allowOn(ctx, kind, in.name(kind))
		if err != nil {
			return nil, err
		}
		document, err := h.iam.InlinePolicy(ctx, holder, in.PolicyName)
		if err != nil {
			return nil, err
		}
		out := &getInlineOutput{PolicyName: in.PolicyName, PolicyDocument: encoded(document)}
		switch kind {
		case iam.UserKind:
			out.UserName = holder.Name
		case iam.GroupKind:
			out.GroupName = holder.Name
		case iam.RoleKind:
			out.RoleName = holder.Name
		}
		return out, nil
	}
}

type listInlineOutput struct {
	PolicyNames []string
	pageOutput
}

func (h handlers) listInline(kind iam.Kind) func(context.Context, *holderInput) (*listInlineOutput, error) {
	return func(ctx context.Context, in *holderInput) (*listInlineOutput, error) {
		holder, err := h.allowOn(ctx, kind, in.name(kind))
		if err != nil {
			return nil, err
		}
		names, next, err := h.iam.InlinePolicies(ctx, holder, in.page())
		if err != nil {
			return nil, err
		}
		return &listInlineOutput{each(names, func(n string) string { return n }), pageEnd(next)}, nil
	}
}

func (h handlers) deleteInline(kind iam.Kind) func(context.Context, *holderInput) (*struct{}, error) {
	return func(ctx context.Context, in *holderInput) (*struct{}, error) {
		holder, err := h.allowOn(ctx, kind, in.name(kind))
		if err != nil {
			return nil, err
		}
		return nil, h.iam.DeleteInlinePolicy(ctx, holder, in.PolicyName)
	}
}

func (h handlers) attach(kind iam.Kind) func(context.Context, *holderInput) (*struct{}, error) {
	return func(ctx context.Context, in *holderInput) (*struct{}, error) {
		holder, err := h.allowAttachment(ctx, kind, in)
		if err != nil {
			return nil, err
		}
		return nil, h.iam.AttachPolicy(ctx, holder, in.PolicyArn)
	}
}

func (h handlers) detach(kind iam.Kind) func(context.Context, *holderInput) (*struct{}, error) {
	return func(ctx context.Context, in *holderInput) (*struct{}, error) {
		holder, err := h.allowAttachment(ctx, kind, in)
		if err != nil {
			return nil, err
		}
		return nil, h.iam.DetachPolicy(ctx, holder, in.PolicyArn)
	}
}

func (h handlers) allowAttachment(ctx context.Context, kind iam.Kind, in *holderInput) (iam.Holder, error) {
	if in.PolicyArn == "" {
		return iam.Holder{}, iam.Missing("policyArn")
	}
	return h.allowOn(ctx, kind, in.name(kind), conditions{"iam:policyarn": {in.PolicyArn}})
}

type listAttachedOutput struct {
	AttachedPolicies []attachedPolicy
	pageOutput
}

type attachedPolicy struct{ PolicyName, PolicyArn string }

func (h handlers) listAttached(kind iam.Kind) func(context.Context, *holderInput) (*listAttachedOutput, error) {
	return func(ctx context.Context, in *holderInput) (*listAttachedOutput, error) {
		holder, err := h.allowOn(ctx, kind, in.name(kind))
		if err != nil {
			return nil, err
		}
		arns, next, err := h.iam.AttachedPolicies(ctx, holder, in.PathPrefix, in.page())
		if err != nil {
			return nil, err
		}
		return &listAttachedOutput{each(arns, func(a minato.ARN) attachedPolicy {
			return attachedPolicy{a.ResourceName(), a.String()}
		}), pageEnd(next)}, nil
	}
}
