// Package stsapi is the Security Token Service as it is spoken: the operations' parameters and answers, in awsQuery of
// version 2011-06-15 (as JSON too, for clients that ask for it, such as the IAM authenticators of Kubernetes), and their
// conversion from and to service/sts.
package stsapi

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/sts"
)

// New serves STS.
func New(service *sts.Service) *query.API {
	h := handlers{service}
	return query.New(query.Definition{
		SigningName: "sts",
		Version:     "2011-06-15",
		Namespace:   "https://sts.amazonaws.com/doc/2011-06-15/",
		Dialect:     query.AWSQuery,
		Operations: []query.Operation{
			query.Op("AssumeRole", h.assumeRole),
			query.Op(webIdentity, h.assumeRoleWithWebIdentity),
			query.Op("DecodeAuthorizationMessage", h.decodeAuthorizationMessage),
			query.Op("GetAccessKeyInfo", h.getAccessKeyInfo),
			query.Op("GetCallerIdentity", h.getCallerIdentity),
			query.Op("GetSessionToken", h.getSessionToken),
		},
		Refused: []string{
			"AssumeRoleWithSAML", "AssumeRoot",
			"GetDelegatedAccessToken", "GetFederationToken", "GetWebIdentityToken",
		},
		Unsigned:  []string{webIdentity, "AssumeRoleWithSAML"},
		ErrorCode: codes.ErrorCode,
	})
}

const webIdentity = "AssumeRoleWithWebIdentity"

type handlers struct{ service *sts.Service }

type callerIdentity struct {
	Arn     string
	UserID  string `query:"UserId"`
	Account string
}

// getCallerIdentity needs no permission: nobody can be denied to know who they are.
func (h handlers) getCallerIdentity(ctx context.Context, _ *struct{}) (*callerIdentity, error) {
	who := aws.CallFrom(ctx).Credential.Principal
	return &callerIdentity{Arn: who.ARN.String(), UserID: who.ID, Account: who.Account}, nil
}

type credentials struct {
	AccessKeyID     string `query:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

func wireCredentials(t iam.Temporary) credentials {
	return credentials{t.AccessKeyID, t.SecretAccessKey, t.SessionToken, t.Told}
}

type getSessionTokenInput struct {
	DurationSeconds         *int
	SerialNumber, TokenCode string
}

type getSessionTokenOutput struct{ Credentials credentials }

func (h handlers) getSessionToken(ctx context.Context, in *getSessionTokenInput) (*getSessionTokenOutput, error) {
	if in.SerialNumber != "" || in.TokenCode != "" {
		return nil, unsupported("SerialNumber and TokenCode", "there are no MFA devices")
	}
	d, err := duration(in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	call := aws.CallFrom(ctx)
	t, err := h.service.GetSessionToken(ctx, call.Credential, d, call.ConditionKeys())
	if err != nil {
		return nil, err
	}
	return &getSessionTokenOutput{wireCredentials(t)}, nil
}

type getAccessKeyInfoInput struct {
	AccessKeyID string `query:"AccessKeyId"`
}

type getAccessKeyInfoOutput struct{ Account string }

func (h handlers) getAccessKeyInfo(ctx context.Context, in *getAccessKeyInfoInput) (*getAccessKeyInfoOutput, error) {
	call := aws.CallFrom(ctx)
	account, err := h.service.AccessKeyAccount(ctx, call.Credential, in.AccessKeyID, call.ConditionKeys())
	if err != nil {
		return nil, err
	}
	return &getAccessKeyInfoOutput{account}, nil
}

type decodeInput struct{ EncodedMessage string }

type decodeOutput struct{ DecodedMessage string }

func (h handlers) decodeAuthorizationMessage(ctx context.Context, in *decodeInput) (*decodeOutput, error) {
	call := aws.CallFrom(ctx)
	message, err := h.service.DecodeAuthorizationMessage(ctx, call.Credential, in.EncodedMessage, call.ConditionKeys())
	if err != nil {
		return nil, err
	}
	return &decodeOutput{message}, nil
}

// duration is that of DurationSeconds; zero where it was not sent, which zero itself must not be taken for.
func duration(seconds *int) (time.Duration, error) {
	switch {
	case seconds == nil:
		return 0, nil
	case *seconds < 1 || *seconds > 1<<30:
		return 0, minato.Errorf(minato.Invalid, "1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy "+
			"constraint: Member must have value greater than or equal to 900", *seconds).Because(iam.ValidationError)
	}
	return time.Duration(*seconds) * time.Second, nil
}

func unsupported(parameter, why string) error {
	return minato.Errorf(minato.Unsupported, "Minato does not support %s: %s", parameter, why)
}
