package sts

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/iam/policy"
)

// GetSessionToken gives a user, or the account's root, temporary credentials of their own. It needs no permission, and an
// explicit deny forbids it. A duration of zero is 12 hours, for root one hour; keys are the request's condition keys.
func (s *Service) GetSessionToken(ctx context.Context, c iam.Credential, d time.Duration, keys map[string][]string) (iam.Temporary, error) {
	if c.Session != nil {
		return iam.Temporary{}, denied("Cannot call GetSessionToken with session credentials")
	}
	usual, longest := defaultUserSession, maxUserSession
	if c.Principal.Type == minato.AccountRoot {
		usual, longest = maxRootSession, maxRootSession
	}
	if d == 0 {
		d = usual
	}
	if err := checkDuration(d, maxUserSession); err != nil {
		return iam.Temporary{}, err
	}
	access := iam.Access{Credential: c, Action: "sts:GetSessionToken", Context: keys}
	decision, err := s.iam.Decide(ctx, access)
	if err != nil {
		return iam.Temporary{}, err
	}
	if decision.Verdict == policy.ExplicitDeny {
		return iam.Temporary{}, iam.Denied(access, decision)
	}
	// A longer duration than the root may have is cut, not refused (STS API reference, GetSessionToken).
	return s.iam.IssueSession(ctx, c.Principal, iam.SessionContext{}, min(d, longest))
}

// DecodeAuthorizationMessage is what an encoded message says that somebody of the caller's account was refused with, in JSON; keys are the
// request's condition keys.
func (s *Service) DecodeAuthorizationMessage(ctx context.Context, c iam.Credential, encoded string, keys map[string][]string) (string, error) {
	if encoded == "" {
		return "", iam.Missing("encodedMessage")
	}
	err := s.iam.Authorize(ctx, iam.Access{Credential: c, Action: "sts:DecodeAuthorizationMessage", Context: keys})
	if err != nil {
		return "", err
	}
	return s.iam.DecodeDenial(c.Principal.Account, encoded)
}

// AccessKeyAccount is the account that an access key belongs to, long-lived or temporary; keys are the request's condition keys.
func (s *Service) AccessKeyAccount(ctx context.Context, c iam.Credential, id string, keys map[string][]string) (string, error) {
	err := s.iam.Authorize(ctx, iam.Access{Credential: c, Action: "sts:GetAccessKeyInfo", Context: keys})
	if err != nil {
		return "", err
	}
	account, err := s.iam.KeyAccount(ctx, id)
	if minato.Is(err, minato.NotFound) {
		err = invalid("The access key id %q is not one of this server's", id)
	}
	return account, err
}
