package iam_test

import (
	"slices"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/iam/policy"
)

func TestSimulate(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	u := w.user("u")
	w.must(w.PutInlinePolicy(ctx, userHolder("u"), "p", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"eks:*","Resource":"*"},
		{"Effect":"Deny","Action":"eks:DeleteCluster","Resource":"*"},
		{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:username}"},
		{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"aws:RequestTag/Team":"${aws:PrincipalTag/Team}"}}}]}`))
	w.must(w.SetBoundary(ctx, userHolder("u"), w.policy("boundary", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"eks:ListClusters","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]}`)))
	source := u.ARN()
	for _, c := range []struct {
		name    string
		in      iam.Simulation
		verdict policy.Verdict
		missing []string
	}{
		{"allowed", iam.Simulation{Actions: []string{"EKS:describecluster"}}, policy.Allowed, nil},
		{"denied", iam.Simulation{Actions: []string{"eks:DeleteCluster"}}, policy.ExplicitDeny, nil},
		{"denied by the boundary", iam.Simulation{Actions: []string{"eks:ListClusters"}}, policy.ExplicitDeny, nil},
		{"under another boundary", iam.Simulation{Actions: []string{"eks:ListClusters"}, Boundary: allowEKS}, policy.Allowed, nil},
		{"nothing says so", iam.Simulation{Actions: []string{"ec2:RunInstances"}}, policy.ImplicitDeny, nil},
		{"a policy more", iam.Simulation{Actions: []string{"ec2:RunInstances"}, Policies: []string{allowAll}}, policy.Allowed, nil},
		{"itself", iam.Simulation{Actions: []string{"iam:GetUser"}, Resources: []string{source.String()}}, policy.Allowed, nil},
		{"somebody else", iam.Simulation{Actions: []string{"iam:GetUser"}, Resources: []string{"arn:aws:iam::111122223333:user/v"}}, policy.ImplicitDeny, nil},
		{"keys are missing", iam.Simulation{Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::b/k"}}, policy.ImplicitDeny, []string{"aws:PrincipalTag/Team", "aws:RequestTag/Team"}},
		{"and are given", iam.Simulation{Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::b/k"}, Context: map[string][]string{
			"aws:requesttag/team": {"red"}, "aws:principaltag/team": {"red"},
		}}, policy.Allowed, nil},
		{"another resource", iam.Simulation{Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::c/k"}}, policy.ImplicitDeny, nil},
		{"a policy of the resource", iam.Simulation{Actions: []string{"s3:PutObject"}, Resources: []string{"arn:aws:s3:::c/k"}, Resource: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + source.String() + `"},"Action":"s3:*","Resource":"*"}]}`}, policy.Allowed, nil},
	} {
		c.in.Source = source
		results, err := w.Simulate(ctx, account, c.in)
		w.must(err)
		if len(results) != 1 || results[0].Verdict != c.verdict || !slices.Equal(results[0].Missing, c.missing) {
			t.Errorf("%s: %+v, want %s, missing %v", c.name, results, c.verdict, c.missing)
		}
	}
	keys, err := w.ContextKeys(ctx, account, source, []string{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"AWS:requesttag/team":"true","aws:SecureTransport":"true"}}}]}`})
	w.must(err)
	if want := []string{"aws:PrincipalTag/Team", "aws:RequestTag/Team", "aws:SecureTransport", "aws:username"}; !slices.Equal(keys, want) {
		t.Errorf("the policies ask for %q, want %q", keys, want)
	}
}

func TestSimulateNonsense(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	actions := []string{"eks:ListClusters"}
	u, r := w.user("u"), w.role("r", trustsEKS)
	for name, in := range map[string]iam.Simulation{
		"Invalid action":     {Source: u.ARN(), Actions: []string{"eks:*"}},
		"Invalid resource":   {Source: u.ARN(), Actions: actions, Resources: []string{"b"}},
		"Json":               {Actions: actions, Policies: []string{"{"}},
		"of a user":          {Source: u.ARN(), Caller: r.ARN(), Actions: actions},
		"CallerArn":          {Source: r.ARN(), Actions: actions, Resource: allowAll},
		"at most 1000":       {Source: u.ARN(), Actions: slices.Repeat(actions, 501), Resources: []string{"*", "*"}},
		"user, group or rol": {Source: minato.NewARN("iam", "", account, "policy/p"), Actions: actions},
	} {
		_, err := w.Simulate(ctx, account, in)
		w.wants(err, minato.Invalid, iam.InvalidInput, name)
	}
	for _, missing := range []minato.ARN{minato.NewARN("iam", "", account, "user/v"), minato.NewARN("iam", "", account, "user/x/u"), minato.NewARN("iam", "", other, "user/u")} {
		_, err := w.Simulate(ctx, account, iam.Simulation{Source: missing, Actions: actions})
		w.wants(err, minato.NotFound, iam.NoSuchEntity, "cannot be found")
	}
	results, err := w.Simulate(ctx, account, iam.Simulation{Source: r.ARN(), Policies: []string{allowEKS}, Actions: actions})
	w.must(err)
	if !results[0].Allowed || results[0].Statement.Policy != "PolicyInputList.1" {
		t.Errorf("%+v", results)
	}
}
