package policies

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
)

// listed is what `aws eks list-access-policies` answered in April 2026; those with rules are marked.
const listed = `
AIDevOpsAgentAccessPolicy AmazonAIOpsAssistantPolicy AmazonARCRegionSwitchScalingPolicy AmazonEKSACKPolicy AmazonEKSAdminPolicy*
AmazonEKSAdminViewPolicy* AmazonEKSArgoCDClusterPolicy AmazonEKSArgoCDPolicy AmazonEKSAutoNodePolicy
AmazonEKSBlockStorageClusterPolicy AmazonEKSBlockStoragePolicy AmazonEKSClusterAdminPolicy* AmazonEKSComputeClusterPolicy
AmazonEKSComputePolicy AmazonEKSEditPolicy* AmazonEKSEventPolicy AmazonEKSHybridPolicy* AmazonEKSKROPolicy
AmazonEKSLoadBalancingClusterPolicy AmazonEKSLoadBalancingPolicy AmazonEKSNetworkingClusterPolicy AmazonEKSNetworkingPolicy
AmazonEKSPodIdentityPolicy AmazonEKSSecretAdminPolicy AmazonEKSSecretReaderPolicy* AmazonEKSViewPolicy* AmazonEMRJobPolicy
AmazonSagemakerHyperpodClusterPolicy AmazonSagemakerHyperpodControllerPolicy AmazonSagemakerHyperpodSpacePolicy
AmazonSagemakerHyperpodSpaceTemplatePolicy AmazonSagemakerHyperpodSystemNamespacePolicy AmazonSagemakerHyperpodUserClusterPolicy`

func TestListIsThatOfAWS(t *testing.T) {
	t.Parallel()
	var got []string
	for _, p := range List() {
		name := p.Name
		if want := "arn:aws:eks::aws:cluster-access-policy/" + name; p.ARN.String() != want {
			t.Errorf("ARN %s, want %s", p.ARN, want)
		}
		if found, ok := Lookup(p.ARN); !ok || found.Name != name {
			t.Errorf("Lookup(%s) = %s, %t", p.ARN, found.Name, ok)
		}
		reason, ok := p.Associable()
		if ok {
			name += "*"
		}
		if ok != (reason == "") || ok != (len(p.Rules()) > 0) || p.Source == "" {
			t.Errorf("%s: associable %t because %q with %d rules from %q", p.Name, ok, reason, len(p.Rules()), p.Source)
		}
		got = append(got, name)
	}
	if diff := cmp.Diff(strings.Fields(listed), got); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
	for _, arn := range []minato.ARN{{}, arn("AmazonEKSNoPolicy"), minato.NewARN("iam", "", "aws", "policy/AmazonEKSViewPolicy")} {
		if p, ok := Lookup(arn); ok {
			t.Errorf("Lookup(%s) = %s", arn, p.Name)
		}
	}
}

func policy(t *testing.T, name string) Policy {
	t.Helper()
	p, ok := Lookup(arn(name))
	if !ok {
		t.Fatalf("no policy %s", name)
	}
	return p
}

