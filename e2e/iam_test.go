package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// iamRow is what a user with one policy is answered.
type iamRow struct {
	name       string
	statements string // of the inline policy that the user has meanwhile
	command    string
	want       string // part of what is refused; empty when it is allowed
}

const (
	anything = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	list     = "eks list-clusters"
)

// iamRows try the policy language on each protocol that the product speaks. Of the texts, clients match the codes.
var iamRows = []iamRow{
	{"nothing", `{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}`, list, "(AccessDeniedException)"},
	{"nothing, query protocol", `{"Effect":"Allow","Action":"eks:*","Resource":"*"}`, "iam list-users", "because no identity-based policy allows the iam:ListUsers action"},
	{"nothing, EC2", `{"Effect":"Allow","Action":"eks:*","Resource":"*"}`, "ec2 describe-vpcs", "(UnauthorizedOperation)"},
	{"nothing, S3", `{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}`, "s3api list-buckets", "(AccessDenied)"},
	{"no particular cluster", `{"Effect":"Allow","Action":"eks:*","Resource":"arn:aws:eks:*:*:cluster/*"}`, list, ""},
	{"no cluster at all", `{"Effect":"Allow","Action":"eks:*","Resource":"arn:aws:eks:*:*:cluster/*"}`, "eks describe-cluster-versions", "on resource: arn:aws:eks:us-east-1:"},
	{"wildcard", `{"Effect":"Allow","Action":"eks:List*","Resource":"*"}`, list, ""},
	{"explicit deny first", anything + `,{"Effect":"Deny","Action":"eks:ListC?usters","Resource":"*"}`, list, "with an explicit deny in an identity-based policy"},
	{"variable", `{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:username}"}`, "iam get-user --user-name iam-rows", ""},
	{"variable of somebody else", `{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:username}"}`, "iam get-user --user-name other", "is not authorized to perform: iam:GetUser"},
	{"NotResource", anything + `,{"Effect":"Deny","Action":"iam:GetUser","NotResource":"arn:aws:iam::*:user/iam-rows"}`, "iam get-user --user-name other", "with an explicit deny"},
	{"conditions of one block all hold", `{"Effect":"Allow","Action":"eks:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"},` +
		`"Bool":{"aws:SecureTransport":"false"},"StringLike":{"aws:username":"iam-*"},"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"},"Null":{"aws:TokenIssueTime":"true"}}}`, list, ""},
	{"or one does not", `{"Effect":"Allow","Action":"eks:*","Resource":"*","Condition":{"StringLike":{"aws:username":"iam-*"},"NotIpAddress":{"aws:SourceIp":"127.0.0.0/8"}}}`, list, "(AccessDeniedException)"},
	{"tag of the request", `{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/env":"dev"}}}`,
		"ec2 create-security-group --group-name iam-rows --description x --tag-specifications ResourceType=security-group,Tags=[{Key=env,Value=prod}]", "(UnauthorizedOperation)"},
	{"a role is passed", `{"Effect":"Allow","Action":["eks:*","ec2:*"],"Resource":"*"},{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}}`,
		"eks create-cluster --name iam-rows --role-arn ROLE --resources-vpc-config subnetIds=SUBNETS", "is not authorized to perform: iam:PassRole"},
}

// managedRows attach one of AWS's own policies: what a user may do then, and what not.
var managedRows = []struct{ policy, allowed, refused string }{
	{"PowerUserAccess", list, "iam list-users"},
	{"ReadOnlyAccess", "s3api list-buckets", "iam create-user --user-name third"},
	{"job-function/ViewOnlyAccess", "iam list-users", list},
	{"IAMReadOnlyAccess", "iam get-user --user-name iam-rows", "iam create-user --user-name third"},
	{"AmazonEKSMCPReadOnlyAccess", "eks list-clusters", "eks create-cluster --name iam-rows --role-arn ROLE --resources-vpc-config subnetIds=SUBNETS"},
	{"AmazonEC2ReadOnlyAccess", "ec2 describe-vpcs", "ec2 create-security-group --group-name iam-rows --description x"},
	{"AmazonSSMReadOnlyAccess", "ssm describe-activations", "iam list-users"},
}

