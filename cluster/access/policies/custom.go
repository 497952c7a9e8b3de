package policies

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"minato.dev/minato"
)

// Bounds of a policy that a customer made: of its text in bytes; and of what its own rows allow, counted as one for each verb
// on each resource of each group or on each URL. AmazonEKSAdminPolicy counts some 500.
const (
	MaxCustomBytes  = 16 << 10
	maxCustomVerbs  = 2000
	maxCustomSource = 256 // bytes
)

// What may stand in the cells of a customer's policy, beside * alone and "" for the core group. RBAC would take more, and it
// would match nothing: a * within a name stands for nothing.
var (
	groupName    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
	resourceName = regexp.MustCompile(`^[a-z0-9][-a-z0-9.]*(/[a-z0-9][-a-z0-9.]*)?$`)
	verbName     = regexp.MustCompile(`^[a-z]+$`)
	urlPattern   = regexp.MustCompile(`^/[^*]*\*?$`)
)

// ParseCustom reads a policy that a customer made. Its text is that of the files here, with two differences: the source may be
// left out, and what is included must be a policy of AWS whose rules are published. It is read strictly, because a rule that
// was mistyped allows nothing, or too much. Errors are of kind Invalid and name the line or the cell.
func ParseCustom(arn minato.ARN, text string) (Policy, error) {
	p, err := parseCustom(arn, text)
	if err != nil {
		return Policy{}, minato.Errorf(minato.Invalid, "the access policy is not valid: %s", err)
	}
	return p, nil
}

func parseCustom(arn minato.ARN, text string) (Policy, error) {
	if len(text) > MaxCustomBytes {
		return Policy{}, fmt.Errorf("it has more than %d bytes", MaxCustomBytes)
	}
	name := arn.ResourceID()
	f, err := parse(name, []byte(text), resourceHeading, urlHeading)
	if err != nil {
		return Policy{}, err
	}
	if len(f.source) > maxCustomSource {
		return Policy{}, fmt.Errorf("its source has more than %d bytes", maxCustomSource)
	}
	rows, err := f.included()
	if err != nil {
		return Policy{}, err
	}
	own, err := f.rules()
	if err == nil {
		err = checkCustom(own)
	}
	if err != nil {
		return Policy{}, err
	}
	rows = append(rows, own...)
	if len(rows) == 0 {
		return Policy{}, fmt.Errorf("it has no rules: want rows under the heading %s", strings.Join(resourceHeading, " | "))
	}
	return Policy{Name: name, ARN: arn, Source: f.source, rules: newRuleSet(rows)}, nil
}

// included are the rules of the policies of AWS that a customer's includes.
func (f *file) included() (rows []Rule, err error) {
	for i, name := range f.includes {
		p, ok := Lookup(arn(name))
		if !ok || p.unpublished != "" || slices.Contains(f.includes[:i], name) {
			return nil, fmt.Errorf("include %.64q: want a policy of AWS whose rules are published, such as AmazonEKSViewPolicy, and each but once", name)
		}
		rows = append(rows, p.rules.rows...)
	}
	return rows, nil
}

func checkCustom(rows []Rule) error {
	total := 0
	for _, r := range rows {
		for _, cell := range []struct {
			heading string
			items   []string
			want    *regexp.Regexp
		}{
			{"groups", r.Groups, groupName}, {"resources", r.Resources, resourceName}, {"nonResourceURLs", r.NonResourceURLs, urlPattern}, {"verbs", r.Verbs, verbName},
		} {
			for _, item := range cell.items {
				core := cell.heading == "groups" && item == ""
				if item != all && !core && !cell.want.MatchString(item) {
					return fmt.Errorf("%s: %.64q is none: want %s, or * alone", cell.heading, item, cell.want)
				}
			}
		}
		total += (len(r.Groups)*len(r.Resources) + len(r.NonResourceURLs)) * len(r.Verbs)
		if total > maxCustomVerbs {
			return fmt.Errorf("its rows allow more than %d verbs on resources and URLs, counted one by one", maxCustomVerbs)
		}
	}
	return nil
}
