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

// ServiceAssume is an AWS service that enters a role on behalf of a resource.
type ServiceAssume struct {
	Service  string     // "pods.eks.amazonaws.com"
	Action   string     // sts:AssumeRole or sts:TagSession
	Resource minato.ARN // may be zero
	// Context are the condition keys of the request, in lower case. Those of the role, the resource and the time are not asked of
	// the caller.
	Context map[string][]string
}

// DecideServiceAssume evaluates a role's trust policy for an AWS service. It says the first word and the last: a service has no
// policies of its own.
func (s *Service) DecideServiceAssume(role Role, a ServiceAssume) (policy.Decision, error) {
	trust, err := policy.Parse(role.Trust, policy.Trust)
	if err != nil {
		return policy.Decision{}, fmt.Errorf("reading the trust policy of %s: %w", role.ARN(), err)
	}
	keys := maps.Clone(a.Context)
	if keys == nil {
		keys = map[string][]string{}
	}
	now := s.clock.Now().UTC()
	keys["aws:currenttime"] = []string{now.Format(time.RFC3339)}
	keys["aws:epochtime"] = []string{strconv.FormatInt(now.Unix(), 10)}
	keys["aws:sourceaccount"] = []string{role.Account}
	if !a.Resource.IsZero() {
		keys["aws:sourcearn"] = []string{a.Resource.String()}
	}
	for key, value := range role.Tags {
		keys["aws:resourcetag/"+strings.ToLower(key)] = []string{value}
		keys["iam:resourcetag/"+strings.ToLower(key)] = []string{value}
	}
	return policy.Evaluate(
		policy.Request{Principal: policy.Principal{Service: a.Service}, Action: a.Action, Resource: role.arn(RoleKind).String(), Context: keys},
		policy.Set{Resource: &policy.Named{Name: "trust policy of " + role.Name, Policy: trust}, ResourceAccount: role.Account},
	), nil
}
