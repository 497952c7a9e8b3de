package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// quantifier is a set operator before a condition operator, for keys with many values.
type quantifier int

const (
	single quantifier = iota
	forAnyValue
	forAllValues
)

// condition is one key of one operator in a Condition block: the key's values in the request against the values listed.
type condition struct {
	text       string // operator and key as written, for explanations
	quantifier quantifier
	ifExists   bool
	negated    bool // the operator holds when no listed value matches
	null       bool // the operator is Null: the values are "true" (absent) or "false" (present)
	key        string
	matchers   []matcher
	fixed      bool     // it holds for callers that are listed, see Policy.Public
	asks       []string // the keys that it asks for, as written: its own and those of policy variables
}

// matcher compares one value of a request with one value of the document.
type matcher func(value string, r *Request) answer

// compileCondition reads `"ForAllValues:StringLikeIfExists": {"aws:TagKeys": [...]}`, one key of it.
func compileCondition(operator, key string, values []string, variables bool) (condition, string) {
	c := condition{text: operator + " " + key, key: strings.ToLower(key)}
	name := operator
	if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
		c.quantifier, name = forAnyValue, rest
	} else if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
		c.quantifier, name = forAllValues, rest
	}
	base, ifExists := strings.CutSuffix(name, "IfExists")
	c.ifExists = ifExists
	op, ok := operators[base]
	if !ok || (op.null && (ifExists || c.quantifier != single)) {
		return c, fmt.Sprintf("Invalid Condition type : %s.", operator)
	}
	c.negated, c.null, c.asks = op.negated, op.null, []string{key}
	for _, v := range values {
		if variables {
			c.asks = append(c.asks, variablesIn(v)...)
		}
		m, problem := op.compile(v, variables)
		if problem != "" {
			return c, fmt.Sprintf("%q is not a value for %s: %s", v, operator, problem)
		}
		c.matchers = append(c.matchers, m)
	}
	c.fixed = !c.negated && !c.null && !c.ifExists && c.quantifier != forAllValues && fixedKeys[c.key] && !slices.ContainsFunc(values, c.isOpen)
	return c, ""
}

// fixedKeys are the keys by which a statement can list whom it lets in ("Blocking public access to your Amazon S3 storage", S3 User
// Guide).
var fixedKeys = map[string]bool{
	"aws:principalaccount": true, "aws:principalarn": true, "aws:principalorgid": true, "aws:sourceaccount": true, "aws:sourcearn": true,
	"aws:sourceip": true, "aws:sourceowner": true, "aws:sourcevpc": true, "aws:sourcevpce": true, "aws:userid": true,
}

// The shortest prefixes of addresses that list anybody: all shorter ones are as good as none.
const minIPv4, minIPv6 = 8, 32

// isOpen is whether a value is met by more than it lists: with a wildcard, a variable, or a very large block of addresses. All sessions
// of a role, AROA…:*, are a list.
func (c *condition) isOpen(value string) bool {
	if role, ok := strings.CutSuffix(value, ":*"); ok && c.key == "aws:userid" && role != "" {
		value = role
	}
	if block, err := netip.ParsePrefix(value); err == nil && c.key == "aws:sourceip" {
		return block.Addr().Is4() && block.Bits() < minIPv4 || block.Addr().Is6() && block.Bits() < minIPv6
	}
	return strings.ContainsAny(value, "*?$")
}

// holds is whether the condition is met. Where a policy variable of the document has no value in the request, a negated
// operator neither allows nor spares: it holds in a Deny statement and does not in an Allow.
func (c *condition) holds(r *Request, e Effect) bool {
	values := r.Context[c.key]
	if c.null {
		return c.oneHolds(fmt.Sprint(len(values) == 0), r, e)
	}
	if c.quantifier == forAllValues && !slices.ContainsFunc(values, func(v string) bool { return v != "" }) {
		return true // of no values, and of an empty string too (IAM User Guide, "Set operators for multivalued context keys")
	}
	if len(values) == 0 {
		return c.ifExists || (c.negated && c.quantifier == single)
	}
	// Without a quantifier several values are not expected; then one must match, or for a negated operator none may.
	every := c.quantifier == forAllValues || (c.quantifier == single && c.negated)
	for _, v := range values {
		if c.oneHolds(v, r, e) != every {
			return !every
		}
	}
	return every
}

func (c *condition) oneHolds(value string, r *Request, e Effect) bool {
	unknown := false
	for _, match := range c.matchers {
		switch match(value, r) {
		case yes:
			return !c.negated
		case unresolved:
			unknown = true
		}
	}
	if c.negated && unknown {
		return e == Deny
	}
	return c.negated
}