// TestWhatPoliciesAllow looks at the places where AWS's tables could be misread. The form of a request is
// "verb group resource[/subresource]", or "verb /path".
func TestWhatPoliciesAllow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy        string
		allows, lacks []string
	}{
		{"AmazonEKSClusterAdminPolicy", []string{
			"get core pods", "escalate rbac.authorization.k8s.io clusterroles", "create core nodes/proxy", "* * *", "get /metrics", "post /",
		}, nil},
		{"AmazonEKSAdminViewPolicy", []string{"get core secrets", "watch example.com widgets", "list core nodes", "get core pods/log"}, []string{
			"create core pods", "get /metrics", "* * *", "impersonate core users",
		}},
		{"AmazonEKSSecretReaderPolicy", []string{"get core secrets", "list core secrets", "watch core secrets"}, []string{
			"update core secrets", "get core configmaps", "get example.com secrets",
		}},
		{"AmazonEKSHybridPolicy", []string{"list core nodes", "list metrics.k8s.io nodes"}, []string{"get core nodes", "watch core nodes"}},
		{"AmazonEKSViewPolicy", []string{"get core pods", "get core pods/log", "list core namespaces", "watch apps deployments/scale"}, []string{
			"get core secrets", "get core nodes", "create core pods", "get core pods/exec", "get rbac.authorization.k8s.io roles",
			"get core services/proxy", "get core persistentvolumes", "get coordination.k8s.io leases", "get /metrics",
		}},
		{"AmazonEKSEditPolicy", []string{
			"get core pods", "get core secrets", "create core secrets", "create core pods/exec", "get core pods/exec",
			"impersonate core serviceaccounts", "deletecollection batch jobs", "patch apps deployments/scale", "create core services/proxy",
		}, []string{
			"create core pods/eviction", "create core serviceaccounts/token", "update coordination.k8s.io leases",
			"update discovery.k8s.io endpointslices", "update apps deployments/status", "create core namespaces", "impersonate core users",
			"get rbac.authorization.k8s.io roles", "update core resourcequotas", "update core endpoints",
		}},
		{"AmazonEKSAdminPolicy", []string{
			"get core pods", "create core secrets", "create rbac.authorization.k8s.io rolebindings", "watch rbac.authorization.k8s.io roles",
			"create authorization.k8s.io localsubjectaccessreviews",
		}, []string{
			"bind rbac.authorization.k8s.io roles", "escalate rbac.authorization.k8s.io roles", "get rbac.authorization.k8s.io clusterroles",
			"create authorization.k8s.io subjectaccessreviews", "update core resourcequotas", "* * *",
		}},
		{"AmazonEKSAutoNodePolicy", nil, []string{"get core pods", "get /healthz"}},
	} {
		t.Run(tt.policy, func(t *testing.T) {
			t.Parallel()
			p := policy(t, tt.policy)
			for want, requests := range map[bool][]string{true: tt.allows, false: tt.lacks} {
				for _, r := range requests {
					if got := p.Allows(request(r)); got != want {
						t.Errorf("%s: allowed %t, want %t", r, got, want)
					}
				}
			}
		})
	}
}

func request(s string) Request {
	verb, rest, _ := strings.Cut(s, " ")
	if strings.HasPrefix(rest, "/") {
		return Request{Verb: verb, NonResource: true, Path: rest}
	}
	group, rest, _ := strings.Cut(rest, " ")
	if group == "core" {
		group = ""
	}
	resource, sub, _ := strings.Cut(rest, "/")
	return Request{Verb: verb, Group: group, Resource: resource, Subresource: sub}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	s := newRuleSet([]Rule{{NonResourceURLs: []string{"/healthz", "/logs/*"}, Verbs: []string{"get"}}})
	for path, want := range map[string]bool{"/healthz": true, "/healthz/etcd": false, "/logs/": true, "/logs/a/b": true, "/logs": false, "/": false, "": false} {
		if got := s.allow(Request{Verb: "get", NonResource: true, Path: path}); got != want {
			t.Errorf("%q: %t", path, got)
		}
	}
	if s.allow(Request{Verb: "post", NonResource: true, Path: "/healthz"}) || s.allow(Request{Verb: "get", Resource: "healthz"}) {
		t.Error("another verb, or a resource of that name, is allowed")
	}
}

func TestIncluded(t *testing.T) {
	t.Parallel()
	view, edit, admin := policy(t, "AmazonEKSViewPolicy").Rules(), policy(t, "AmazonEKSEditPolicy").Rules(), policy(t, "AmazonEKSAdminPolicy").Rules()
	if len(view) != 10 || len(edit) != 20 || len(admin) != 22 {
		t.Errorf("%d, %d and %d rules, want 10, 20 and 22: rows that AWS publishes", len(view), len(edit), len(admin))
	}
	if !cmp.Equal(view, edit[:len(view)]) || !cmp.Equal(edit, admin[:len(edit)]) {
		t.Error("an included policy's rules do not come first")
	}
}

