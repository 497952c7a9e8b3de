package stsapi

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/service/sts"
)

type webIdentityInput struct {
	RoleArn          string
	RoleSessionName  string
	WebIdentityToken string
	ProviderID       string `query:"ProviderId"`
	Policy           string
	PolicyArns       []policyDescriptor
	DurationSeconds  *int
}

type webIdentityOutput struct {
	Credentials                 credentials
	SubjectFromWebIdentityToken string
	AssumedRoleUser             assumedRoleUser
	Provider                    string
	Audience                    string
	PackedPolicySize            *int
}

// assumeRoleWithWebIdentity comes without a signature: the token is the proof.
func (h handlers) assumeRoleWithWebIdentity(ctx context.Context, in *webIdentityInput) (*webIdentityOutput, error) {
	if in.ProviderID != "" {
		return nil, unsupported("ProviderId", "it is for OAuth 2.0 access tokens, of which it knows no provider")
	}
	d, err := duration(in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	call := aws.CallFrom(ctx)
	if arn, err := minato.ParseARN(in.RoleArn); err == nil {
		call.Resource = arn
	}
	request := sts.AssumeRoleWithWebIdentity{
		Context: call.ConditionKeys(), RoleARN: in.RoleArn, SessionName: in.RoleSessionName, Token: in.WebIdentityToken,
		Policy: in.Policy, Duration: d,
	}
	for _, p := range in.PolicyArns {
		request.PolicyARNs = append(request.PolicyARNs, p.ARN)
	}
	role, err := h.service.AssumeRoleWithWebIdentity(ctx, request)
	if err != nil {
		return nil, err
	}
	return &webIdentityOutput{
		Credentials: wireCredentials(role.Temporary), SubjectFromWebIdentityToken: role.Subject,
		AssumedRoleUser: assumedRoleUser{role.ID, role.ARN.String()}, Provider: role.Provider.String(), Audience: role.Audience, PackedPolicySize: packedSize(role.AssumedRole),
	}, nil
}
