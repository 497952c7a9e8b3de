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

const (
	maxSessionTags     = 50
	maxPolicyARNs      = 10
	maxSessionPolicies = 2048 // characters of the inline policy and the ARNs together
	actionAssumeRole   = "sts:AssumeRole"
	actionTagSession   = "sts:TagSession"
	sourceIdentityKey  = "aws:sourceidentity"

	actionSetSourceIdentity = "sts:SetSourceIdentity"

	notAuthorizedReason = " because no role trust policy allows the sts:AssumeRole action"
)

// AssumeRole is a request for credentials of a role.
type AssumeRole struct {
	Credential     iam.Credential
	Context        map[string][]string // condition keys of the request, as in iam.Access
	RoleARN        string
	SessionName    string
	Policy         string   // a session policy, or empty
	PolicyARNs     []string // managed policies of the role's account that are session policies
	Duration       time.Duration
	Tags           minato.Tags
	TransitiveTags []string // keys of Tags that the session hands on to roles assumed with it
	ExternalID     string
	SourceIdentity string // who acts, for the whole chain of sessions; empty for none
}

// AssumedRole is the answer: credentials, and who they are.
type AssumedRole struct {
	iam.Temporary
	ARN minato.ARN // arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
	ID  string     // AROA…:SESSION
	// SourceIdentity is that of the session, empty for none.
	SourceIdentity string
	// PackedPolicySize is how much of what a session may have this one has, in percent: of session policies or of tags, whatever is more.
	PackedPolicySize int
}

// AssumeRole gives credentials of a role to those whom its trust policy, and their own policies, allow it. A role that does
// not exist is answered like one that does not trust the caller.
func (s *Service) AssumeRole(ctx context.Context, in AssumeRole) (AssumedRole, error) {
	caller := in.Credential.Principal
	arn, err := in.check()
	if err != nil {
		return AssumedRole{}, err
	}
	if caller.Type == minato.AccountRoot {
		return AssumedRole{}, denied("Roles may not be assumed by root accounts.")
	}
	tags, transitive, err := in.sessionTags()
	if err != nil {
		return AssumedRole{}, err
	}
	role, err := s.iam.RoleByARN(ctx, arn)
	if minato.Is(err, minato.NotFound) {
		return AssumedRole{}, denied("User: %s is not authorized to perform: %s on resource: %s%s",
			caller.ARN, actionAssumeRole, arn, notAuthorizedReason)
	}
	if err != nil {
		return AssumedRole{}, err
	}
	if before := in.callersIdentity(); before != "" && in.SourceIdentity != "" && in.SourceIdentity != before {
		return AssumedRole{}, denied("The source identity of the calling session is %s and cannot be changed to %s", before, in.SourceIdentity)
	}
	if err := s.authorize(ctx, in, role, tags); err != nil {
		return AssumedRole{}, err
	}
	duration, err := in.duration(role)
	if err != nil {
		return AssumedRole{}, err
	}
	policies, err := s.sessionPolicies(ctx, in, role.Account)
	if err != nil {
		return AssumedRole{}, err
	}
	who := minato.Principal{
		Type: minato.AssumedRole, Account: role.Account, RoleARN: arn, SessionName: in.SessionName,
		ARN: minato.NewARN("sts", "", role.Account, "assumed-role/"+role.Name+"/"+in.SessionName),
		ID:  role.ID + ":" + in.SessionName,
	}
	session := iam.SessionContext{Policies: policies, Tags: tags, TransitiveTags: transitive}
	if identity := in.sourceIdentity(); identity != "" {
		session.Keys = map[string][]string{sourceIdentityKey: {identity}}
	}
	t, err := s.iam.IssueSession(ctx, who, session, duration)
	return AssumedRole{Temporary: t, ARN: who.ARN, ID: who.ID, SourceIdentity: in.sourceIdentity(), PackedPolicySize: in.packedSize(len(tags))}, err
}

// policySize is how many characters of session policies there are.
func (in *AssumeRole) policySize() int {
	size := len(in.Policy)
	for _, arn := range in.PolicyARNs {
		size += len(arn)
	}
	return size
}

// packedSize is how full a session with so many tags is, in percent.
func (in *AssumeRole) packedSize(tags int) int {
	percent := func(n, most int) int { return (100*n + most - 1) / most }
	return max(percent(in.policySize(), maxSessionPolicies), percent(tags, maxSessionTags))
}

