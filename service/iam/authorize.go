package iam

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam/policy"
)

// Authorize decides whether a credential may do something: the seam of this name.
func (s *Service) Authorize(ctx context.Context, a Access) error {
	if a.Credential.Session != nil && a.Credential.Principal.Type != minato.AssumedRole && outOfReach(a.Action) {
		return unknownKey()
	}
	d, err := s.Decide(ctx, a)
	if err != nil || d.Allowed {
		return err
	}
	refusal := Denied(a, d)
	refusal.Err = &denial{func() string { return s.encodeDenial(a, d) }}
	return refusal
}

// outOfReach is whether GetSessionToken's credentials cannot be used for an action at all (STS API reference,
// GetSessionToken: no IAM operations without MFA; of STS only AssumeRole and GetCallerIdentity).
func outOfReach(action string) bool {
	service, operation, _ := strings.Cut(action, ":")
	return service == "iam" || (service == "sts" && operation != "AssumeRole" && operation != "TagSession")
}

// Denied is AWS's answer to a request that policies do not allow.
func Denied(a Access, d policy.Decision) *minato.Error {
	return minato.Errorf(minato.Denied, "User: %s is not authorized to perform: %s on resource: %s%s",
		a.Credential.Principal.ARN, a.Action, resourceOf(a), d.Reason(a.Action)).Because(AccessDenied)
}

func resourceOf(a Access) string {
	if a.Resource.IsZero() {
		return "*"
	}
	return a.Resource.String()
}

// Decide evaluates the policies of a credential's principal for a request. The error is the store's trouble; a principal
// without policies is denied.
func (s *Service) Decide(ctx context.Context, a Access) (policy.Decision, error) {
	return s.decide(ctx, a, nil, "") // a service looks for things in the caller's account only
}

// DecideAssume evaluates a request on a role whose trust policy has a say, such as sts:AssumeRole.
func (s *Service) DecideAssume(ctx context.Context, a Access, role Role) (policy.Decision, error) {
	trust, err := policy.Parse(role.Trust, policy.Trust)
	if err != nil {
		return policy.Decision{}, fmt.Errorf("reading the trust policy of %s: %w", role.ARN(), err)
	}
	return s.decide(ctx, a, &policy.Named{Name: "trust policy of " + role.Name, Policy: trust.Bind(role.TrustIDs)}, a.Resource.Account)
}

// DecideOn evaluates a request on a resource that may have a policy of its own, nil for none, in an account that its ARN does not
// name: a bucket.
func (s *Service) DecideOn(ctx context.Context, a Access, resource *policy.Named, account string) (policy.Decision, error) {
	return s.decide(ctx, a, resource, account)
}

func (s *Service) decide(ctx context.Context, a Access, resource *policy.Named, account string) (policy.Decision, error) {
	g, err := s.gather(ctx, a.Credential.Principal)
	if err != nil {
		return policy.Decision{}, err
	}
	set := g.set
	set.Resource, set.ResourceAccount = resource, account
	if session := a.Credential.Session; session != nil {
		for i, document := range session.Policies {
			if err := s.add(&set.Session, "session policy "+strconv.Itoa(i+1), document); err != nil {
				return policy.Decision{}, err
			}
		}
	}
	return policy.Evaluate(policy.Request{
		Principal: policy.PrincipalOf(a.Credential.Principal),
		Action:    a.Action,
		Resource:  resourceOf(a),
		Context:   s.requestContext(a, g.tags),
	}, set), nil
}

// gathered is what is known of a principal beyond its credential.
type gathered struct {
	set  policy.Set
	tags minato.Tags
}

// errPolicyGone is a policy that was in use when its user was read and not there when it was read itself.
var errPolicyGone = errors.New("policy in use is not there")

// gather reads the policies and tags of the user or role behind a principal. One that is gone, or not the same any more, has
// none. A policy that somebody detached and deleted between our reads makes it read again.
func (s *Service) gather(ctx context.Context, who minato.Principal) (g gathered, err error) {
	for range 3 {
		if g, err = s.gatherOnce(ctx, who); !errors.Is(err, errPolicyGone) {
			break
		}
	}
	return g, err
}

