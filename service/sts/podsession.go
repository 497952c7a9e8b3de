package sts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/iam/policy"
)

// podIdentityService is who assumes the roles of pods (EKS User Guide, EKS Pod Identity).
const podIdentityService = "pods.eks.amazonaws.com"

// How long pods' credentials last (EKS User Guide, "Access AWS Resources using EKS Pod Identity Target IAM Roles"). What the role
// says of its sessions' length does not matter, as on EKS.
const (
	podSession       = 6 * time.Hour
	podTargetSession = 59 * time.Minute
)

// PodSession is a request of EKS Auth for the credentials of a pod.
type PodSession struct {
	Cluster     minato.ARN // on whose behalf: aws:SourceArn
	Role        minato.ARN
	TargetRole  minato.ARN // zero for none
	ExternalID  string     // sts:ExternalId for TargetRole, empty for none
	SessionName string
	Tags        minato.Tags // all transitive; nil for none
	Policy      string      // a session policy for the role that the pod ends in, empty for none
}

// PodSession gives a pod the credentials of its role, or those of the target role that its role may assume. Errors are of kind
// Denied, with what is missing, where a trust policy or the role's own policies say no or a role does not exist.
func (s *Service) PodSession(ctx context.Context, in PodSession) (AssumedRole, error) {
	role, err := s.iam.RoleByARN(ctx, in.Role)
	if minato.Is(err, minato.NotFound) {
		return AssumedRole{}, denied("the role %s does not exist", in.Role)
	}
	if err != nil {
		return AssumedRole{}, err
	}
	for _, step := range s.TrustsPods(role, in) {
		switch {
		case step.Err != nil:
			return AssumedRole{}, step.Err
		case step.Decision.Verdict == policy.ExplicitDeny:
			return AssumedRole{}, denied("the trust policy of the role %s denies %s to %s", in.Role, step.Action, podIdentityService)
		case !step.Decision.Allowed:
			return AssumedRole{}, denied("the trust policy of the role %s does not allow %s to %s", in.Role, step.Action, podIdentityService)
		}
	}
	session := iam.SessionContext{Tags: in.Tags, TransitiveTags: slices.Sorted(maps.Keys(in.Tags)), IssuedAt: s.iam.Now()}
	who := sessionOf(role, in.SessionName)
	if !in.TargetRole.IsZero() {
		return s.podTarget(ctx, in, iam.Credential{Principal: who, Session: &session})
	}
	if in.Policy != "" {
		session.Policies = []string{in.Policy}
	}
	t, err := s.iam.IssueSession(ctx, who, session, podSession)
	return AssumedRole{Temporary: t, ARN: who.ARN, ID: who.ID}, err
}

// TrustStep is what a trust policy says to one action.
type TrustStep struct {
	Action   string
	Decision policy.Decision
	Err      error
}

// TrustsPods is what a role's trust policy says to the actions that a pod's session takes: sts:AssumeRole, and sts:TagSession if it
// has tags.
func (s *Service) TrustsPods(role iam.Role, in PodSession) []TrustStep {
	keys := map[string][]string{"sts:rolesessionname": {in.SessionName}}
	actions := []string{actionAssumeRole}
	if len(in.Tags) > 0 {
		actions = append(actions, actionTagSession)
		keys["aws:tagkeys"] = slices.Sorted(maps.Keys(in.Tags))
		keys["sts:transitivetagkeys"] = keys["aws:tagkeys"]
	}
	for key, value := range in.Tags {
		keys["aws:requesttag/"+strings.ToLower(key)] = []string{value}
	}
	steps := make([]TrustStep, len(actions))
	for i, action := range actions {
		steps[i].Action = action
		steps[i].Decision, steps[i].Err = s.iam.DecideServiceAssume(role, iam.ServiceAssume{
			Service: podIdentityService, Action: action, Resource: in.Cluster, Context: keys,
		})
	}
	return steps
}

// podTarget assumes the target role with a session of the first role that nobody else ever sees.
func (s *Service) podTarget(ctx context.Context, in PodSession, first iam.Credential) (AssumedRole, error) {
	assumed, err := s.AssumeRole(ctx, AssumeRole{
		Credential: first, RoleARN: in.TargetRole.String(), SessionName: in.SessionName, ExternalID: in.ExternalID,
		Policy: in.Policy, Duration: podTargetSession,
	})
	if err != nil {
		return AssumedRole{}, fmt.Errorf("assuming the target role: %w", err)
	}
	return assumed, nil
}

// sessionOf is a role in a session.
func sessionOf(role iam.Role, name string) minato.Principal {
	return minato.Principal{
		Type: minato.AssumedRole, Account: role.Account, RoleARN: role.ARN(), SessionName: name,
		ARN: minato.NewARN("sts", "", role.Account, "assumed-role/"+role.Name+"/"+name),
		ID:  role.ID + ":" + name,
	}
}
