package iamapi

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

type instanceProfile struct {
	Path                string
	InstanceProfileName string
	InstanceProfileID   string `query:"InstanceProfileId"`
	Arn                 string
	CreateDate          time.Time
	Roles               []role
	Tags                []tag
}

// wireProfile is a profile with its role.
func (h handlers) wireProfile(ctx context.Context, p iam.InstanceProfile) (instanceProfile, error) {
	w := instanceProfile{Path: p.Path, InstanceProfileName: p.Name, InstanceProfileID: p.ID, Arn: p.ARN().String(),
		CreateDate: p.Created, Roles: []role{}, Tags: wireTags(p.Tags)}
	if p.Role == "" {
		return w, nil
	}
	r, err := h.iam.Role(ctx, p.Account, p.Role)
	if minato.Is(err, minato.NotFound) {
		return w, nil // both went away since we read the profile
	}
	w.Roles = append(w.Roles, listedRole(r))
	return w, err
}

// allowProfile is allow for an instance profile that is there, with its path and tags.
func (h handlers) allowProfile(ctx context.Context, name string, more ...conditions) (account string, err error) {
	if name == "" {
		return "", iam.Missing("instanceProfileName")
	}
	resource := arn(ctx, "instance-profile/"+name)
	p, err := h.iam.InstanceProfile(ctx, resource.Account, name)
	switch {
	case err == nil:
		resource = p.ARN()
	case !minato.Is(err, minato.NotFound):
		return "", err
	}
	return h.allow(ctx, resource, append([]conditions{resourceTags(p.Tags)}, more...)...)
}

type instanceProfileInput struct {
	Path, InstanceProfileName, RoleName string
	Tags                                []tag
	TagKeys                             []string
	pageInput
}

type instanceProfileOutput struct{ InstanceProfile instanceProfile }

func (h handlers) createInstanceProfile(ctx context.Context, in *instanceProfileInput) (*instanceProfileOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	account, err := h.allowNew(ctx, "instance-profile", in.Path, in.InstanceProfileName, "TagInstanceProfile", tags)
	if err != nil {
		return nil, err
	}
	p, err := h.iam.CreateInstanceProfile(ctx, account, in.Path, in.InstanceProfileName, tags)
	if err != nil {
		return nil, err
	}
	w, err := h.wireProfile(ctx, p)
	return &instanceProfileOutput{w}, err
}

func (h handlers) getInstanceProfile(ctx context.Context, in *instanceProfileInput) (*instanceProfileOutput, error) {
	account, err := h.allowProfile(ctx, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	p, err := h.iam.InstanceProfile(ctx, account, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	w, err := h.wireProfile(ctx, p)
	return &instanceProfileOutput{w}, err
}

type listInstanceProfilesOutput struct {
	InstanceProfiles []instanceProfile
	pageOutput
}

func (h handlers) listInstanceProfiles(ctx context.Context, in *listInput) (*listInstanceProfilesOutput, error) {
	account, err := h.allowList(ctx, "instance-profile", in.PathPrefix)
	if err != nil {
		return nil, err
	}
	profiles, next, err := h.iam.InstanceProfiles(ctx, account, in.PathPrefix, in.page())
	return h.listedProfiles(ctx, profiles, next, err)
}

func (h handlers) listInstanceProfilesForRole(ctx context.Context, in *instanceProfileInput) (*listInstanceProfilesOutput, error) {
	holder, err := h.allowOn(ctx, iam.RoleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	profiles, next, err := h.iam.InstanceProfilesOf(ctx, holder.Account, in.RoleName, in.page())
	return h.listedProfiles(ctx, profiles, next, err)
}

func (h handlers) listedProfiles(ctx context.Context, profiles []iam.InstanceProfile, next string, err error) (*listInstanceProfilesOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &listInstanceProfilesOutput{InstanceProfiles: []instanceProfile{}, pageOutput: pageEnd(next)}
	for _, p := range profiles {
		w, err := h.wireProfile(ctx, p)
		if err != nil {
			return nil, err
		}
		w.Tags = nil
		out.InstanceProfiles = append(out.InstanceProfiles, w)
	}
	return out, nil
}

func (h handlers) deleteInstanceProfile(ctx context.Context, in *instanceProfileInput) (*struct{}, error) {
	account, err := h.allowProfile(ctx, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.DeleteInstanceProfile(ctx, account, in.InstanceProfileName)
}

// addRoleToInstanceProfile passes the role to EC2, which takes the permission to pass it.
func (h handlers) addRoleToInstanceProfile(ctx context.Context, in *instanceProfileInput) (*struct{}, error) {
	account, err := h.allowProfile(ctx, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	r, err := h.iam.Role(ctx, account, in.RoleName)
	if err != nil {
		return nil, err
	}
	if err := h.allowAction(ctx, "iam:PassRole", r.ARN(), conditions{"iam:passedtoservice": {"ec2.amazonaws.com"}}); err != nil {
		return nil, err
	}
	return nil, h.iam.AddRoleToInstanceProfile(ctx, account, in.InstanceProfileName, in.RoleName)
}

func (h handlers) removeRoleFromInstanceProfile(ctx context.Context, in *instanceProfileInput) (*struct{}, error) {
	account, err := h.allowProfile(ctx, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.RemoveRoleFromInstanceProfile(ctx, account, in.InstanceProfileName, in.RoleName)
}

func (h handlers) tagInstanceProfile(ctx context.Context, in *instanceProfileInput) (*struct{}, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	account, err := h.allowProfile(ctx, in.InstanceProfileName, requestTags(tags))
	if err != nil {
		return nil, err
	}
	return nil, h.iam.TagInstanceProfile(ctx, account, in.InstanceProfileName, tags)
}

func (h handlers) untagInstanceProfile(ctx context.Context, in *instanceProfileInput) (*struct{}, error) {
	account, err := h.allowProfile(ctx, in.InstanceProfileName, conditions{"aws:tagkeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	return nil, h.iam.UntagInstanceProfile(ctx, account, in.InstanceProfileName, in.TagKeys)
}

func (h handlers) listInstanceProfileTags(ctx context.Context, in *instanceProfileInput) (*tagsOutput, error) {
	account, err := h.allowProfile(ctx, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	p, err := h.iam.InstanceProfile(ctx, account, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return tagPage(p.Tags), nil
}
