package policies

import (
	"slices"
	"strings"
)

// all in a rule stands for every group, resource, verb or URL.
const all = "*"

// Rule is one row: every verb on every resource of every group, or every verb on every URL.
type Rule struct {
	Groups          []string // "" is the core group
	Resources       []string // with their subresources: "pods/log"
	NonResourceURLs []string
	Verbs           []string
}

// Request is what somebody wants to do, in the words of a Kubernetes SubjectAccessReview.
type Request struct {
	Verb        string
	Group       string // "" is the core group
	Resource    string
	Subresource string
	// NonResource is whether the request is for Path, such as /metrics, and not for a resource.
	NonResource bool
	Path        string
}

// resource is the name that rules call a request's resource by.
func (r Request) resource() string {
	if r.Subresource == "" {
		return r.Resource
	}
	return r.Resource + "/" + r.Subresource
}

// ruleSet answers for many rules at the cost of a few.
type ruleSet struct {
	rows  []Rule
	verbs map[groupResource][]string // of resources
	urls  []Rule
}

type groupResource struct{ group, resource string }

func newRuleSet(rows []Rule) ruleSet {
	s := ruleSet{rows: rows, verbs: map[groupResource][]string{}}
	for _, row := range rows {
		if len(row.NonResourceURLs) > 0 {
			s.urls = append(s.urls, row)
		}
		for _, group := range row.Groups {
			for _, resource := range row.Resources {
				key := groupResource{group, resource}
				s.verbs[key] = append(s.verbs[key], row.Verbs...)
			}
		}
	}
	return s
}

// allow matches as RBAC does: a resource does not stand for its subresources, but * stands for all of both.
func (s ruleSet) allow(r Request) bool {
	if r.NonResource {
		return slices.ContainsFunc(s.urls, func(row Rule) bool {
			return hasVerb(row.Verbs, r.Verb) && slices.ContainsFunc(row.NonResourceURLs, func(u string) bool { return matchesURL(u, r.Path) })
		})
	}
	resource := r.resource()
	return hasVerb(s.verbs[groupResource{r.Group, resource}], r.Verb) ||
		hasVerb(s.verbs[groupResource{r.Group, all}], r.Verb) ||
		hasVerb(s.verbs[groupResource{all, resource}], r.Verb) ||
		hasVerb(s.verbs[groupResource{all, all}], r.Verb)
}

func hasVerb(verbs []string, verb string) bool {
	return slices.Contains(verbs, all) || slices.Contains(verbs, verb)
}

func matchesURL(rule, path string) bool {
	if prefix, ok := strings.CutSuffix(rule, all); ok {
		return strings.HasPrefix(path, prefix)
	}
	return rule == path
}
