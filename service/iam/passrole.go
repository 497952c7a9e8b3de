package iam

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/service/iam/policy"
)

// Pass is the giving of a role to a service, to act on behalf of a resource.
type Pass struct {
	Credential Credential
	Role       minato.ARN
	Service    string              // "eks.amazonaws.com"
	Resource   minato.ARN          // that the role is for; zero if that is not known yet
	Context    map[string][]string // condition keys of the request, as in Access
}

// PassRole decides whether a caller may pass a role to a service (iam:PassRole, with iam:PassedToService and
// iam:AssociatedResourceArn). Whether the service can assume it then is for CheckServiceRole to say. The error is Denied in AWS's words.
func (s *Service) PassRole(ctx context.Context, p Pass) error {
	if p.Role.Account != p.Credential.Principal.Account {
		return minato.Errorf(minato.Denied, "Cross-account pass role is not allowed.").Because(AccessDenied)
	}
	keys := map[string][]string{"iam:passedtoservice": {p.Service}}
	for key, values := range p.Context {
		keys[key] = values
	}
	if !p.Resource.IsZero() {
		keys["iam:associatedresourcearn"] = []string{p.Resource.String()}
	}
	return s.Authorize(ctx, Access{Credential: p.Credential, Action: "iam:PassRole", Resource: p.Role, Context: keys})
}

// CheckServiceRole is whether a role exists (else NotFound, reason NoSuchEntity) and its trust policy lets an AWS service
// assume it on behalf of a resource, which may be zero (else Denied).
func (s *Service) CheckServiceRole(ctx context.Context, arn minato.ARN, service string, resource minato.ARN) error {
	role, err := s.RoleByARN(ctx, arn)
	if err != nil {
		return err
	}
	decision, err := s.DecideTrust(role, TrustQuestion{Principal: policy.Principal{Service: service}, Action: "sts:AssumeRole", Resource: resource})
	if err != nil {
		return err
	}
	if !decision.Allowed {
		return minato.Errorf(minato.Denied, "The trust policy of role %s does not allow %s to assume it: "+
			`want a statement with the principal {"Service": "%s"} and the action sts:AssumeRole`, arn, service, service).
			Because(AccessDenied)
	}
	return nil
}
