package policy

import (
	"fmt"
	"maps"
	"slices"
)

// Effect is what a statement does where it applies.
type Effect string

// The effects.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Kind is where a document is to be attached, which decides what it must and must not contain.
type Kind int

// The kinds of documents.
const (
	Identity Kind = iota // on users, groups and roles, as boundary and as session policy: Resource, no Principal
	Resource             // on a resource: Principal and Resource
	Trust                // a role's: Principal, no Resource, and actions of STS only
)

// Policy is a parsed document. It does not change and may be used by many goroutines.
type Policy struct {
	kind       Kind
	statements []statement
}

// statement is one compiled statement.
type statement struct {
	sid           string
	effect        Effect
	actions       []*template
	notActions    bool // actions lists what the statement is not about
	resources     []*arnTemplate
	notResources  bool
	principals    *principals // nil in identity policies
	notPrincipals bool
	conditions    []condition
}

// Principals are the ARNs of the users and roles that the document names in Principal, sorted, each once. Accounts,
// sessions and services are not among them.
func (p *Policy) Principals() []string {
	found := map[string]bool{}
	for _, s := range p.statements {
		if s.principals == nil {
			continue
		}
		for _, a := range s.principals.aws {
			if a.arn != "" {
				found[a.arn] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Resources are what the document names in Resource and NotResource, as written.
func (p *Policy) Resources() (list []string) {
	for _, s := range p.statements {
		for _, r := range s.resources {
			list = append(list, r.text)
		}
	}
	return list
}

// Public is whether a resource's policy lets in everybody: without a condition that lists whom, as S3's Block Public Access has it.
func (p *Policy) Public() bool {
	return slices.ContainsFunc(p.statements, func(s statement) bool {
		return s.effect == Allow && s.principals != nil && (s.principals.everybody || s.notPrincipals) &&
			!slices.ContainsFunc(s.conditions, func(c condition) bool { return c.fixed })
	})
}

// Bind is the policy with ARNs in Principal tied to unique ids: an ARN of the map then means the user or role with that id
// only, as AWS has it for trust policies.
func (p *Policy) Bind(uniqueIDs map[string]string) *Policy {
	bound := &Policy{kind: p.kind, statements: slices.Clone(p.statements)}
	for i, s := range bound.statements {
		if s.principals == nil {
			continue
		}
		named := *s.principals
		named.aws = slices.Clone(named.aws)
		for j, a := range named.aws {
			named.aws[j].uniqueID = uniqueIDs[a.arn]
		}
		bound.statements[i].principals = &named
	}
	return bound
}

// Ref names a statement in a set of policies, for a person.
type Ref struct {
	Policy string // the policy's name, as given in Named
	Sid    string // the statement's, empty if it has none
	Index  int    // the statement's place in its policy, from 0
}

// String is the policy and the statement's Sid, or its place.
func (r Ref) String() string {
	if r.Sid != "" {
		return fmt.Sprintf("%s, statement %s", r.Policy, r.Sid)
	}
	return fmt.Sprintf("%s, Statement[%d]", r.Policy, r.Index)
}
