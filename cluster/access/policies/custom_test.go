package policies

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
)

var customARN = minato.NewARN("eks", "", "111122223333", "cluster-access-policy/Debugger")

const debugger = `# Looks at everything of a namespace, and into its pods.
source: the platform team
include: AmazonEKSViewPolicy

groups | resources                          | verbs
""     | pods/exec, pods/portforward        | get, create
""     | pods/ephemeralcontainers           | patch

nonResourceURLs   | verbs
/healthz, /logs/* | get
`

func TestCustomPolicy(t *testing.T) {
	t.Parallel()
	p, err := ParseCustom(customARN, debugger)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "Debugger" || p.ARN != customARN || p.Source != "the platform team" {
		t.Errorf("%s %s from %q", p.Name, p.ARN, p.Source)
	}
	if why, ok := p.Associable(); !ok {
		t.Errorf("it cannot be associated: %s", why)
	}
	for r, want := range map[string]bool{
		"create core pods/exec": true, "patch core pods/ephemeralcontainers": true, "list apps deployments": true, "get /logs/a": true,
		"delete core pods": false, "get core secrets": false, "create apps pods/exec": false, "post /healthz": false, "get /metrics": false,
	} {
		if got := p.Allows(request(r)); got != want {
			t.Errorf("%s: allowed %t, want %t", r, got, want)
		}
	}
	if view := policy(t, "AmazonEKSViewPolicy").Rules(); !cmp.Equal(view, p.Rules()[:len(view)]) {
		t.Error("the rules of the policy that it includes do not come first")
	}
	if _, ok := Lookup(customARN); ok {
		t.Error("a customer's policy is among those of AWS")
	}
}

func TestBadCustomPolicies(t *testing.T) {
	t.Parallel()
	const heading = "groups | resources | verbs\n"
	names := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("r%d", i))
		}
		return strings.Join(all, ",")
	}
	for name, tt := range map[string]struct{ text, want string }{
		"empty":                  {"", "it has no rules"},
		"a comment":              {"# nothing\n", "it has no rules"},
		"headings only":          {heading, "it has no rules"},
		"too long":               {heading + strings.Repeat("#", MaxCustomBytes), "more than 16384 bytes"},
		"YAML":                   {"rules:\n- apiGroups: [\"\"]\n", `Debugger:1: "rules:" is not under a heading`},
		"two cells":              {heading + "apps | get\n", "Debugger:2: want the 3 cells"},
		"empty cell":             {heading + "apps | | get\n", `"" is not a name`},
		"group":                  {heading + "Apps | pods | get\n", `groups: "Apps"`},
		"resource":               {heading + "apps | Pod | get\n", `resources: "Pod"`},
		"part of a resource":     {heading + "apps | deploy* | get\n", `resources: "deploy*"`},
		"all subresources":       {heading + "apps | pods/* | get\n", `resources: "pods/*"`},
		"subresource of all":     {heading + "apps | */scale | get\n", `resources: "*/scale"`},
		"verb":                   {heading + "apps | pods | GET\n", `verbs: "GET"`},
		"no URL":                 {"nonResourceURLs | verbs\nhealthz | get\n", `nonResourceURLs: "healthz"`},
		"star within a URL":      {"nonResourceURLs | verbs\n/a*/b | get\n", `nonResourceURLs: "/a*/b"`},
		"includes nobody":        {"include: AmazonEKSNoPolicy\n", `include "AmazonEKSNoPolicy"`},
		"includes an unknown":    {"include: AmazonEKSComputePolicy\n", "whose rules are published"},
		"includes a customer's":  {"include: Debugger\n", `include "Debugger"`},
		"includes a file":        {"include: ../policies/AmazonEKSViewPolicy\n", "include "},
		"includes twice":         {"include: AmazonEKSViewPolicy\ninclude: AmazonEKSViewPolicy\n", "each but once"},
		"long source":            {"source: " + strings.Repeat("x", 300) + "\n" + heading + "* | * | *\n", "its source has more"},
		"multiplies":             {heading + names(100) + " | " + names(100) + " | get, list\n", "more than 2000 verbs"},
		"multiplies, row by row": {heading + strings.Repeat("apps | "+names(40)+" | get, list, watch, create, patch, update\n", 9), "more than 2000 verbs"},
	} {
		p, err := ParseCustom(customARN, tt.text)
		if minato.KindOf(err) != minato.Invalid || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %d rules, error %v (%s), want %q", name, len(p.Rules()), err, minato.KindOf(err), tt.want)
		}
	}
}

// FuzzParseCustom looks for texts that panic the parser, and for policies that are larger or laxer than they may be.
func FuzzParseCustom(f *testing.F) {
	f.Add(debugger)
	f.Add("groups | resources | verbs\n* | * | *\n\nnonResourceURLs | verbs\n* | *\n")
	f.Add("include: AmazonEKSAdminPolicy\ngroups | resources | verbs\n\"\" | pods/exec | create\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseCustom(customARN, text)
		if err != nil {
			return
		}
		if len(p.Rules()) == 0 || len(text) > MaxCustomBytes {
			t.Errorf("%d rules of %d bytes", len(p.Rules()), len(text))
		}
		for _, r := range p.Rules() {
			if len(r.Verbs) == 0 || (len(r.NonResourceURLs) == 0) == (len(r.Groups) == 0 || len(r.Resources) == 0) {
				t.Errorf("rule %+v of %q", r, text)
			}
		}
	})
}
