package iam

import (
	"context"
	"fmt"

	"minato.dev/minato"
	"minato.dev/minato/service/iam/policy"
)

// Pass is the giving of a role to a service, to act on behalf of a resource.
type Pass struct {
	Credential Credential
	Role       minato.ARN
	Service    string     // "eks.amazonaws.com"
	Resource   minato.ARN // that the role is for; zero if it has no ARN yet
}

// PassRole decides whether a caller may pass a role to a service (iam:PassRole, with iam:PassedToService and
// iam:AssociatedResourceArn), and whether the role's trust policy then lets that service in. It answers with the role.
// Errors: Denied in AWS's words; NotFound (NoSuchEntity) if there is no such role; PreconditionFail if the role does not
// trust the service.
func (s *Service) PassRole(ctx context.Context, p Pass) (Role, error) {
	if p.Role.Account != p.Credential.Principal.Account {
		return Role{}, minato.Errorf(minato.Denied, "Cross-account pass role is not allowed.").Because(AccessDenied)
	}
	keys := map[string][]string{"iam:passedtoservice": {p.Service}}
	if !p.Resource.IsZero() {
		keys["iam:associatedresourcearn"] = []string{p.Resource.String()}
	}
	err := s.Authorize(ctx, Access{Credential: p.Credential, Action: "iam:PassRole", Resource: p.Role, Context: keys})
	if err != nil {
		return Role{}, err
	}
	role, err := s.RoleByARN(ctx, p.Role)
	if err != nil {
		return Role{}, err
	}
	trusts, err := s.Trusts(role, p.Service, p.Resource)
	if err == nil && !trusts {
		err = minato.Errorf(minato.PreconditionFail, "The trust policy of role %s does not allow %s to assume it: "+
			`want a statement with the principal {"Service": "%s"} and the action sts:AssumeRole`, p.Role, p.Service, p.Service)
	}
	return role, err
}

// Trusts is whether a role's trust policy lets a service assume it on behalf of a resource of the role's account.
func (s *Service) Trusts(role Role, service string, resource minato.ARN) (bool, error) {
	trust, err := policy.Parse(role.Trust, policy.Trust)
	if err != nil {
		return false, fmt.Errorf("reading the trust policy of %s: %w", role.ARN(), err)
	}
	keys := map[string][]string{"aws:sourceaccount": {role.Account}}
	if !resource.IsZero() {
		keys["aws:sourcearn"] = []string{resource.String()}
	}
	return policy.Evaluate(
		policy.Request{Principal: policy.Principal{Service: service}, Action: "sts:AssumeRole", Resource: role.ARN().String(), Context: keys},
		policy.Set{Resource: &policy.Named{Name: "trust policy of " + role.Name, Policy: trust}, ResourceAccount: role.Account},
	).Allowed, nil
}
