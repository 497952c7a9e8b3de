package policy

import (
	"fmt"
	"strings"
)

// Type is a kind of policy that takes part in a decision.
type Type string

// The types, in the order in which a decision reports them.
const (
	IdentityBased       Type = "identity-based policy"
	ResourceBased       Type = "resource-based policy"
	RoleTrust           Type = "role trust policy"
	PermissionsBoundary Type = "permissions boundary"
	SessionPolicy       Type = "session policy"
)

// Verdict is what the policies of one type say.
type Verdict string

// The verdicts.
const (
	Allowed      Verdict = "allowed"
	ExplicitDeny Verdict = "explicit deny"
	ImplicitDeny Verdict = "implicit deny"
)

// Finding is what the policies of one type say, and the statement that made them say so; nil for an implicit deny.
type Finding struct {
	Type      Type
	Verdict   Verdict
	Statement *Ref
}

// Decision is the answer to a Request, with its reason.
type Decision struct {
	Allowed bool
	Finding           // the one that decided
	All     []Finding // what every type of policy that was asked says
}

// Reason is the end of AWS's access-denied message: ` because no identity-based policy allows the eks:CreateCluster action`,
// ` with an explicit deny in a permissions boundary` (IAM User Guide, "Troubleshoot access denied error messages"). It is
// empty if the request is allowed.
func (d Decision) Reason(action string) string {
	switch {
	case d.Allowed:
		return ""
	case d.Verdict == ExplicitDeny && d.Type == RoleTrust:
		return " with an explicit deny in the role trust policy"
	case d.Verdict == ExplicitDeny:
		article := "a"
		if strings.HasPrefix(string(d.Type), "i") {
			article = "an"
		}
		return fmt.Sprintf(" with an explicit deny in %s %s", article, d.Type)
	}
	return fmt.Sprintf(" because no %s allows the %s action", d.Type, action)
}

// Named is a policy with the name that a decision calls it by.
type Named struct {
	Name   string
	Policy *Policy
}

// Set is all policies that apply to a request.
type Set struct {
	Identity []Named // the user's or role's own, and those of its groups
	Boundary *Named  // nil: there is none
	Session  []Named // none: the session is not limited
	// Resource is the policy on the resource itself, or a role's trust policy; nil: there is none.
	Resource *Named
	// ResourceAccount is the account that the resource is in. Where it is not the principal's own, both sides must allow.
	// Empty means the principal's own.
	ResourceAccount string
}

// Evaluate decides a request. The order and the combination are those of the IAM User Guide, "Policy evaluation logic";
// organization policies do not exist here.
func Evaluate(r Request, s Set) Decision {
	r.Action = strings.ToLower(r.Action)
	identity, _ := ask(&r, IdentityBased, s.Identity...)
	if r.Principal.Root {
		identity = Finding{Type: IdentityBased, Verdict: Allowed}
	}
	findings := []Finding{identity}
	resource, named := Finding{}, notNamed
	if s.Resource != nil {
		t := ResourceBased
		if s.Resource.Policy.kind == Trust {
			t = RoleTrust
		}
		resource, named = ask(&r, t, *s.Resource)
		findings = append(findings, resource)
	}
	if s.Boundary != nil {
		boundary, _ := ask(&r, PermissionsBoundary, *s.Boundary)
		findings = append(findings, boundary)
	}
	if len(s.Session) > 0 {
		session, _ := ask(&r, SessionPolicy, s.Session...)
		findings = append(findings, session)
	}
	for _, f := range findings {
		if f.Verdict == ExplicitDeny {
			return Decision{Finding: f, All: findings}
		}
	}
	return combine(r.Principal, s, findings, resource, named)
}

// combine decides when nothing denies explicitly.
func combine(who Principal, s Set, findings []Finding, resource Finding, named grant) Decision {
	crossAccount := s.ResourceAccount != "" && who.Account != "" && s.ResourceAccount != who.Account
	resourceMust := crossAccount || resource.Type == RoleTrust // a role is only ever entered by its trust policy
	if resourceMust && resource.Verdict != Allowed {
		if resource.Type == "" {
			resource = Finding{Type: ResourceBased, Verdict: ImplicitDeny}
		}
		return Decision{Finding: resource, All: findings}
	}
	// Within the account, a resource-based policy that names the user or the session grants by itself; one that names the
	// role, or everybody, does too, within boundary and session policies.
	grants := resource.Verdict == Allowed && !crossAccount
	if grants && named == namesCaller {
		return Decision{Allowed: true, Finding: resource, All: findings}
	}
	decided := findings[0]
	if grants && named == namesRole {
		decided = resource
	}
	for _, f := range findings {
		switch f.Type {
		case IdentityBased:
			if f.Verdict == Allowed || (grants && named == namesRole) {
				continue
			}
		case PermissionsBoundary, SessionPolicy:
			if f.Verdict == Allowed {
				continue
			}
		default:
			continue
		}
		return Decision{Finding: f, All: findings}
	}
	return Decision{Allowed: true, Finding: decided, All: findings}
}

// ask is what the policies of one type say: an explicit deny before an allow before nothing. The grant is the most direct
// one of the statements that allow.
func ask(r *Request, t Type, policies ...Named) (Finding, grant) {
	found, best := Finding{Type: t, Verdict: ImplicitDeny}, notNamed
	for _, p := range policies {
		for i := range p.Policy.statements {
			s := &p.Policy.statements[i]
			if s.effect == Allow && best == namesCaller {
				continue
			}
			named, applies := s.applies(r)
			if !applies || (s.effect == Allow && named <= best) {
				continue
			}
			ref := &Ref{Policy: p.Name, Sid: s.sid, Index: i}
			if s.effect == Deny {
				return Finding{Type: t, Verdict: ExplicitDeny, Statement: ref}, notNamed
			}
			found, best = Finding{Type: t, Verdict: Allowed, Statement: ref}, named
		}
	}
	return found, best
}
