package iam

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/service/iam/policy"
)

// Simulation asks what policies say to actions, as SimulatePrincipalPolicy and SimulateCustomPolicy do.
type Simulation struct {
	Source   minato.ARN // user, group or role of the account whose policies count; zero for none
	Policies []string   // identity-based ones that count beside
	Boundary string     // in the place of Source's; empty for that
	Resource string     // a policy on the resources; empty for none
	// Caller is the user who asks: where it is zero, Source.
	Caller    minato.ARN
	Actions   []string
	Resources []string // none is "*"
	// Context are condition keys, in lower case, over those that are known of the caller.
	Context map[string][]string
}

// Simulated is what policies say to one action on one resource.
type Simulated struct {
	Action, Resource string
	policy.Decision
	// Boundary is what the permissions boundary says; empty if there is none.
	Boundary policy.Verdict
	// Missing are condition keys that the policies ask for in this and that have no value.
	Missing []string
}

// maxSimulated bounds the results of a simulation, each of which takes all its policies.
const maxSimulated = 1000

// actionForm is an action without wildcards.
var actionForm = regexp.MustCompile(`^[0-9A-Za-z-]+:[0-9A-Za-z]+$`)

// Simulate decides each action on each resource. Nothing is done.
func (s *Service) Simulate(ctx context.Context, account string, in Simulation) ([]Simulated, error) {
	if len(in.Actions) == 0 {
		return nil, Missing("actionNames")
	}
	if len(in.Resources) == 0 {
		in.Resources = []string{"*"}
	}
	if n := len(in.Actions) * len(in.Resources); n > maxSimulated {
		return nil, invalidInput("These are %d pairs of an action and a resource, at most %d are simulated", n, maxSimulated)
	}
	set, request, err := s.simulated(ctx, account, in)
	if err != nil {
		return nil, err
	}
	var results []Simulated
	for _, action := range in.Actions {
		if !actionForm.MatchString(action) {
			return nil, invalidInput("Invalid action %q: want one such as eks:DescribeCluster, without wildcards", action)
		}
		for _, resource := range in.Resources {
			if _, err := minato.ParseARN(resource); err != nil && resource != "*" {
				return nil, invalidInput("Invalid resource %q: want an ARN or *", resource)
			}
			request.Action, request.Resource = action, resource
			results = append(results, simulate(request, set))
		}
	}
	return results, nil
}

func simulate(r policy.Request, set policy.Set) Simulated {
	result := Simulated{Action: r.Action, Resource: r.Resource, Decision: policy.Evaluate(r, set)}
	for _, f := range result.All {
		if f.Type == policy.PermissionsBoundary {
			result.Boundary = f.Verdict
		}
	}
	for _, p := range everyPolicy(set) {
		result.Missing = append(result.Missing, p.ContextKeys(&r)...)
	}
	result.Missing = slices.DeleteFunc(policy.SortKeys(result.Missing), func(key string) bool { return len(r.Context[strings.ToLower(key)]) > 0 })
	return result
}

func everyPolicy(set policy.Set) (all []*policy.Policy) {
	for _, p := range set.Identity {
		all = append(all, p.Policy)
	}
	for _, p := range []*policy.Named{set.Boundary, set.Resource} {
		if p != nil {
			all = append(all, p.Policy)
		}
	}
	return all
}