// callersIdentity is the source identity that the calling session has; empty for none.
func (in *AssumeRole) callersIdentity() string {
	if session := in.Credential.Session; session != nil && len(session.Keys[sourceIdentityKey]) > 0 {
		return session.Keys[sourceIdentityKey][0]
	}
	return ""
}

// sourceIdentity is that of the new session: asked for, or handed on.
func (in *AssumeRole) sourceIdentity() string {
	if before := in.callersIdentity(); before != "" {
		return before
	}
	return in.SourceIdentity
}

// check validates what does not depend on the role.
func (in *AssumeRole) check() (minato.ARN, error) {
	if in.RoleARN == "" {
		return minato.ARN{}, iam.Missing("roleArn")
	}
	arn, err := minato.ParseARN(in.RoleARN)
	if err != nil || arn.Service != "iam" || arn.ResourceType() != "role" || !minato.ValidAccountID(arn.Account) {
		return arn, invalid("%s is invalid", in.RoleARN)
	}
	if in.SessionName == "" {
		return arn, iam.Missing("roleSessionName")
	}
	if !sessionNameForm.MatchString(in.SessionName) {
		return arn, invalid("1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: "+
			`Member must have 2 to 64 characters of the regular expression pattern: [\w+=,.@-]*`, in.SessionName)
	}
	if in.ExternalID != "" && (len(in.ExternalID) > 1224 || !externalIDForm.MatchString(in.ExternalID)) {
		return arn, invalid("1 validation error detected: Value '%s' at 'externalId' failed to satisfy constraint: "+
			`Member must have 2 to 1224 characters of the regular expression pattern: [\w+=,.@:\/-]*`, in.ExternalID)
	}
	if id := in.SourceIdentity; id != "" && (!sessionNameForm.MatchString(id) || strings.HasPrefix(id, "aws:")) {
		return arn, invalid("1 validation error detected: Value '%s' at 'sourceIdentity' failed to satisfy constraint: "+
			`Member must have 2 to 64 characters of the regular expression pattern: [\w+=,.@-]*`, id)
	}
	if in.Duration == 0 {
		in.Duration = defaultDuration
	}
	return arn, checkDuration(in.Duration, maxRoleDuration)
}

func checkDuration(d, longest time.Duration) error {
	if d < minDuration {
		return invalid("1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: "+
			"Member must have value greater than or equal to %d", seconds(d), seconds(minDuration))
	}
	if d > longest {
		return invalid("1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: "+
			"Member must have value less than or equal to %d", seconds(d), seconds(longest))
	}
	return nil
}

