package sts

import (
	"context"
	"crypto"
	"slices"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/iam/policy"
)

const actionWebIdentity = "sts:AssumeRoleWithWebIdentity"

// Reasons of errors about web identities, spelled as STS's error codes.
const (
	InvalidIdentityToken  = "InvalidIdentityToken"
	ExpiredTokenException = "ExpiredTokenException"
	IDPRejectedClaim      = "IDPRejectedClaim"
	IDPCommunicationError = "IDPCommunicationError"
)

// ProviderKey finds the key with which an identity provider signs under a key id. The error is of kind NotFound where the provider has no
// such key, Unavailable where it does not answer, and Denied where its certificate is not to be trusted.
type ProviderKey func(ctx context.Context, p iam.OIDCProvider, keyID string) (crypto.PublicKey, error)

// AssumeRoleWithWebIdentity is a request for credentials of a role by somebody with a token of an OpenID Connect provider.
type AssumeRoleWithWebIdentity struct {
	Context     map[string][]string // condition keys of the request, as in iam.Access
	RoleARN     string
	SessionName string
	Token       string // a JSON Web Token
	Policy      string
	PolicyARNs  []string
	Duration    time.Duration
}

// WebIdentityRole is the answer: credentials, and whose they are.
type WebIdentityRole struct {
	AssumedRole
	Subject  string
	Provider minato.ARN
	Audience string
}

// AssumeRoleWithWebIdentity gives credentials of a role to those whom its trust policy lets in by a token of an identity provider of the
// role's account. Errors: Invalid with one of the reasons above, and Denied, which says nothing about why, as on AWS.
func (s *Service) AssumeRoleWithWebIdentity(ctx context.Context, in AssumeRoleWithWebIdentity) (WebIdentityRole, error) {
	request := AssumeRole{
		Context: in.Context, RoleARN: in.RoleARN, SessionName: in.SessionName, Policy: in.Policy, PolicyARNs: in.PolicyARNs, Duration: in.Duration,
	}
	arn, err := request.check()
	if err != nil {
		return WebIdentityRole{}, err
	}
	token, err := readIdentityToken(in.Token)
	if err != nil {
		return WebIdentityRole{}, err
	}
	provider, err := s.provider(ctx, arn.Account, token.Issuer)
	if err != nil {
		return WebIdentityRole{}, err
	}
	if err := s.verify(ctx, in.Token, token, provider); err != nil {
		return WebIdentityRole{}, err
	}
	role, err := s.iam.RoleByARN(ctx, arn)
	if minato.Is(err, minato.NotFound) {
		return WebIdentityRole{}, denied("Not authorized to perform %s", actionWebIdentity)
	}
	if err != nil {
		return WebIdentityRole{}, err
	}
	decision, err := s.decideWebIdentity(role, provider, token, request)
	if err != nil {
		return WebIdentityRole{}, err
	}
	if !decision.Allowed {
		return WebIdentityRole{}, denied("Not authorized to perform %s", actionWebIdentity)
	}
	duration, err := request.duration(role)
	if err != nil {
		return WebIdentityRole{}, err
	}
	policies, err := s.sessionPolicies(ctx, request, role.Account)
	if err != nil {
		return WebIdentityRole{}, err
	}
	who := sessionOf(role, in.SessionName)
	t, err := s.iam.IssueSession(ctx, who, iam.SessionContext{Policies: policies, Keys: token.keys(provider)}, duration)
	return WebIdentityRole{
		AssumedRole: AssumedRole{Temporary: t, ARN: who.ARN, ID: who.ID, PackedPolicySize: request.packedSize(0)},
		Subject:     token.Subject, Provider: provider.ARN(), Audience: token.audience,
	}, err
}

// provider is the identity provider of an account for an issuer.
func (s *Service) provider(ctx context.Context, account, issuer string) (iam.OIDCProvider, error) {
	name, ok := strings.CutPrefix(issuer, "https://")
	if !ok {
		return iam.OIDCProvider{}, invalidIdentity("No OpenIDConnect provider found in your account for %.256s", issuer)
	}
	arn := minato.NewARN("iam", "", account, "oidc-provider/"+strings.TrimSuffix(name, "/"))
	p, err := s.iam.OIDCProvider(ctx, account, arn.String())
	if k := minato.KindOf(err); k == minato.NotFound || k == minato.Invalid {
		return p, invalidIdentity("No OpenIDConnect provider found in your account for %.256s", issuer)
	}
	return p, err
}

// decideWebIdentity is what the role's trust policy says to whom the token names.
func (s *Service) decideWebIdentity(role iam.Role, provider iam.OIDCProvider, token *identityToken, in AssumeRole) (policy.Decision, error) {
	keys := token.keys(provider)
	for key, values := range in.Context {
		keys[key] = values
	}
	keys["sts:rolesessionname"] = []string{in.SessionName}
	return s.iam.DecideTrust(role, iam.TrustQuestion{
		Principal: policy.Principal{Federated: provider.ARN().String()}, Action: actionWebIdentity, Context: keys,
	})
}

// keys are the condition keys that a token gives, in the session too (IAM User Guide, "Available keys for AWS OIDC federation").
func (t *identityToken) keys(p iam.OIDCProvider) map[string][]string {
	prefix := strings.ToLower(p.URL) + ":"
	keys := map[string][]string{"aws:federatedprovider": {p.ARN().String()}, prefix + "aud": {t.audience}, prefix + "sub": {t.Subject}}
	if t.AuthorizedParty != "" {
		keys[prefix+"oaud"] = slices.Clone([]string(t.Audience))
	}
	if len(t.Methods) > 0 {
		keys[prefix+"amr"] = slices.Clone(t.Methods)
	}
	return keys
}