// simulated are the policies of a simulation, and the request without action and resource.
func (s *Service) simulated(ctx context.Context, account string, in Simulation) (policy.Set, policy.Request, error) {
	var set policy.Set
	request := policy.Request{Principal: policy.Principal{Account: account}}
	caller := in.Caller
	var who minato.Principal
	var tags minato.Tags
	if !in.Source.IsZero() {
		g, p, err := s.sourceOf(ctx, account, in.Source)
		if err != nil {
			return set, request, err
		}
		if set = g.set; caller.IsZero() {
			who, tags = p, g.tags
		}
	}
	if !caller.IsZero() {
		if caller.ResourceType() != string(UserKind) {
			return set, request, invalidInput("CallerArn %s is not valid: want the ARN of a user", caller)
		}
		g, p, err := s.sourceOf(ctx, account, caller)
		if err != nil {
			return set, request, err
		}
		who, tags = p, g.tags
	}
	if who.Type != "" {
		request.Principal = policy.PrincipalOf(who)
	}
	request.Context = s.requestContext(Access{Credential: Credential{Principal: who}}, tags)
	if who.Type != minato.IAMUser { // a role's sessions have ids of their own
		delete(request.Context, "aws:userid")
	}
	if who.Type == "" { // nobody in particular
		maps.DeleteFunc(request.Context, func(key string, _ []string) bool { return strings.HasPrefix(key, "aws:principal") })
	}
	maps.Copy(request.Context, in.Context)
	return set, request, s.addSimulated(&set, who, in)
}

// addSimulated adds the policies that a simulation brings.
func (s *Service) addSimulated(set *policy.Set, who minato.Principal, in Simulation) error {
	for i, document := range in.Policies {
		if err := s.add(&set.Identity, fmt.Sprintf("PolicyInputList.%d", i+1), document); err != nil {
			return invalidInput("%s", err)
		}
	}
	if in.Boundary != "" {
		var boundary []policy.Named
		if err := s.add(&boundary, "PermissionsBoundaryPolicyInputList.1", in.Boundary); err != nil {
			return invalidInput("%s", err)
		}
		set.Boundary = &boundary[0]
	}
	if in.Resource == "" {
		return nil
	}
	if who.Type != minato.IAMUser {
		return invalidInput("CallerArn is missing: a ResourcePolicy needs the user who asks")
	}
	p, err := policy.Parse(in.Resource, policy.Resource)
	if err != nil {
		return invalidInput("%s", err)
	}
	set.Resource = &policy.Named{Name: "ResourcePolicy", Policy: p}
	return nil
}

// sourceOf is a user, group or role of an account by its ARN: its policies, and who it is when it asks. A group does not ask.
func (s *Service) sourceOf(ctx context.Context, account string, arn minato.ARN) (gathered, minato.Principal, error) {
	h := Holder{account, Kind(arn.ResourceType()), arn.ResourceName()}
	who := minato.Principal{Account: account, ARN: arn}
	var entity Entity
	var groups []string
	switch h.Kind {
	case UserKind:
		user, err := s.User(ctx, account, h.Name)
		if err != nil {
			return gathered{}, who, err
		}
		entity, groups, who.Type, who.ID = user.Entity, user.Groups, minato.IAMUser, user.ID
	case RoleKind:
		role, err := s.Role(ctx, account, h.Name)
		if err != nil {
			return gathered{}, who, err
		}
		entity, who.Type, who.ID, who.RoleARN = role.Entity, minato.AssumedRole, role.ID, arn
	case GroupKind:
		group, err := s.groups.get(ctx, account, h.Name)
		if err != nil {
			return gathered{}, who, err
		}
		entity = group.Value.Entity
		who = minato.Principal{}
	default:
		return gathered{}, who, invalidInput("ARN %s is not valid: want that of a user, group or role", arn)
	}
	if entity.arn(h.Kind) != arn {
		return gathered{}, who, notFound("The %s %s cannot be found.", h.Kind, arn)
	}
	g, err := s.policiesOf(ctx, h, entity, groups)
	return g, who, err
}

// ContextKeys are the condition keys that documents ask for, and with a source the policies of a user, group or role of the account,
// and those of the user's groups.
func (s *Service) ContextKeys(ctx context.Context, account string, source minato.ARN, documents []string) ([]string, error) {
	set, _, err := s.simulated(ctx, account, Simulation{Source: source, Policies: documents})
	if err != nil {
		return nil, err
	}
	keys := []string{}
	for _, p := range set.Identity {
		keys = append(keys, p.Policy.ContextKeys(nil)...)
	}
	return policy.SortKeys(keys), nil
}