// TestIAM: what a user may do, on each API, is what inline policies, groups and boundaries say, from the next request on.
func TestIAM(t *testing.T) {
	t.Parallel()
	admin := testenv.Shared(t).Admin(t)
	u := newUser(t, admin, "iam-rows")
	role := createRole(t, admin, "iam-rows")
	names := strings.NewReplacer("ROLE", role, "SUBNETS", subnets(t, admin))
	fill := func(command string) []string { return strings.Fields(names.Replace(command)) }
	for _, row := range iamRows {
		putPolicy(t, admin, "user", "iam-rows", row.statements)
		r := u.TryAWS(t, fill(row.command)...)
		if allowed := r.ExitCode == 0; allowed != (row.want == "") || !strings.Contains(r.Stderr, row.want) {
			t.Errorf("%s: want %q\n%s", row.name, row.want, r)
		}
	}

	admin.AWS(t, "iam", "delete-user-policy", "--user-name", "iam-rows", "--policy-name", "rows")
	for _, row := range managedRows {
		which := []string{"--user-name", "iam-rows", "--policy-arn", "arn:aws:iam::aws:policy/" + row.policy}
		admin.AWS(t, append([]string{"iam", "attach-user-policy"}, which...)...)
		u.AWS(t, strings.Fields(row.allowed)...)
		u.RefusedAWS(t, []string{"not authorized to perform"}, fill(row.refused)...)
		admin.AWS(t, append([]string{"iam", "detach-user-policy"}, which...)...)
	}
	admin.RefusedAWS(t, []string{"(NoSuchEntity)", "Policy arn:aws:iam::aws:policy/Nonsense does not exist or is not attachable."},
		"iam", "attach-role-policy", "--role-name", "iam-rows", "--policy-arn", "arn:aws:iam::aws:policy/Nonsense")

	boundary := admin.AWS(t, "iam", "create-policy", "--policy-name", "iam-rows", "--policy-document",
		policy(t, `{"Effect":"Allow","Action":"eks:*","Resource":"*"}`), "--query", "Policy.Arn", "--output", "text")
	admin.AWS(t, "iam", "create-group", "--group-name", "iam-rows")
	putPolicy(t, admin, "group", "iam-rows", anything)
	admin.AWS(t, "iam", "add-user-to-group", "--group-name", "iam-rows", "--user-name", "iam-rows")
	u.AWS(t, "iam", "list-groups")
	admin.AWS(t, "iam", "put-user-permissions-boundary", "--user-name", "iam-rows", "--permissions-boundary", boundary)
	u.AWS(t, strings.Fields(list)...)
	u.RefusedAWS(t, []string{"because no permissions boundary allows the iam:ListGroups action"}, "iam", "list-groups")
	simulated := admin.AWS(t, "iam", "simulate-principal-policy", "--policy-source-arn", u.arn, "--action-names", "eks:ListClusters", "iam:ListGroups",
		"--query", "EvaluationResults[].[EvalDecision,PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary,MatchedStatements[0].SourcePolicyId]", "--output", "text")
	if simulated != "allowed\tTrue\tgroup_iam-rows_rows\nimplicitDeny\tFalse\tgroup_iam-rows_rows" {
		t.Errorf("the simulation of the same says %q", simulated)
	}
}

// putPolicy gives a user or group its one inline policy.
func putPolicy(t *testing.T, admin *testenv.Client, kind, name, statements string) {
	t.Helper()
	admin.AWS(t, "iam", "put-"+kind+"-policy", "--"+kind+"-name", name, "--policy-name", "rows", "--policy-document", policy(t, statements))
}

// policy is the document of some statements.
func policy(t *testing.T, statements string) string {
	t.Helper()
	b, err := json.Marshal(struct {
		Version   string
		Statement json.RawMessage
	}{"2012-10-17", json.RawMessage("[" + statements + "]")})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