// duration is how long the session may be: a role's sessions are as long as the role says, those of a chain an hour.
func (in *AssumeRole) duration(role iam.Role) (time.Duration, error) {
	if in.Credential.Principal.Type == minato.AssumedRole && in.Duration > maxChained {
		return 0, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	if in.Duration > role.MaxSessionDuration {
		return 0, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return in.Duration, nil
}

// authorize asks for all that the session takes.
func (s *Service) authorize(ctx context.Context, in AssumeRole, role iam.Role, tags minato.Tags) error {
	steps, err := s.steps(ctx, in, role, tags)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if !step.Decision.Allowed {
			return iam.Denied(iam.Access{Credential: in.Credential, Action: step.Action, Resource: step.Role}, step.Decision)
		}
	}
	return nil
}

// steps are what the caller's policies and the role's trust policy say to sts:AssumeRole, and to sts:TagSession if the session has
// tags. Tags that are handed on count as requested like new ones (EKS User Guide, "Access AWS Resources using EKS Pod
// Identity Target IAM Roles", asks for them as aws:RequestTag).
func (s *Service) steps(ctx context.Context, in AssumeRole, role iam.Role, tags minato.Tags) ([]Step, error) {
	keys := map[string][]string{}
	maps.Copy(keys, in.Context)
	keys["sts:rolesessionname"] = []string{in.SessionName}
	if in.ExternalID != "" {
		keys["sts:externalid"] = []string{in.ExternalID}
	}
	for key, value := range tags {
		keys["aws:requesttag/"+strings.ToLower(key)] = []string{value}
	}
	if len(tags) > 0 {
		keys["aws:tagkeys"] = slices.Sorted(maps.Keys(tags))
	}
	if len(in.TransitiveTags) > 0 {
		keys["sts:transitivetagkeys"] = in.TransitiveTags
	}
	for key, value := range role.Tags {
		keys["aws:resourcetag/"+strings.ToLower(key)] = []string{value}
		keys["iam:resourcetag/"+strings.ToLower(key)] = []string{value}
	}
	actions := []string{actionAssumeRole}
	if len(tags) > 0 {
		actions = append(actions, actionTagSession)
	}
	if identity := in.sourceIdentity(); identity != "" {
		keys["sts:sourceidentity"] = []string{identity}
		actions = append(actions, actionSetSourceIdentity)
	}
	steps := make([]Step, len(actions))
	for i, action := range actions {
		d, err := s.iam.DecideAssume(ctx, iam.Access{Credential: in.Credential, Action: action, Resource: role.ARN(), Context: keys}, role)
		if err != nil {
			return nil, err
		}
		steps[i] = Step{Role: role.ARN(), Action: action, Decision: d}
	}
	return steps, nil
}

// sessionTags are the tags that the session gets: those asked for, and the transitive ones of the caller's own session.
func (in *AssumeRole) sessionTags() (tags minato.Tags, transitive []string, err error) {
	for name, n := range map[string]int{"tags": len(in.Tags), "transitiveTagKeys": len(in.TransitiveTags)} {
		if n > maxSessionTags {
			return nil, nil, invalid("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d, it has %d", name, maxSessionTags, n)
		}
	}
	if err := iam.CheckTags(in.Tags); err != nil {
		return nil, nil, err
	}
	folded := map[string]bool{}
	for key := range in.Tags {
		folded[strings.ToLower(key)] = true
	}
	for _, key := range in.TransitiveTags {
		if !folded[strings.ToLower(key)] {
			return nil, nil, invalid("The specified transitive tag key must be included in the requested tags: %s", key)
		}
	}
	tags, transitive = maps.Clone(in.Tags), slices.Clone(in.TransitiveTags)
	session := in.Credential.Session
	if session == nil || len(session.TransitiveTags) == 0 {
		return tags, transitive, nil
	}
	if tags == nil {
		tags = minato.Tags{}
	}
	for key, value := range session.Tags {
		if !slices.ContainsFunc(session.TransitiveTags, func(t string) bool { return strings.EqualFold(t, key) }) {
			continue
		}
		if folded[strings.ToLower(key)] {
			return nil, nil, invalid("One of the specified transitive tag keys can't be set because it conflicts with a "+
				"transitive tag key from the calling session: %s", key)
		}
		tags[key] = value
		transitive = append(transitive, key)
	}
	if len(tags) > maxSessionTags {
		return nil, nil, invalid("The session would have %d tags, those of the calling session included; at most %d are allowed",
			len(tags), maxSessionTags)
	}
	slices.Sort(transitive)
	return tags, transitive, nil
}

// sessionPolicies are the documents of the session policies as they are now.
func (s *Service) sessionPolicies(ctx context.Context, in AssumeRole, account string) (documents []string, err error) {
	if size := in.policySize(); size > maxSessionPolicies {
		return nil, minato.Errorf(minato.Invalid, "Serialized token too large for session: "+
			"the session policies have %d characters, at most %d are allowed", size, maxSessionPolicies).Because("PackedPolicyTooLarge")
	}
	if len(in.PolicyARNs) > maxPolicyARNs {
		return nil, invalid("The number of policy ARNs must not exceed %d, it is %d", maxPolicyARNs, len(in.PolicyARNs))
	}
	if in.Policy != "" {
		if _, err := policy.Parse(in.Policy, policy.Identity); err != nil {
			return nil, minato.Errorf(minato.Invalid, "%s", err).Because(iam.MalformedPolicyDocument)
		}
		documents = append(documents, in.Policy)
	}
	for _, arn := range in.PolicyARNs {
		p, err := s.iam.Policy(ctx, account, arn)
		if err != nil {
			if k := minato.KindOf(err); k == minato.NotFound || k == minato.Invalid {
				err = invalid("The policy %s does not exist in account %s", arn, account)
			}
			return nil, err
		}
		v := p.Version(p.Default)
		if v == nil {
			return nil, fmt.Errorf("policy %s has no version %s", arn, p.Default)
		}
		documents = append(documents, v.Document)
	}
	return documents, nil
}
