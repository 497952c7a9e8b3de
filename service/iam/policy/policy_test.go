package policy_test

import (
	"strings"
	"testing"

	"minato.dev/minato/service/iam/policy"
)

const (
	account = "111122223333"
	other   = "444455556666"
	userARN = "arn:aws:iam::111122223333:user/alice"
	roleARN = "arn:aws:iam::111122223333:role/team/ops"
	session = "arn:aws:sts::111122223333:assumed-role/ops/laptop"
)

var (
	alice = policy.Principal{Account: account, ARN: userARN, UniqueID: "AIDAALICE"}
	ops   = policy.Principal{Account: account, ARN: session, RoleARN: roleARN, UniqueID: "AROAOPS"}
	eks   = policy.Principal{Service: "eks.amazonaws.com"}
	root  = policy.Principal{Account: account, ARN: "arn:aws:iam::111122223333:root", Root: true}
)

// doc is a document of version 2012-10-17 with these statements.
func doc(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func parse(t *testing.T, kind policy.Kind, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(text, kind)
	if err != nil {
		t.Fatalf("parsing %s: %v", text, err)
	}
	return p
}

// one is whether one identity policy allows a request.
func one(t *testing.T, text string, r policy.Request) bool {
	t.Helper()
	if r.Principal.Account == "" {
		r.Principal = alice
	}
	return policy.Evaluate(r, policy.Set{Identity: []policy.Named{{Name: "p", Policy: parse(t, policy.Identity, text)}}}).Allowed
}

func TestActionAndResource(t *testing.T) {
	t.Parallel()
	const cluster = "arn:aws:eks:us-east-1:111122223333:cluster/prod"
	for _, c := range []struct {
		name, statement, action, resource string
		want                              bool
	}{
		{"exact", `"Action":"eks:DescribeCluster","Resource":"` + cluster + `"`, "eks:DescribeCluster", cluster, true},
		{"actions have no case", `"Action":"EKS:describecluster","Resource":"*"`, "eks:DescribeCluster", cluster, true},
		{"resources have", `"Action":"*","Resource":"arn:aws:eks:us-east-1:111122223333:cluster/PROD"`, "eks:DescribeCluster", cluster, false},
		{"star in action", `"Action":"eks:Desc*","Resource":"*"`, "eks:DescribeCluster", cluster, true},
		{"star inside action", `"Action":"eks:D*Cluster","Resource":"*"`, "eks:DescribeClusterVersions", cluster, false},
		{"question mark", `"Action":"eks:?escribeCluster","Resource":"*"`, "eks:DescribeCluster", cluster, true},
		{"question mark is one", `"Action":"eks:?DescribeCluster","Resource":"*"`, "eks:DescribeCluster", cluster, false},
		{"list", `"Action":["eks:List*","eks:Describe*"],"Resource":["arn:aws:s3:::b","` + cluster + `"]`, "eks:DescribeCluster", cluster, true},
		{"not action", `"NotAction":["iam:*"],"Resource":"*"`, "eks:DescribeCluster", cluster, true},
		{"not action of it", `"NotAction":["iam:*","eks:*"],"Resource":"*"`, "eks:DescribeCluster", cluster, false},
		{"not resource", `"Action":"*","NotResource":"arn:aws:eks:*:*:cluster/dev-*"`, "eks:DescribeCluster", cluster, true},
		{"not resource of it", `"Action":"*","NotResource":"arn:aws:eks:*:*:cluster/p*"`, "eks:DescribeCluster", cluster, false},
		{"star stays in its segment", `"Action":"*","Resource":"arn:aws:eks:*:cluster/prod:*:x"`, "eks:DescribeCluster", cluster, false},
		{"resource has colons", `"Action":"*","Resource":"arn:aws:logs:*:*:log-group:*:stream"`, "logs:Get", "arn:aws:logs:us-east-1:1:log-group:a:b:stream", true},
		{"no particular resource", `"Action":"eks:ListClusters","Resource":"` + cluster + `"`, "eks:ListClusters", "*", false},
		{"no particular resource, star", `"Action":"eks:ListClusters","Resource":"*"`, "eks:ListClusters", "*", true},
		{"another service", `"Action":"iam:*","Resource":"*"`, "eks:ListClusters", "*", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := one(t, doc(`{"Effect":"Allow",`+c.statement+`}`), policy.Request{Action: c.action, Resource: c.resource})
			if got != c.want {
				t.Errorf("allowed = %v, want %v", got, c.want)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	context := map[string][]string{
		"aws:username":          {"alice"},
		"aws:principaltag/team": {"red*"},
		"aws:tagkeys":           {"a", "b"},
	}
	for _, c := range []struct {
		name, resource, key string
		want                bool
	}{
		{"known", "arn:aws:s3:::home/${aws:username}/*", "home/alice/x", true},
		{"of somebody else", "arn:aws:s3:::home/${aws:username}/*", "home/bob/x", false},
		{"names have no case", "arn:aws:s3:::home/${AWS:UserName}", "home/alice", true},
		{"a value is no wildcard", "arn:aws:s3:::${aws:PrincipalTag/team}", "redder", false},
		{"a value is itself", "arn:aws:s3:::${aws:PrincipalTag/Team}", "red*", true},
		{"unknown matches nothing", "arn:aws:s3:::${aws:PrincipalTag/none}*", "x", false},
		{"default", "arn:aws:s3:::${aws:PrincipalTag/none, 'shared'}", "shared", true},
		{"default unused", "arn:aws:s3:::${aws:username, 'shared'}", "shared", false},
		{"many values are none", "arn:aws:s3:::${aws:TagKeys, 'many'}", "many", true},
		{"literal star", "arn:aws:s3:::a${*}b", "a*b", true},
		{"literal star only", "arn:aws:s3:::a${*}b", "axb", false},
		{"literal question mark", "arn:aws:s3:::a${?}", "a?", true},
		{"literal dollar", "arn:aws:s3:::${$}{aws:username}", "${aws:username}", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"` + c.resource + `"}`)
			got := one(t, text, policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::" + c.key, Context: context})
			if got != c.want {
				t.Errorf("allowed = %v, want %v", got, c.want)
			}
		})
	}
	t.Run("none before 2012-10-17", func(t *testing.T) {
		old := `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:username}"}}`
		if one(t, old, policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::alice", Context: context}) {
			t.Error("a variable was replaced in a document of the old version")
		}
		if !one(t, old, policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::${aws:username}", Context: context}) {
			t.Error("a document of the old version means what it says")
		}
	})
}

// A variable without a value must never widen what is allowed, nor narrow what is denied.
func TestUnresolvedVariableFailsClosed(t *testing.T) {
	t.Parallel()
	r := policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b", Context: map[string][]string{"s3:prefix": {"x"}}}
	everything := `{"Effect":"Allow","Action":"*","Resource":"*"}`
	for name, text := range map[string]string{
		"allow, NotResource":      doc(`{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::${aws:username}"}`),
		"allow, negated operator": doc(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"s3:prefix":"${aws:username}"}}}`),
		"deny, NotResource":       doc(everything, `{"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::${aws:username}"}`),
		"deny, negated operator":  doc(everything, `{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"s3:prefix":"${aws:username}"}}}`),
	} {
		if one(t, text, r) {
			t.Errorf("%s: allowed", name)
		}
	}
}

func TestPathologicalPatternsAreFast(t *testing.T) {
	t.Parallel()
	pattern := strings.Repeat("a*", 3000) + "b"
	text := doc(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::` + pattern + `"}`)
	// Exponential or even cubic backtracking would not end within the test's time limit.
	if one(t, text, policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::" + strings.Repeat("a", 10_000)}) {
		t.Error("matched without a b")
	}
}
