package iam_test

import (
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

const clusterARN = "arn:aws:eks:us-east-1:111122223333:cluster/prod"

// access is a question about a cluster.
func access(c iam.Credential, action string, keys map[string][]string) iam.Access {
	arn, err := minato.ParseARN(clusterARN)
	if err != nil {
		panic(err)
	}
	return iam.Access{Credential: c, Action: action, Resource: arn, Context: keys}
}

func TestAuthorizeMessages(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.user("u")
	c := w.credential("u")
	const who = "User: arn:aws:iam::111122223333:user/u is not authorized to perform: "
	denied := func(a iam.Access, message string) {
		t.Helper()
		w.wants(w.Authorize(ctx, a), minato.Denied, iam.AccessDenied, message)
	}
	denied(access(c, "eks:DeleteCluster", nil), who+"eks:DeleteCluster on resource: "+clusterARN+
		" because no identity-based policy allows the eks:DeleteCluster action")
	denied(iam.Access{Credential: c, Action: "eks:ListClusters"}, who+"eks:ListClusters on resource: * because no identity-based")

	w.must(w.PutInlinePolicy(ctx, userHolder("u"), "all", allowAll))
	w.must(w.Authorize(ctx, access(c, "eks:DeleteCluster", nil)))
	deny := w.policy("deny", denyEKS)
	w.must(w.AttachPolicy(ctx, userHolder("u"), deny))
	denied(access(c, "eks:DeleteCluster", nil), who+"eks:DeleteCluster on resource: "+clusterARN+
		" with an explicit deny in an identity-based policy")
	d, err := w.Decide(ctx, access(c, "eks:DeleteCluster", nil))
	w.must(err)
	if d.Statement == nil || d.Statement.Policy != deny || d.Statement.Sid != "Never" {
		t.Errorf("denied by %v, want the statement Never of %s", d.Statement, deny)
	}
	w.must(w.DetachPolicy(ctx, userHolder("u"), deny))
	w.must(w.Authorize(ctx, access(c, "eks:DeleteCluster", nil))) // at once

	w.must(w.SetBoundary(ctx, userHolder("u"), w.policy("limit", allowEKS)))
	w.must(w.Authorize(ctx, access(c, "eks:DeleteCluster", nil)))
	denied(iam.Access{Credential: c, Action: "iam:ListUsers"}, "because no permissions boundary allows the iam:ListUsers action")
	w.must(w.SetBoundary(ctx, userHolder("u"), ""))
	w.wants(w.SetBoundary(ctx, userHolder("u"), ""), minato.NotFound, iam.NoSuchEntity, "does not have a permissions boundary")

	role := w.role("r", trustsEKS)
	w.must(w.PutInlinePolicy(ctx, roleHolder("r"), "all", allowAll))
	limited, _ := w.session(role, iam.SessionContext{Policies: []string{allowEKS}})
	w.must(w.Authorize(ctx, access(limited, "eks:DeleteCluster", nil)))
	denied(iam.Access{Credential: limited, Action: "iam:ListUsers"},
		"User: arn:aws:sts::111122223333:assumed-role/r/s is not authorized to perform: iam:ListUsers on resource: * "+
			"because no session policy allows the iam:ListUsers action")
}

func TestGroupPoliciesCount(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.user("u")
	c := w.credential("u")
	_, err := w.CreateGroup(ctx, account, "", "g")
	w.must(err)
	w.must(w.PutInlinePolicy(ctx, groupHolder("g"), "p", allowEKS))
	w.wants(w.Authorize(ctx, access(c, "eks:ListNodegroups", nil)), minato.Denied, iam.AccessDenied, "")
	w.must(w.AddUserToGroup(ctx, account, "g", "u"))
	w.must(w.Authorize(ctx, access(c, "eks:ListNodegroups", nil)))
	w.must(w.RemoveUserFromGroup(ctx, account, "g", "u"))
	w.wants(w.Authorize(ctx, access(c, "eks:ListNodegroups", nil)), minato.Denied, iam.AccessDenied, "")
}

// The condition keys that Authorize fills in, each asked for by a policy that allows nothing but it.
func TestContextKeys(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	_, err := w.CreateUser(ctx, account, iam.NewUser{Name: "u", Path: "/x/", Tags: minato.Tags{"Team": "red"}})
	w.must(err)
	user := w.credential("u")
	role, err := w.CreateRole(ctx, account, iam.NewRole{Name: "r", Path: "/y/", Trust: trustsEKS, Tags: minato.Tags{"team": "blue", "env": "dev"}})
	w.must(err)
	session, _ := w.session(role, iam.SessionContext{Tags: minato.Tags{"Team": "green"}})
	now := time.Now().UTC()
	hour := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	asked := map[string][]string{"aws:sourceip": {"203.0.113.5"}, "aws:requesttag/a": {"b"},
		"aws:principalarn": {"arn:aws:iam::111122223333:user/forged"}}
	for _, c := range []struct {
		who       iam.Credential
		condition string
		want      bool
	}{
		{user, `"StringEquals":{"aws:username":"u"}`, true},
		{session, `"Null":{"aws:username":"true"}`, true},
		{user, `"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:user/x/u"}`, true},
		{session, `"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/y/r"}`, true},
		{user, `"StringEquals":{"aws:PrincipalAccount":"111122223333"}`, true},
		{user, `"StringEquals":{"aws:PrincipalType":"User"}`, true},
		{session, `"StringEquals":{"aws:PrincipalType":"AssumedRole"}`, true},
		{session, `"StringLike":{"aws:userid":"` + role.ID + `:s"}`, true},
		{user, `"StringEquals":{"aws:PrincipalTag/team":"red"}`, true},
		{session, `"StringEquals":{"aws:PrincipalTag/Team":"green"}`, true}, // the session's tag wins
		{session, `"StringEquals":{"aws:PrincipalTag/env":"dev"}`, true},
		{user, `"DateGreaterThan":{"aws:CurrentTime":"` + hour(-time.Hour) + `"},"DateLessThan":{"aws:CurrentTime":"` + hour(time.Hour) + `"}`, true},
		{user, `"NumericGreaterThan":{"aws:EpochTime":"1700000000"}`, true},
		{user, `"Null":{"aws:TokenIssueTime":"true"}`, true},
		{session, `"DateGreaterThan":{"aws:TokenIssueTime":"` + hour(-time.Hour) + `"}`, true},
		{session, `"DateLessThan":{"aws:TokenIssueTime":"` + hour(-time.Hour) + `"}`, false},
		{session, `"Bool":{"aws:MultiFactorAuthPresent":"false"}`, true},
		{user, `"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, true},
		{user, `"StringEquals":{"aws:RequestTag/a":"b"}`, true},
		{user, `"StringEquals":{"aws:RequestedRegion":"us-east-1"}`, false}, // nobody said
	} {
		document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"*","Condition":{` + c.condition + `}}]}`
		holder := userHolder("u")
		if c.who.Session != nil {
			holder = roleHolder("r")
		}
		w.must(w.PutInlinePolicy(ctx, holder, "p", document))
		if got := w.Authorize(ctx, access(c.who, "eks:DescribeCluster", asked)) == nil; got != c.want {
			t.Errorf("%s: allowed = %v, want %v", c.condition, got, c.want)
		}
	}
}

// The console's "revoke active sessions" is a deny on aws:TokenIssueTime.
func TestRevokeOlderSessions(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	role := w.role("r", trustsEKS)
	w.must(w.PutInlinePolicy(ctx, roleHolder("r"), "all", allowAll))
	old, _ := w.session(role, iam.SessionContext{})
	w.clock.SetOffset(time.Minute)
	w.must(w.PutInlinePolicy(ctx, roleHolder("r"), "AWSRevokeOlderSessions", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["*"],
		"Resource":["*"],"Condition":{"DateLessThan":{"aws:TokenIssueTime":"`+w.clock.Now().UTC().Format("2006-01-02T15:04:05.000Z")+`"}}}]}`))
	w.clock.SetOffset(2 * time.Minute)
	fresh, _ := w.session(role, iam.SessionContext{})
	w.wants(w.Authorize(ctx, access(old, "eks:DescribeCluster", nil)), minato.Denied, iam.AccessDenied, "with an explicit deny in an identity-based policy")
	w.must(w.Authorize(ctx, access(fresh, "eks:DescribeCluster", nil)))
}

func TestPassRole(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	role := w.role("cluster", trustsEKS)
	forEC2 := w.role("node", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	forProd := w.role("prod", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole",
		"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:eks:*:111122223333:cluster/prod"},"StringEquals":{"aws:SourceAccount":"111122223333"}}}]}`)
	w.user("u")
	c := w.credential("u")
	prod, err := minato.ParseARN(clusterARN)
	w.must(err)
	pass := func(arn, resource minato.ARN) error {
		if err := w.PassRole(ctx, iam.Pass{Credential: c, Role: arn, Service: "eks.amazonaws.com", Resource: resource}); err != nil {
			return err
		}
		return w.CheckServiceRole(ctx, arn, "eks.amazonaws.com", resource)
	}
	w.wants(pass(role.ARN(), prod), minato.Denied, iam.AccessDenied,
		"is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/cluster because no identity-based policy")
	w.must(w.PutInlinePolicy(ctx, userHolder("u"), "p", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:PassRole",
		"Resource":"arn:aws:iam::*:role/*","Condition":{"StringEquals":{"iam:PassedToService":"eks.amazonaws.com"},"ArnLike":{"iam:AssociatedResourceArn":"arn:aws:eks:*:*:cluster/*"}}}]}`))
	w.must(pass(role.ARN(), prod))
	w.wants(pass(role.ARN(), minato.ARN{}), minato.Denied, iam.AccessDenied, "iam:PassRole")
	w.must(pass(forProd.ARN(), prod))
	dev := prod
	dev.Resource = "cluster/dev"
	w.wants(pass(forProd.ARN(), dev), minato.Denied, iam.AccessDenied, "trust policy of role")
	w.wants(pass(forEC2.ARN(), prod), minato.Denied, iam.AccessDenied, "does not allow eks.amazonaws.com to assume it")
	ghost := role.ARN()
	ghost.Resource = "role/ghost"
	w.wants(pass(ghost, prod), minato.NotFound, iam.NoSuchEntity, "The role with name ghost cannot be found.")
	foreign := role.ARN()
	foreign.Account = other
	w.wants(pass(foreign, prod), minato.Denied, iam.AccessDenied, "Cross-account pass role is not allowed.")
	w.must(w.CheckServiceRole(ctx, role.ARN(), "eks.amazonaws.com", prod))
	w.wants(w.CheckServiceRole(ctx, forEC2.ARN(), "eks.amazonaws.com", prod), minato.Denied, iam.AccessDenied, "node")
}
