package stsapi

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/sts"
)

type assumeRoleInput struct {
	RoleArn           string
	RoleSessionName   string
	Policy            string
	PolicyArns        []policyDescriptor
	DurationSeconds   *int
	ExternalID        string `query:"ExternalId"`
	Tags              []tag
	TransitiveTagKeys []string

	SerialNumber, TokenCode, SourceIdentity string
	ProvidedContexts                        []struct{ ProviderArn string }
}

type policyDescriptor struct {
	ARN string `query:"arn"`
}

type tag struct{ Key, Value string }

type assumeRoleOutput struct {
	Credentials     credentials
	AssumedRoleUser assumedRoleUser
	SourceIdentity  string

	PackedPolicySize *int
}

type assumedRoleUser struct {
	AssumedRoleID string `query:"AssumedRoleId"`
	Arn           string
}

func (h handlers) assumeRole(ctx context.Context, in *assumeRoleInput) (*assumeRoleOutput, error) {
	switch {
	case in.SerialNumber != "" || in.TokenCode != "":
		return nil, unsupported("SerialNumber and TokenCode", "there are no MFA devices")
	case len(in.ProvidedContexts) > 0:
		return nil, unsupported("ProvidedContexts", "there is no IAM Identity Center")
	}
	d, err := duration(in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	call := aws.CallFrom(ctx)
	if arn, err := minato.ParseARN(in.RoleArn); err == nil {
		call.Resource = arn
	}
	request := sts.AssumeRole{
		Credential: call.Credential, Context: call.ConditionKeys(),
		RoleARN: in.RoleArn, SessionName: in.RoleSessionName, Policy: in.Policy, Duration: d,
		Tags: tags, TransitiveTags: in.TransitiveTagKeys, ExternalID: in.ExternalID, SourceIdentity: in.SourceIdentity,
	}
	for _, p := range in.PolicyArns {
		request.PolicyARNs = append(request.PolicyARNs, p.ARN)
	}
	role, err := h.service.AssumeRole(ctx, request)
	if err != nil {
		return nil, err
	}
	return &assumeRoleOutput{wireCredentials(role.Temporary), assumedRoleUser{role.ID, role.ARN.String()}, role.SourceIdentity, packedSize(role)}, nil
}

// packedSize is nil for a session that has nothing to pack.
func packedSize(role sts.AssumedRole) *int {
	if role.PackedPolicySize == 0 {
		return nil
	}
	return &role.PackedPolicySize
}

func tagsOf(list []tag) (minato.Tags, error) {
	var tags minato.Tags
	for _, t := range list {
		if tags == nil {
			tags = minato.Tags{}
		}
		if _, twice := tags[t.Key]; twice {
			return nil, minato.Errorf(minato.Invalid, "Duplicate tag keys found. Please note that Tag keys are case insensitive: %s", t.Key).
				Because(iam.InvalidInput)
		}
		tags[t.Key] = t.Value
	}
	return tags, nil
}
