package ec2_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/iam"
)

// TestAuthorizedOn writes down what IAM is asked for some calls, as the Service Authorization Reference lists it.
func TestAuthorizedOn(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), t.Context()
	var asked []string
	s.Authorize = func(_ context.Context, a iam.Access) error {
		line := a.Action + " " + strings.TrimPrefix(a.Resource.String(), "arn:aws:")
		for _, key := range []string{"aws:requesttag/team", "aws:resourcetag/team", "ec2:createaction", "ec2:instancetype", "iam:passedtoservice"} {
			if v := a.Context[key]; len(v) > 0 {
				line += " " + key + "=" + v[0]
			}
		}
		asked = append(asked, line)
		return nil
	}
	vpc, err := s.CreateVPC(ctx, caller, "10.0.0.0/16", minato.Tags{"team": "a"})
	if err != nil {
		t.Fatal(err)
	}
	subnet, err := s.CreateSubnet(ctx, caller, ec2.NewSubnet{VPCID: vpc.ID, CIDR: "10.0.0.0/24"})
	if err != nil {
		t.Fatal(err)
	}
	image, _ := s.ImageFor("1.35", true)
	run := ec2.RunInstances{
		Spec:     ec2.InstanceSpec{ImageID: image.ID, Type: "t3.small", Profile: ec2.ProfileSpec{Name: "node"}, Tags: []ec2.TagSpec{{"instance", minato.Tags{"team": "b"}}}},
		MinCount: 1, MaxCount: 1, SubnetID: subnet.ID,
	}
	instances, err := s.RunInstances(ctx, caller, run)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.TerminateInstances(ctx, caller, []string{instances[0].ID}); err != nil {
		t.Fatal(err)
	}
	here := "ec2:us-east-1:111122223333:"
	want := []string{
		"ec2:CreateVpc " + here + "vpc/* aws:requesttag/team=a",
		"ec2:CreateTags " + here + "vpc/* aws:requesttag/team=a ec2:createaction=CreateVpc",
		"ec2:CreateSubnet " + here + "subnet/*",
		"ec2:CreateSubnet " + here + "vpc/" + vpc.ID + " aws:resourcetag/team=a",
		"ec2:RunInstances " + here + "instance/* aws:requesttag/team=b ec2:instancetype=t3.small",
		"ec2:CreateTags " + here + "instance/* aws:requesttag/team=b ec2:createaction=RunInstances ec2:instancetype=t3.small",
		"ec2:RunInstances " + here + "network-interface/* ec2:instancetype=t3.small",
		"ec2:RunInstances " + here + "volume/* ec2:instancetype=t3.small",
		"ec2:RunInstances ec2:us-east-1::image/" + image.ID + " ec2:instancetype=t3.small",
		"ec2:RunInstances " + here + "subnet/" + subnet.ID,
		"iam:PassRole iam::111122223333:role/node iam:passedtoservice=ec2.amazonaws.com",
		"ec2:TerminateInstances " + here + "instance/" + instances[0].ID + " aws:resourcetag/team=b",
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestDeniedLearnsNothing: whoever may not do a thing is told the same whether its object exists or not.
func TestDeniedLearnsNothing(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), t.Context()
	vpcs, err := s.DescribeVPCs(ctx, caller, ec2.Describe{})
	if err != nil {
		t.Fatal(err)
	}
	s.Authorize = func(_ context.Context, a iam.Access) error { return minato.Errorf(minato.Denied, "no") }
	for _, id := range []string{vpcs.Items[0].ID, "vpc-x"} {
		for name, err := range map[string]error{
			"DeleteVpc":  s.DeleteVPC(ctx, caller, id),
			"CreateTags": s.CreateTags(ctx, caller, []string{id}, minato.Tags{"a": "b"}),
			"modify":     s.ModifyVPC(ctx, caller, id, ec2.VPCAttributes{}),
		} {
			if reasonOf(err) != "UnauthorizedOperation" {
				t.Errorf("%s of %s: %v", name, id, err)
			}
		}
	}
}

// TestCompleteDefaults opens the records of a Minato before nodes.
func TestCompleteDefaults(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), t.Context()
	vpc, subnet := "vpc-0000000000000001a", "subnet-000000000000001a"
	other := minato.Scope{Account: "444455556666", Region: "us-east-1"}
	at := func(kind, id string) string { return "/minato/ec2/" + kind + "/444455556666/us-east-1" + id }
	record := func(data string) []byte { return []byte(`{"v":1,"data":` + data + `}`) }
	const in = `"scope":{"Account":"444455556666","Region":"us-east-1"}`
	_, err := s.Store.Commit(ctx,
		store.Create(at("defaults", ""), record(`{"vpcId":"`+vpc+`"}`)),
		store.Create(at("vpcs", "/"+vpc), record(`{`+in+`,"id":"`+vpc+`","cidr":"172.31.0.0/16","associationId":"vpc-cidr-assoc-1","dhcpOptionsId":"dopt-1","isDefault":true}`)),
		store.Create(at("subnets", "/"+subnet), record(`{`+in+`,"id":"`+subnet+`","vpcId":"`+vpc+`","cidr":"172.31.0.0/20","zone":"us-east-1a","zoneId":"use1-az1","defaultForAz":true}`)),
		store.Create(at("security-groups", "/sg-1"), record(`{`+in+`,"id":"sg-1","name":"default","vpcId":"`+vpc+`","ingress":[{"groups":["sg-1"]}],"egress":[{"cidrs":["0.0.0.0/0"]}]}`)),
	)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := s.EnsureDefaults(ctx, other); err != nil {
			t.Fatal(err)
		}
	}
	c := ec2.Caller{Scope: other}
	gateways, err := s.DescribeInternetGateways(ctx, c, ec2.Describe{})
	if err != nil || len(gateways.Items) != 1 || gateways.Items[0].VPCID != vpc {
		t.Errorf("the internet gateways are %+v, %v", gateways.Items, err)
	}
	tables, err := s.DescribeRouteTables(ctx, c, ec2.Describe{})
	if err != nil || len(tables.Items) != 1 || !tables.Items[0].Main() || len(tables.Items[0].Routes) != 2 || tables.Items[0].Routes[1].Blackhole {
		t.Errorf("the route tables are %+v, %v", tables.Items, err)
	}
	subnets, err := s.DescribeSubnets(ctx, c, ec2.Describe{})
	if err != nil || len(subnets.Items) != 1 || !subnets.Items[0].MapPublicIP {
		t.Errorf("the subnets are %+v, %v", subnets.Items, err)
	}
	rules, err := s.DescribeRules(ctx, c, ec2.Describe{})
	if err != nil || len(rules.Items) != 2 || slices.ContainsFunc(rules.Items, func(r ec2.RuleView) bool { return r.ID == "" }) {
		t.Errorf("the rules are %+v, %v", rules.Items, err)
	}
	image, _ := s.ImageFor("1.35", true)
	if _, err := s.Launch(ctx, other, ec2.Launch{Count: 1, Type: "t3.small", ImageID: image.ID, SubnetID: subnet}); err != nil {
		t.Error(err)
	}
}