// TestBadFiles wants every mistake refused with the place where it is.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	const good = "source: a book\n\ngroups | resources | verbs\n\"\" | pods | get\n"
	for name, tt := range map[string]struct{ content, want string }{
		"no source":        {strings.TrimPrefix(good, "source: a book\n"), "no source"},
		"two sources":      {"source: b\n" + good, "A.txt:2: there is a second source"},
		"no rules":         {"source: a book\n", "no rules"},
		"no heading":       {"source: a book\napps | pods | get\n", `A.txt:2: "apps | pods | get" is not under a heading`},
		"unknown heading":  {"source: a book\ngroup | resource | verb\n", "not under a heading"},
		"too few cells":    {good + "apps | get\n", "A.txt:5: want the 3 cells groups | resources | verbs, got 2"},
		"too many cells":   {good + "apps | a | b | get\n", "got 4"},
		"empty cell":       {good + " | pods | get\n", `groups "": "" is not a name`},
		"empty item":       {good + "apps | pods, | get\n", `"" is not a name`},
		"space in name":    {good + "apps | pods services | get\n", `"pods services" is not a name`},
		"quotes":           {good + "\"\", apps | pods | get\n", "is not a name"},
		"star and others":  {good + "apps | pods, * | get\n", "* stands beside others"},
		"twice":            {good + "apps | pods, pods | get\n", `"pods" stands there twice`},
		"includes nothing": {"include: B\n" + good, "B.txt"},
		"includes itself":  {"include: A\n" + good, "A includes itself"},
		"unknown line":     {good + "exclude: B\n", "want the 3 cells"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := "policy | what is published | source\nZ | nothing | nowhere\n"
			folder := fstest.MapFS{"A.txt": {Data: []byte(tt.content)}, unpublishedFile: {Data: []byte(table)}}
			if _, err := load(folder); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("load = %v, want %q in it", err, tt.want)
			}
			folder["A.txt"] = &fstest.MapFile{Data: []byte(good)}
			if p, err := load(folder); err != nil || len(p) != 2 {
				t.Errorf("the good file: %v, %v", p, err)
			}
		})
	}
}

func TestUnpublishedTable(t *testing.T) {
	t.Parallel()
	const good, heading = "source: a book\ngroups | resources | verbs\n* | * | *\n", "policy | what is published | source\n"
	for name, folder := range map[string]fstest.MapFS{
		"both":             {"z.txt": {Data: []byte(good)}, unpublishedFile: {Data: []byte(heading + "z | name | s\n")}},
		"both, file first": {"a.txt": {Data: []byte(good)}, unpublishedFile: {Data: []byte(heading + "a | name | s\n")}},
		"twice":            {unpublishedFile: {Data: []byte(heading + "a | name | s\na | name | s\n")}},
		"empty cell":       {unpublishedFile: {Data: []byte(heading + "a | | s\n")}},
		"rules":            {unpublishedFile: {Data: []byte(good)}},
	} {
		if p, err := load(folder); err == nil {
			t.Errorf("%s: %v", name, p)
		}
	}
}

func TestRulesAreCopies(t *testing.T) {
	t.Parallel()
	p := policy(t, "AmazonEKSViewPolicy")
	p.Rules()[0] = Rule{}
	slices.Reverse(List())
	if again := policy(t, "AmazonEKSViewPolicy"); len(again.Rules()[0].Verbs) == 0 || List()[0].Name != "AIDevOpsAgentAccessPolicy" {
		t.Error("a caller can change the catalogue")
	}
}

// FuzzLoad looks for files that panic the parser, and for rules with an empty part.
func FuzzLoad(f *testing.F) {
	for _, p := range List() {
		if content, err := files.ReadFile(p.Name + suffix); err == nil {
			f.Add(content)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		all, err := load(fstest.MapFS{"A.txt": {Data: content}})
		if err != nil {
			return
		}
		for _, r := range all[0].Rules() {
			if len(r.Verbs) == 0 || (len(r.NonResourceURLs) == 0) == (len(r.Groups) == 0 || len(r.Resources) == 0) {
				t.Errorf("rule %+v of %q", r, content)
			}
		}
	})
}
