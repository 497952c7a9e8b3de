package policy

import (
	"fmt"
	"regexp"
	"strings"
)

// MaxStatements bounds a document, well above what fits into the sizes that IAM allows.
const MaxStatements = 1000

var (
	sidForm    = regexp.MustCompile(`^[0-9A-Za-z]*$`)
	vendorForm = regexp.MustCompile(`^[0-9A-Za-z-]+$`)
)

// Parse reads a document of a kind. The error is a *Malformed and says where the document is wrong.
func Parse(doc string, kind Kind) (*Policy, error) {
	root, err := readJSON(doc)
	if err != nil {
		return nil, err
	}
	p, m := compileDocument(root, kind)
	if m != nil {
		return nil, m
	}
	return p, nil
}

func compileDocument(root node, kind Kind) (*Policy, *Malformed) {
	if root.kind != objectNode {
		return nil, malformed("", "Syntax errors in policy: want a JSON object")
	}
	variables := false // the default version, 2008-10-17, has no policy variables
	for i, name := range root.members {
		value := root.items[i]
		switch name {
		case "Version":
			if value.kind != scalarNode || (value.text != "2012-10-17" && value.text != "2008-10-17") {
				return nil, malformed(name, "The policy must contain a valid version string: want 2012-10-17")
			}
			variables = value.text == "2012-10-17"
		case "Id":
			if value.kind != scalarNode {
				return nil, malformed(name, "Syntax errors in policy: want a string")
			}
		case "Statement":
		default:
			return nil, malformed(name, "Syntax errors in policy: %q is not an element of a policy", name)
		}
	}
	statements, ok := root.member("Statement")
	if !ok {
		return nil, malformed("", "Syntax errors in policy: the element Statement is missing")
	}
	items, path := statements.items, "Statement[%d]"
	if statements.kind == objectNode {
		items, path = []node{statements}, "Statement"
	} else if statements.kind != listNode || len(items) == 0 || len(items) > MaxStatements {
		return nil, malformed("Statement", "Syntax errors in policy: want 1 to %d statements", MaxStatements)
	}
	p := &Policy{kind: kind}
	sids := map[string]bool{}
	for i, item := range items {
		at := path
		if statements.kind == listNode {
			at = fmt.Sprintf(path, i)
		}
		s, m := compileStatement(item, kind, variables, at)
		if m != nil {
			return nil, m
		}
		if s.sid != "" && sids[s.sid] {
			return nil, malformed(at, "Statement IDs (SID) in a single policy must be unique: %q stands twice", s.sid)
		}
		sids[s.sid] = true
		p.statements = append(p.statements, s)
	}
	return p, nil
}

func compileStatement(n node, kind Kind, variables bool, path string) (s statement, m *Malformed) {
	if n.kind != objectNode {
		return s, malformed(path, "Syntax errors in policy: want an object")
	}
	for i, name := range n.members {
		if m := s.element(name, n.items[i], kind, variables, join(path, name)); m != nil {
			return s, m
		}
	}
	switch {
	case s.effect == "":
		return s, malformed(path, "Missing required field Effect")
	case s.actions == nil:
		return s, malformed(path, "Policy statement must contain actions.")
	case s.resources == nil && kind != Trust:
		return s, malformed(path, "Policy statement must contain resources.")
	case s.principals == nil && kind != Identity:
		return s, malformed(path, "Missing required field Principal")
	}
	return s, nil
}

// element reads one element of a statement.
func (s *statement) element(name string, value node, kind Kind, variables bool, path string) (m *Malformed) {
	switch name {
	case "Sid":
		if value.kind != scalarNode || !sidForm.MatchString(value.text) {
			return malformed(path, "Statement IDs (SID) must be alpha-numeric. "+
				"Check that your input satisfies the regular expression [0-9A-Za-z]*")
		}
		s.sid = value.text
	case "Effect":
		s.effect = Effect(value.text)
		if value.kind != scalarNode || (s.effect != Allow && s.effect != Deny) {
			return malformed(path, "Invalid effect: %s: want Allow or Deny", value.text)
		}
	case "Principal", "NotPrincipal":
		if kind == Identity {
			return malformed(path, "Policy document should not specify a principal.")
		}
		if s.principals != nil {
			return malformed(path, "Syntax errors in policy: a statement has Principal or NotPrincipal, not both")
		}
		s.notPrincipals = name == "NotPrincipal"
		s.principals, m = compilePrincipals(value, path)
		return m
	case "Action", "NotAction":
		if s.actions != nil {
			return malformed(path, "Syntax errors in policy: a statement has Action or NotAction, not both")
		}
		s.notActions = name == "NotAction"
		s.actions, m = compileActions(value, kind, path)
		return m
	case "Resource", "NotResource":
		if kind == Trust {
			return malformed(path, "Has prohibited field Resource")
		}
		if s.resources != nil {
			return malformed(path, "Syntax errors in policy: a statement has Resource or NotResource, not both")
		}
		s.notResources = name == "NotResource"
		s.resources, m = compileResources(value, variables, path)
		return m
	case "Condition":
		s.conditions, m = compileConditions(value, variables, path)
		return m
	default:
		return malformed(path, "Syntax errors in policy: %q is not an element of a statement", name)
	}
	return nil
}

