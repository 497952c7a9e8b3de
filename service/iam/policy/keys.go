package policy

import (
	"regexp"
	"slices"
	"strings"
)

// variableForm is a policy variable in a value, with the name of its key.
var variableForm = regexp.MustCompile(`\$\{([^*?$},][^},]*)`)

// ContextKeys are the condition keys that the document asks for, in Condition and as policy variables, as written, sorted, each once
// without regard to case. With a request, only those of the statements about its action and resource.
func (p *Policy) ContextKeys(r *Request) []string {
	var keys []string
	if r != nil {
		about := *r
		about.Action = strings.ToLower(about.Action)
		r = &about
	}
	for i := range p.statements {
		s := &p.statements[i]
		if r != nil && (s.actionListed(r) == s.notActions || !s.mayBeAbout(r)) {
			continue
		}
		for _, resource := range s.resources {
			if len(resource.parts) > 1 {
				keys = append(keys, variablesIn(resource.text)...)
			}
		}
		for _, c := range s.conditions {
			keys = append(keys, c.asks...)
		}
	}
	return SortKeys(keys)
}

// SortKeys sorts condition keys and leaves out those that are there already in another case.
func SortKeys(keys []string) []string {
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return slices.CompactFunc(keys, strings.EqualFold)
}

// mayBeAbout is resourceApplies, but where it depends on a policy variable that has no value.
func (s *statement) mayBeAbout(r *Request) bool {
	return s.resourceApplies(r) || slices.ContainsFunc(s.resources, func(a *arnTemplate) bool { return a.match(r.Resource, r) == unresolved })
}

func variablesIn(text string) (keys []string) {
	for _, m := range variableForm.FindAllStringSubmatch(text, -1) {
		keys = append(keys, strings.TrimSpace(m[1]))
	}
	return keys
}
