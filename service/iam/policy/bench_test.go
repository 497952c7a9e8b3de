package policy_test

import (
	"fmt"
	"testing"

	"minato.dev/minato/service/iam/policy"
)

func BenchmarkEvaluate(b *testing.B) {
	var set policy.Set
	for i := range 10 {
		text := doc(
			fmt.Sprintf(`{"Effect":"Allow","Action":["s%d:*","ec2:Describe*"],"Resource":"*"}`, i),
			`{"Effect":"Allow","Action":"eks:*","Resource":"arn:aws:eks:*:*:cluster/${aws:PrincipalTag/team}-*","Condition":{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}}`)
		p, err := policy.Parse(text, policy.Identity)
		if err != nil {
			b.Fatal(err)
		}
		set.Identity = append(set.Identity, policy.Named{Name: fmt.Sprint(i), Policy: p})
	}
	r := policy.Request{Principal: alice, Action: "eks:DescribeCluster", Resource: "arn:aws:eks:us-east-1:111122223333:cluster/red-1",
		Context: map[string][]string{"aws:principaltag/team": {"red"}, "aws:requestedregion": {"us-east-1"}}}
	b.ReportAllocs()
	for b.Loop() {
		if !policy.Evaluate(r, set).Allowed {
			b.Fatal("denied")
		}
	}
}