func compileActions(n node, kind Kind, path string) ([]*template, *Malformed) {
	values, m := stringsOf(n, path)
	if m != nil {
		return nil, m
	}
	actions := make([]*template, 0, len(values))
	for _, v := range values {
		vendor, name, ok := strings.Cut(v, ":")
		if v != "*" && !ok {
			return nil, malformed(path, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: %q", v)
		}
		if ok && (!vendorForm.MatchString(vendor) || name == "" || strings.ContainsAny(name, ": ")) {
			return nil, malformed(path, "Vendor %s is not valid: %q is not an action", vendor, v)
		}
		if kind == Trust && !strings.EqualFold(vendor, "sts") {
			return nil, malformed(path, "AssumeRole policy may only specify STS AssumeRole actions.")
		}
		t, problem := compile(v, syntax{wildcards: true, fold: true})
		if problem != "" {
			return nil, malformed(path, "%s", problem)
		}
		actions = append(actions, t)
	}
	return actions, nil
}

func compileResources(n node, variables bool, path string) ([]*arnTemplate, *Malformed) {
	values, m := stringsOf(n, path)
	if m != nil {
		return nil, m
	}
	resources := make([]*arnTemplate, 0, len(values))
	for _, v := range values {
		a, problem := compileARN(v, syntax{variables: variables})
		if problem != "" {
			return nil, malformed(path, "Resource %s %s.", v, problem)
		}
		if partition, ok := badPartition(v); ok {
			return nil, malformed(path, "Partition %q is not valid for resource %q.", partition, v)
		}
		resources = append(resources, a)
	}
	return resources, nil
}

// badPartition is the partition of a resource that no ARN has: those of AWS are aws and aws-…, and a wildcard can stand for one.
func badPartition(resource string) (partition string, bad bool) {
	words := strings.SplitN(resource, ":", 3)
	if len(words) < 3 || strings.ContainsAny(words[1], "*?$") {
		return "", false
	}
	return words[1], words[1] != "aws" && !strings.HasPrefix(words[1], "aws-")
}

func compileConditions(n node, variables bool, path string) ([]condition, *Malformed) {
	if n.kind != objectNode {
		return nil, malformed(path, "Syntax errors in policy: want an object")
	}
	var conditions []condition
	for i, operator := range n.members {
		at := join(path, operator)
		keys := n.items[i]
		if keys.kind != objectNode {
			return nil, malformed(at, "Syntax errors in policy: want an object of condition keys")
		}
		for j, key := range keys.members {
			values, m := scalarsOf(keys.items[j], join(at, key))
			if m != nil {
				return nil, m
			}
			c, problem := compileCondition(operator, key, values, variables)
			if problem != "" {
				return nil, malformed(at, "%s", problem)
			}
			conditions = append(conditions, c)
		}
	}
	return conditions, nil
}

// stringsOf is a string or a list of at least one, none of them empty.
func stringsOf(n node, path string) ([]string, *Malformed) {
	items := []node{n}
	if n.kind == listNode {
		items = n.items
	}
	values := make([]string, 0, len(items))
	for _, item := range items {
		if item.kind != scalarNode || item.text == "" {
			return nil, malformed(path, "Syntax errors in policy: want a string or a list of strings, none of them empty")
		}
		values = append(values, item.text)
	}
	if len(values) == 0 {
		return nil, malformed(path, "Syntax errors in policy: the list is empty")
	}
	return values, nil
}

// scalarsOf is the values of a condition key: strings, numbers and bools, one or a list.
func scalarsOf(n node, path string) ([]string, *Malformed) {
	items := []node{n}
	if n.kind == listNode {
		items = n.items
	}
	values := make([]string, 0, len(items))
	for _, item := range items {
		if item.kind != scalarNode && item.kind != numberNode && item.kind != boolNode {
			return nil, malformed(path, "Syntax errors in policy: want a value or a list of values")
		}
		values = append(values, item.text)
	}
	return values, nil
}
