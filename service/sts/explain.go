package sts

import (
	"context"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/iam/policy"
)

// Step is what policies say to one action on a role, on the way to its credentials.
type Step struct {
	Role     minato.ARN
	Action   string
	Decision policy.Decision
}

// ExplainPodSession is PodSession without a session: what the policies say at each step, and who the pod is at the end; nil where they
// say no. A role that does not exist is an Error of kind NotFound.
func (s *Service) ExplainPodSession(ctx context.Context, in PodSession) ([]Step, *iam.Credential, error) {
	role, err := s.iam.RoleByARN(ctx, in.Role)
	if err != nil {
		return nil, nil, err
	}
	steps, err := s.podSteps(role, in)
	if err != nil || !allowed(steps) {
		return steps, nil, err
	}
	who := s.podCredential(role, in)
	if in.TargetRole.IsZero() {
		return steps, &who, nil
	}
	second := in.target(who)
	tags, transitive, err := second.sessionTags()
	if err != nil {
		return steps, nil, err
	}
	target, err := s.iam.RoleByARN(ctx, in.TargetRole)
	if err != nil {
		return steps, nil, err
	}
	more, err := s.steps(ctx, second, target, tags)
	steps = append(steps, more...)
	if err != nil || !allowed(more) {
		return steps, nil, err
	}
	session := iam.SessionContext{Tags: tags, TransitiveTags: transitive, IssuedAt: s.iam.Now()}
	if in.Policy != "" {
		session.Policies = []string{in.Policy}
	}
	return steps, &iam.Credential{Principal: sessionOf(target, in.SessionName), Session: &session}, nil
}

// WebIdentity is somebody whom an identity provider knows, for ExplainWebIdentity.
type WebIdentity struct {
	Role              minato.ARN
	Issuer            string // URL
	Subject, Audience string
	SessionName       string
}

// ExplainWebIdentity is what a role's trust policy says to somebody whom an identity provider of its account knows, and who that is in
// the role; nil where it says no. A role or a provider that does not exist is an Error of kind NotFound.
func (s *Service) ExplainWebIdentity(ctx context.Context, in WebIdentity) ([]Step, *iam.Credential, error) {
	role, err := s.iam.RoleByARN(ctx, in.Role)
	if err != nil {
		return nil, nil, err
	}
	name := strings.TrimPrefix(in.Issuer, "https://")
	provider, err := s.iam.OIDCProvider(ctx, role.Account, minato.NewARN("iam", "", role.Account, "oidc-provider/"+name).String())
	if err != nil {
		return nil, nil, err
	}
	token := &identityToken{audience: in.Audience}
	token.Subject = in.Subject
	d, err := s.decideWebIdentity(role, provider, token, AssumeRole{SessionName: in.SessionName})
	steps := []Step{{Role: role.ARN(), Action: actionWebIdentity, Decision: d}}
	if err != nil || !d.Allowed {
		return steps, nil, err
	}
	session := iam.SessionContext{Keys: token.keys(provider), IssuedAt: s.iam.Now()}
	return steps, &iam.Credential{Principal: sessionOf(role, in.SessionName), Session: &session}, nil
}

func allowed(steps []Step) bool {
	for _, step := range steps {
		if !step.Decision.Allowed {
			return false
		}
	}
	return true
}
