package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/service/eks"
)

// Outcome is what one step on the way from a principal to a verdict came to.
type Outcome string

// The outcomes. A step that is Skipped was not asked, because another one came before it or it has no part in this.
const (
	Yes     Outcome = "yes"
	No      Outcome = "no"
	Skipped Outcome = "-"
)

// Step is one step of an explanation.
type Step struct {
	Name    string  `json:"name"` // "access entry", "aws-auth", …
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail"`
}

// Explanation is the way from a principal to the verdict on something that it wants to do, with the reason for every no.
type Explanation struct {
	Cluster   string `json:"cluster"`
	Principal string `json:"principal"`
	Request   string `json:"request"` // "list pods in the namespace dev"
	Allowed   bool   `json:"allowed"`
	Reason    string `json:"reason"`
	Steps     []Step `json:"steps"`
	// Username and Groups are who the principal is on the cluster; empty if it is nobody.
	Username string   `json:"username,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	// User is the whole of it, to ask kube-apiserver about; nil if the principal is nobody.
	User *User `json:"-"`
}

// Case is what is to be explained, with all that it depends on.
type Case struct {
	Cluster   *eks.Cluster
	Principal minato.Principal
	// Entry is the access entry for the principal's ARN, nil if there is none.
	Entry *eks.AccessEntry
	// Policy finds the policies of the entry; nil finds those of AWS.
	Policy LookupPolicy
	// InForce is what the webhooks go by of the aws-auth ConfigMap.
	InForce InForce
	// Name is what the webhooks call instances by; nil knows none.
	Name      PrivateDNSName
	Request   policies.Request
	Namespace string // empty for the whole cluster
}

// Explain goes the way of the webhooks, in their order, as far as access policies. What is left is for RBAC to say: see Review.
func (c Case) Explain() *Explanation {
	e := &Explanation{Cluster: c.Cluster.Name, Principal: c.Principal.ARN.String(), Request: c.request()}
	m, found := c.entry(e)
	if creator, ok := c.creator(e, found); ok {
		m, found = creator, true
	}
	if row, ok := c.awsAuth(e, found); ok {
		m, found = row, true
	}
	switch {
	case !found:
		e.conclude("user", No, lacks[c.Cluster.Spec.AuthenticationMode]+": the answer is 401 Unauthorized")
		return e
	case m.Refused != "":
		e.conclude("user", No, m.Refused+": the answer is 401 Unauthorized")
		return e
	}
	user := newUser(m, c.Principal)
	e.User, e.Username, e.Groups = &user, m.Username, m.Groups
	e.add("user", Yes, fmt.Sprintf("%s, groups: %s", m.Username, strings.Join(append(slices.Clone(m.Groups), authenticated), ", ")))
	if c.entryHolds() {
		c.policies(e)
	}
	return e
}

// Review adds what kube-apiserver said when it was asked about the User, which is the verdict.
func (e *Explanation) Review(allowed bool, reason string) {
	outcome := No
	switch {
	case allowed:
		outcome = Yes
	case reason == "":
		reason = "no Role or ClusterRole that allows it is bound to this user or its groups"
	}
	e.Allowed = allowed
	e.conclude("kube-apiserver", outcome, reason)
}

func (e *Explanation) add(name string, outcome Outcome, detail string) {
	e.Steps = append(e.Steps, Step{name, outcome, detail})
}

func (e *Explanation) conclude(name string, outcome Outcome, detail string) {
	e.add(name, outcome, detail)
	e.Reason = detail
}

func (c Case) request() string {
	if c.Request.NonResource {
		return c.Request.Verb + " " + c.Request.Path
	}
	what := c.Request.Verb + " " + c.Request.Resource
	if c.Request.Group != "" {
		what += "." + c.Request.Group
	}
	if c.Request.Subresource != "" {
		what += "/" + c.Request.Subresource
	}
	if c.Namespace != "" {
		return what + " in the namespace " + c.Namespace
	}
	return what + " in the whole cluster"
}

// entryHolds is whether the entry is in force and that of this very principal.
func (c Case) entryHolds() bool {
	return c.Cluster.Spec.AuthenticationMode != modeConfigMap && c.Entry != nil && c.Entry.PrincipalID == c.Principal.UniqueID()
}

const entryStep = "access entry"

func (c Case) entry(e *Explanation) (Mapping, bool) {
	switch {
	case c.Cluster.Spec.AuthenticationMode == modeConfigMap:
		e.add(entryStep, Skipped, "the cluster's authentication mode is CONFIG_MAP, which has no access entries")
	case c.Entry == nil:
		e.add(entryStep, No, "there is none for "+c.Principal.IAMARN().String())
	case !c.entryHolds():
		e.add(entryStep, No, fmt.Sprintf("it was made for %s, which has been deleted and made again since: now it is %s. Delete the entry and create it again",
			c.Entry.PrincipalID, c.Principal.UniqueID()))
	default:
		e.add(entryStep, Yes, fmt.Sprintf("type %s, username %s, access policies: %d", c.Entry.Type, c.Entry.Username, len(c.Entry.Policies)))
		username, refused := fill(c.Entry.Username, c.Principal, c.Name.orNone())
		return Mapping{Username: username, Groups: c.Entry.Groups, Refused: refused}, true
	}
	return Mapping{}, false
}

func (c Case) creator(e *Explanation, found bool) (Mapping, bool) {
	if found || c.Cluster.Spec.AuthenticationMode != modeConfigMap {
		return Mapping{}, false
	}
	m, ok := CreatorAdmin(c.Cluster, c.Principal)
	if ok {
		e.add("creator", Yes, "it created the cluster, whose administrator it is in the authentication mode CONFIG_MAP")
	} else {
		e.add("creator", No, "the cluster was created by "+c.Cluster.Creator.IAMARN().String())
	}
	return m, ok
}

func (c Case) awsAuth(e *Explanation, found bool) (Mapping, bool) {
	const step = "aws-auth"
	var row AWSAuthRow
	var list string
	var ok bool
	if c.InForce.AWSAuth != nil {
		row, list, ok = c.InForce.AWSAuth.Find(c.Principal)
	}
	switch {
	case c.Cluster.Spec.AuthenticationMode == modeAPI:
		e.add(step, Skipped, "the cluster's authentication mode is API, which does not look at the ConfigMap")
	case found && ok:
		e.add(step, Skipped, "its row in "+list+" is not looked at: the "+e.Steps[len(e.Steps)-1].Name+" comes first")
	case found:
	case ok:
		e.add(step, Yes, "it has a row in "+list+c.whereMalformed())
		return row.mapping(c.Principal, c.Name.orNone()), true
	case c.InForce.AWSAuth == nil && c.InForce.Malformed == "":
		e.add(step, No, "there is no ConfigMap kube-system/aws-auth")
	default:
		e.add(step, No, c.notInAWSAuth())
	}
	return Mapping{}, false
}

func (c Case) notInAWSAuth() string {
	why := "the ConfigMap has no row for " + c.Principal.CanonicalARN().String()
	if auth := c.InForce.AWSAuth; auth == nil {
		why = "there was no ConfigMap kube-system/aws-auth"
	} else if row, ok := auth.Pathless(c.Principal); ok {
		why += "; the row for " + row.RoleARN + " is never found, because it has the role's path: leave that out"
	}
	return why + c.whereMalformed()
}

// whereMalformed is what to know of a ConfigMap that is malformed: it is not what decides.
func (c Case) whereMalformed() string {
	if c.InForce.Malformed == "" {
		return ""
	}
	return "; the ConfigMap is malformed now, so " + c.InForce.What() + ": " + strings.ReplaceAll(c.InForce.Malformed, "\n", "; ")
}

// policies tells of every access policy whether it allows the request, and why not.
func (c Case) policies(e *Explanation) {
	lookup := c.Policy
	if lookup == nil {
		lookup = policies.Lookup
	}
	for i := range c.Entry.Policies {
		g := grant{association: &c.Entry.Policies[i]}
		name, known := g.association.PolicyARN.ResourceID(), false
		if g.policy, known = lookup(g.association.PolicyARN); !known {
			e.add(name, No, "its rules are not known to this version of Minato, so it allows nothing")
			continue
		}
		if why := g.refusal(c); why != nil {
			e.add(name, No, why.Error())
			continue
		}
		e.add(name, Yes, g.scope()+", and allows it")
	}
	if len(c.Entry.Policies) == 0 {
		e.add("access policies", No, "none is associated with the access entry")
	}
}

func (g grant) scope() string {
	if !g.namespaced() {
		return "it holds in the whole cluster"
	}
	return "it holds in the namespaces " + strings.Join(g.association.Namespaces, ", ")
}

// refusal is why a policy does not allow a request, nil if it does.
func (g grant) refusal(c Case) error {
	switch allows := g.policy.Allows(c.Request); {
	case !allows:
		return errors.New("its rules do not allow to " + strings.TrimSuffix(strings.TrimSuffix(c.request(), " in the whole cluster"), " in the namespace "+c.Namespace))
	case g.covers(c.Namespace):
		return nil
	case c.Namespace == "":
		return errors.New("its rules allow it, but " + g.scope() + " only, and this is a request for the whole cluster")
	default:
		return errors.New("its rules allow it, but " + g.scope() + ", not in " + c.Namespace)
	}
}
