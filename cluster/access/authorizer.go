package access

import (
	"fmt"
	"slices"
	"strconv"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/service/eks"
)

// Decision is what an Authorizer makes of a question.
type Decision int

// The decisions. NoOpinion leaves it to RBAC.
const (
	NoOpinion Decision = iota
	Allow
	Deny
)

// String is the decision for logs and metrics.
func (d Decision) String() string { return [...]string{"noOpinion", "allow", "deny"}[d] }

// Question is whether a user may do something, as kube-apiserver asks it.
type Question struct {
	User    User
	Request policies.Request
	// Namespace is that of the request; for a request for a namespace itself its name; empty for the whole cluster.
	Namespace string
}

// Verdict is the answer. The reason of an Allow is for the audit log, in the words of EKS; that of a Deny is for the user.
type Verdict struct {
	Decision Decision
	Reason   string
}

// AuthorizerConfig is what an Authorizer decides by. All of it must answer from memory.
type AuthorizerConfig struct {
	// Cluster finds a cluster's record by its id; the record is only read.
	Cluster func(id string) (*eks.Cluster, bool)
	Entries *Entries
	// Mappers are those of the Authenticator.
	Mappers Mappers
	// Policy finds access policies; nil finds those of AWS.
	Policy LookupPolicy
}

// Authorizer decides what access policies allow.
//
// It goes by the principal behind a user, which the Authenticator put into the user's extra fields, and not by the username:
// so whoever impersonates somebody, even themselves, has no rights by policies. A user that is no IAM principal is none of its
// business.
type Authorizer struct{ cfg AuthorizerConfig }

// NewAuthorizer makes an Authorizer.
func NewAuthorizer(c AuthorizerConfig) *Authorizer {
	if c.Policy == nil {
		c.Policy = policies.Lookup
	}
	return &Authorizer{c}
}

// Authorize answers a question about a cluster.
//
// kube-apiserver keeps an accepted token for 10 s, so the user may be what a mapping made of the principal that does not hold
// any more. Then the answer is Deny, which RBAC is not asked after, until the token has been looked at again: when nothing maps
// the principal now, when it has another username, or when the user has a group that it would not get now. A group that it
// would get now and does not have yet is not held against it.
func (a *Authorizer) Authorize(clusterID string, q Question) Verdict {
	p, ok := principalOf(q.User)
	if !ok {
		return Verdict{}
	}
	cluster, ok := a.cfg.Cluster(clusterID)
	if !ok {
		return Verdict{Deny, "the cluster is being deleted"}
	}
	today, err := a.cfg.Mappers.Map(cluster, p)
	if e, ok := asError(err); ok && e.Kind == minato.Unauthenticated {
		return Verdict{Deny, e.Message}
	}
	if err != nil {
		return Verdict{} // not known yet: the token was good a moment ago
	}
	if why := outdated(q.User, today); why != "" {
		return Verdict{Deny, fmt.Sprintf("access of %s to cluster %s has changed, %s; try again in 10 seconds", p.ARN, cluster.Name, why)}
	}
	entry := a.cfg.Entries.find(cluster, p)
	if entry == nil {
		return Verdict{}
	}
	for i := range entry.Policies {
		g := grant{association: &entry.Policies[i]}
		if !g.covers(q.Namespace) {
			continue
		}
		var known bool // a newer Minato may have associated a policy that this one does not know
		if g.policy, known = a.cfg.Policy(g.association.PolicyARN); known && g.policy.Allows(q.Request) {
			return Verdict{Allow, g.reason(entry, q.Namespace)}
		}
	}
	return Verdict{}
}

// authenticated is a group that kube-apiserver adds by itself.
const authenticated = "system:authenticated"

// outdated is why a user is not what a mapping makes of its principal; empty if it is.
func outdated(u User, today Mapping) string {
	if u.Username != today.Username {
		return fmt.Sprintf("its username is %q now", today.Username)
	}
	// A review can say that a user has any number of groups: no more are looked at than an honest one can have.
	atMost := len(today.Groups) + 1
	for _, group := range u.Groups[:min(len(u.Groups), atMost+1)] {
		if group != authenticated && !slices.Contains(today.Groups, group) {
			return fmt.Sprintf("it is not in the group %.128q any more", group)
		}
	}
	if len(u.Groups) > atMost {
		return "it has fewer groups now"
	}
	return ""
}

// reason names the entry and the policy as the audit log of EKS does. There the form is known for policies that hold in the
// whole cluster; for those that hold in namespaces it is that of RBAC, by analogy.
func (g grant) reason(record *eks.AccessEntry, namespace string) string {
	policy := g.policy.ARN.String()
	kind, name := "ClusterRoleBinding", record.PrincipalARN.String()+"+"+policy
	if g.namespaced() {
		kind, name = "RoleBinding", name+"/"+namespace
	}
	return "EKS Access Policy: allowed by " + kind + " " + strconv.Quote(name) + " of ClusterRole " + strconv.Quote(policy) +
		" to User " + strconv.Quote(record.PrincipalID)
}

// principalOf is the principal that newUser described; false if the user is none of ours.
func principalOf(u User) (minato.Principal, bool) {
	id := extra(u, principalIDKey)
	arn, err := minato.ParseARN(extra(u, "arn"))
	if id == "" || err != nil {
		return minato.Principal{}, false
	}
	p := minato.Principal{
		Account: arn.Account, ARN: arn, ID: id, SessionName: extra(u, "sessionName"), AccessKeyID: extra(u, "accessKeyId"),
	}
	switch arn.ResourceType() {
	case "user":
		p.Type = minato.IAMUser
	case "root":
		p.Type = minato.AccountRoot
	case "assumed-role":
		p.Type, p.ID = minato.AssumedRole, id+":"+p.SessionName
		if p.RoleARN, err = minato.ParseARN(extra(u, "canonicalArn")); err != nil {
			return minato.Principal{}, false
		}
	default:
		return minato.Principal{}, false
	}
	return p, true
}
