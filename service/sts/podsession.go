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
	steps, err := s.podSteps(role, in)
	if err != nil {
		return AssumedRole{}, err
	}
	for _, step := range steps {
		switch {
		case step.Decision.Verdict == policy.ExplicitDeny:
			return AssumedRole{}, denied("the trust policy of the role %s denies %s to %s", in.Role, step.Action, podIdentityService)
		case !step.Decision.Allowed:
			return AssumedRole{}, denied("the trust policy of the role %s does not allow %s to %s", in.Role, step.Action, podIdentityService)
		}
	}
	who := s.podCredential(role, in)
	if !in.TargetRole.IsZero() {
		assumed, err := s.AssumeRole(ctx, in.target(who))
		if err != nil {
			return AssumedRole{}, fmt.Errorf("assuming the target role: %w", err)
		}
		return assumed, nil
	}
	t, err := s.iam.IssueSession(ctx, who.Principal, *who.Session, podSession)
	return AssumedRole{Temporary: t, ARN: who.Principal.ARN, ID: who.Principal.ID}, err
}

// podSteps is what a role's trust policy says to the actions that a pod's session takes: sts:AssumeRole, and sts:TagSession if it has
// tags.
func (s *Service) podSteps(role iam.Role, in PodSession) ([]Step, error) {
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
	steps := make([]Step, len(actions))
	for i, action := range actions {
		d, err := s.iam.DecideTrust(role, iam.TrustQuestion{
			Principal: policy.Principal{Service: podIdentityService}, Action: action, Resource: in.Cluster, Context: keys,
		})
		if err != nil {
			return nil, err
		}
		steps[i] = Step{Role: role.ARN(), Action: action, Decision: d}
	}
	return steps, nil
}

// podCredential is a pod in its first role. Where there is a target role nobody ever sees this session, and the session policy is for
// the target role only.
func (s *Service) podCredential(role iam.Role, in PodSession) iam.Credential {
	session := iam.SessionContext{Tags: in.Tags, TransitiveTags: slices.Sorted(maps.Keys(in.Tags)), IssuedAt: s.iam.Now()}
	if in.TargetRole.IsZero() && in.Policy != "" {
		session.Policies = []string{in.Policy}
	}
	return iam.Credential{Principal: sessionOf(role, in.SessionName), Session: &session}
}

// target is the second half of the way, as the first role.
func (in PodSession) target(first iam.Credential) AssumeRole {
	return AssumeRole{
		Credential: first, RoleARN: in.TargetRole.String(), SessionName: in.SessionName, ExternalID: in.ExternalID,
		Policy: in.Policy, Duration: podTargetSession,
	}
}

// sessionOf is a role in a session.
func sessionOf(role iam.Role, name string) minato.Principal {
	return minato.Principal{
		Type: minato.AssumedRole, Account: role.Account, RoleARN: role.ARN(), SessionName: name,
		ARN: minato.NewARN("sts", "", role.Account, "assumed-role/"+role.Name+"/"+name),
		ID:  role.ID + ":" + name,
	}
}