func (s *Service) gatherOnce(ctx context.Context, who minato.Principal) (g gathered, err error) {
	var kind Kind
	var entity Entity
	var groups []string
	switch name := who.IAMARN().ResourceName(); who.Type {
	case minato.IAMUser:
		var user User
		user, err = s.User(ctx, who.Account, name)
		kind, entity, groups = UserKind, user.Entity, user.Groups
	case minato.AssumedRole:
		var role Role
		role, err = s.Role(ctx, who.Account, name)
		kind, entity = RoleKind, role.Entity
	}
	if err != nil || entity.ID == "" || entity.ID != who.UniqueID() {
		return g, ignoreNotFound(err)
	}
	return s.policiesOf(ctx, Holder{who.Account, kind, entity.Name}, entity, groups)
}

// policiesOf reads the policies of a user, group or role, and those of a user's groups.
func (s *Service) policiesOf(ctx context.Context, h Holder, entity Entity, groups []string) (g gathered, err error) {
	g.tags = entity.Tags
	if err := s.addPolicies(ctx, &g.set, h, entity); err != nil {
		return g, err
	}
	for _, name := range groups {
		group, err := s.groups.get(ctx, h.Account, name)
		if ignoreNotFound(err) != nil {
			return g, err
		}
		if err := s.addPolicies(ctx, &g.set, Holder{h.Account, GroupKind, name}, group.Value.Entity); err != nil {
			return g, err
		}
	}
	if entity.Boundary == "" {
		return g, nil
	}
	var boundary []policy.Named
	if err := s.addManaged(ctx, &boundary, h.Account, entity.Boundary); err != nil {
		return g, err
	}
	g.set.Boundary = &boundary[0]
	return g, nil
}

func ignoreNotFound(err error) error {
	if minato.Is(err, minato.NotFound) {
		return nil
	}
	return err
}

// addPolicies adds the attached and inline policies of a user, group or role.
func (s *Service) addPolicies(ctx context.Context, set *policy.Set, h Holder, e Entity) error {
	for _, arn := range e.Attached {
		if err := s.addManaged(ctx, &set.Identity, h.Account, arn); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Inline)) {
		label := fmt.Sprintf("inline policy %s of %s %s", name, h.Kind, h.Name)
		if err := s.add(&set.Identity, label, e.Inline[name]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) addManaged(ctx context.Context, to *[]policy.Named, account, arn string) error {
	p, err := s.Policy(ctx, account, arn)
	if minato.Is(err, minato.NotFound) {
		return fmt.Errorf("%w: %s", errPolicyGone, arn)
	}
	if err != nil {
		return err
	}
	v := p.Version(p.Default)
	if v == nil {
		return fmt.Errorf("policy %s has no version %s", arn, p.Default)
	}
	return s.add(to, arn, v.Document)
}

func (s *Service) add(to *[]policy.Named, name, document string) error {
	p, err := s.compiled.compile(document)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	*to = append(*to, policy.Named{Name: name, Policy: p})
	return nil
}

// requestContext is the condition keys of a request: what the caller of Authorize knows of it, and what is known of the
// principal and the time (IAM User Guide, "AWS global condition context keys").
func (s *Service) requestContext(a Access, tags minato.Tags) map[string][]string {
	c := maps.Clone(a.Context)
	if c == nil {
		c = map[string][]string{}
	}
	now := s.clock.Now().UTC()
	c["aws:currenttime"] = []string{now.Format(time.RFC3339)}
	c["aws:epochtime"] = []string{strconv.FormatInt(now.Unix(), 10)}
	who := a.Credential.Principal
	c["aws:principalarn"] = []string{who.IAMARN().String()}
	c["aws:principalaccount"] = []string{who.Account}
	c["aws:principaltype"] = []string{string(who.Type)}
	c["aws:userid"] = []string{who.ID}
	if who.Type == minato.IAMUser {
		c["aws:username"] = []string{who.ARN.ResourceName()}
	}
	for key, value := range tags {
		c["aws:principaltag/"+strings.ToLower(key)] = []string{value}
	}
	if session := a.Credential.Session; session != nil {
		c["aws:tokenissuetime"] = []string{session.IssuedAt.UTC().Format(time.RFC3339)}
		c["aws:multifactorauthpresent"] = []string{"false"}
		maps.Copy(c, session.Keys)
		for key, value := range session.Tags {
			c["aws:principaltag/"+strings.ToLower(key)] = []string{value}
		}
	}
	return c
}
