package iam

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam/policy"
)

// Now is the time by which sessions are issued and expire.
func (s *Service) Now() time.Time { return s.clock.Now() }

// TrustQuestion is whether a role lets somebody in who has no policies: an AWS service, or an identity provider for somebody it knows.
type TrustQuestion struct {
	Principal policy.Principal // Service or Federated
	Action    string           // sts:AssumeRole, sts:TagSession, sts:AssumeRoleWithWebIdentity
	// Resource is what a service acts for; zero for none.
	Resource minato.ARN
	// Context are the condition keys of the request, in lower case. Those of the role, the resource and the time are not asked of
	// the caller.
	Context map[string][]string
}

// DecideTrust evaluates a role's trust policy, which says the first word here and the last.
func (s *Service) DecideTrust(role Role, q TrustQuestion) (policy.Decision, error) {
	trust, err := policy.Parse(role.Trust, policy.Trust)
	if err != nil {
		return policy.Decision{}, fmt.Errorf("reading the trust policy of %s: %w", role.ARN(), err)
	}
	keys := maps.Clone(q.Context)
	if keys == nil {
		keys = map[string][]string{}
	}
	now := s.clock.Now().UTC()
	keys["aws:currenttime"] = []string{now.Format(time.RFC3339)}
	keys["aws:epochtime"] = []string{strconv.FormatInt(now.Unix(), 10)}
	if q.Principal.Service != "" {
		keys["aws:sourceaccount"] = []string{role.Account}
	}
	if !q.Resource.IsZero() {
		keys["aws:sourcearn"] = []string{q.Resource.String()}
	}
	for key, value := range role.Tags {
		keys["aws:resourcetag/"+strings.ToLower(key)] = []string{value}
		keys["iam:resourcetag/"+strings.ToLower(key)] = []string{value}
	}
	return policy.Evaluate(
		policy.Request{Principal: q.Principal, Action: q.Action, Resource: role.arn(RoleKind).String(), Context: keys},
		policy.Set{Resource: &policy.Named{Name: "trust policy of " + role.Name, Policy: trust}, ResourceAccount: role.Account},
	), nil
}
