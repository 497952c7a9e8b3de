package iamapi

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

type policy struct {
	PolicyName                    string
	PolicyID                      string `query:"PolicyId"`
	Arn                           string
	Path                          string
	DefaultVersionID              string `query:"DefaultVersionId"`
	AttachmentCount               int
	PermissionsBoundaryUsageCount int
	IsAttachable                  bool
	Description                   string
	CreateDate                    time.Time
	UpdateDate                    time.Time
	Tags                          []tag
}

// listedPolicy leaves out what lists do not tell.
func listedPolicy(p iam.PolicyUse) policy {
	return policy{
		PolicyName: p.Name, PolicyID: p.ID, Arn: p.ARN().String(), Path: p.Path, DefaultVersionID: p.Default,
		AttachmentCount: p.Attachments, PermissionsBoundaryUsageCount: p.Boundaries, IsAttachable: true,
		CreateDate: p.Created, UpdateDate: p.Updated,
	}
}

func wirePolicy(p iam.PolicyUse) policy {
	w := listedPolicy(p)
	w.Description, w.Tags = p.Description, wireTags(p.Tags)
	return w
}

// allowPolicy is allow for a managed policy that is there, with its tags.
func (h handlers) allowPolicy(ctx context.Context, policyARN string, more ...conditions) (account string, err error) {
	if policyARN == "" {
		return "", iam.Missing("policyArn")
	}
	resource, err := minato.ParseARN(policyARN)
	if err != nil {
		return "", minato.Errorf(minato.Invalid, "ARN %s is not valid.", policyARN).Because(iam.InvalidInput)
	}
	p, err := h.iam.Policy(ctx, arn(ctx, "").Account, policyARN)
	if err != nil && !minato.Is(err, minato.NotFound) {
		return "", err
	}
	return h.allow(ctx, resource, append([]conditions{resourceTags(p.Tags)}, more...)...)
}

type createPolicyInput struct {
	PolicyName, Path, PolicyDocument, Description string
	Tags                                          []tag
}

type policyOutput struct{ Policy policy }

func (h handlers) createPolicy(ctx context.Context, in *createPolicyInput) (*policyOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	account, err := h.allowNew(ctx, "policy", in.Path, in.PolicyName, "TagPolicy", tags)
	if err != nil {
		return nil, err
	}
	p, err := h.iam.CreatePolicy(ctx, account, iam.NewPolicy{
		Path: in.Path, Name: in.PolicyName, Document: in.PolicyDocument, Description: in.Description, Tags: tags,
	})
	if err != nil {
		return nil, err
	}
	return &policyOutput{wirePolicy(iam.PolicyUse{ManagedPolicy: p})}, nil
}

// policyInput is what the operations on one managed policy take.
type policyInput struct {
	PolicyArn      string
	VersionID      string `query:"VersionId"`
	PolicyDocument string
	SetAsDefault   bool
	Tags           []tag
	TagKeys        []string
	pageInput
}

func (h handlers) getPolicy(ctx context.Context, in *policyInput) (*policyOutput, error) {
	account, err := h.allowPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	p, err := h.iam.PolicyUse(ctx, account, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return &policyOutput{wirePolicy(p)}, nil
}

type listPoliciesInput struct {
	Scope, PathPrefix, PolicyUsageFilter string
	OnlyAttached                         bool
	pageInput
}

type listPoliciesOutput struct {
	Policies []policy
	pageOutput
}

func (h handlers) listPolicies(ctx context.Context, in *listPoliciesInput) (*listPoliciesOutput, error) {
	account, err := h.allowList(ctx, "policy", in.PathPrefix)
	if err != nil {
		return nil, err
	}
	filter := iam.PolicyFilter{Scope: in.Scope, PathPrefix: in.PathPrefix, OnlyAttached: in.OnlyAttached, Use: in.PolicyUsageFilter}
	policies, next, err := h.iam.Policies(ctx, account, filter, in.page())
	if err != nil {
		return nil, err
	}
	return &listPoliciesOutput{each(policies, listedPolicy), pageEnd(next)}, nil
}

func (h handlers) deletePolicy(ctx context.Context, in *policyInput) (*struct{}, error) {
	account, err := h.allowPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.DeletePolicy(ctx, account, in.PolicyArn)
}

type policyVersion struct {
	Document         string
	VersionID        string `query:"VersionId"`
	IsDefaultVersion bool
	CreateDate       time.Time
}

type policyVersionOutput struct{ PolicyVersion policyVersion }

func (h handlers) createPolicyVersion(ctx context.Context, in *policyInput) (*policyVersionOutput, error) {
	account, err := h.allowPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	v, err := h.iam.CreatePolicyVersion(ctx, account, in.PolicyArn, in.PolicyDocument, in.SetAsDefault)
	if err != nil {
		return nil, err
	}
	return &policyVersionOutput{policyVersion{VersionID: v.ID, IsDefaultVersion: in.SetAsDefault, CreateDate: v.Created}}, nil
}

func (h handlers) getPolicyVersion(ctx context.Context, in *policyInput) (*policyVersionOutput, error) {
	account, err := h.allowPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	v, inForce, err := h.iam.PolicyVersion(ctx, account, in.PolicyArn, in.VersionID)
	if err != nil {
		return nil, err
	}
	return &policyVersionOutput{policyVersion{encoded(v.Document), v.ID, inForce, v.Created}}, nil
}

type listPolicyVersionsOutput struct {
	Versions []policyVersion // without documents, newest first
	pageOutput
}

func (h handlers) listPolicyVersions(ctx context.Context, in *policyInput) (*listPolicyVersionsOutput, error) {
	account, err := h.allowPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	p, err := h.iam.Policy(ctx, account, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := &listPolicyVersionsOutput{Versions: []policyVersion{}}
	for i := len(p.Versions) - 1; i >= 0; i-- {
		v := p.Versions[i]
		out.Versions = append(out.Versions, policyVersion{VersionID: v.ID, IsDefaultVersion: v.ID == p.Default, CreateDate: v.Created})
	}
	return out, nil
}

func (h handlers) setDefaultPolicyVersion(ctx context.Context, in *policyInput) (*struct{}, error) {
	account, err := h.allowPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.SetDefaultPolicyVersion(ctx, account, in.PolicyArn, in.VersionID)
}

func (h handlers) deletePolicyVersion(ctx context.Context, in *policyInput) (*struct{}, error) {
	account, err := h.allowPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.DeletePolicyVersion(ctx, account, in.PolicyArn, in.VersionID)
}

func (h handlers) tagPolicy(ctx context.Context, in *policyInput) (*struct{}, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	account, err := h.allowPolicy(ctx, in.PolicyArn, requestTags(tags))
	if err != nil {
		return nil, err
	}
	return nil, h.iam.TagPolicy(ctx, account, in.PolicyArn, tags)
}

func (h handlers) untagPolicy(ctx context.Context, in *policyInput) (*struct{}, error) {
	account, err := h.allowPolicy(ctx, in.PolicyArn, conditions{"aws:tagkeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	return nil, h.iam.UntagPolicy(ctx, account, in.PolicyArn, in.TagKeys)
}

func (h handlers) listPolicyTags(ctx context.Context, in *policyInput) (*tagsOutput, error) {
	account, err := h.allowPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	p, err := h.iam.Policy(ctx, account, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return tagPage(p.Tags), nil
}
