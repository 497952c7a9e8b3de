package policy_test

import (
	"errors"
	"testing"

	"minato.dev/minato/service/iam/policy"
)

// FuzzParse: any document is refused with a place and a reason, or can be evaluated; and one that names nobody but denies
// everything never allows.
func FuzzParse(f *testing.F) {
	f.Add(doc(`{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:username, 'x'}/*"}`), "s3:GetObject", "arn:aws:s3:::a/b", "a")
	f.Add(doc(`{"Effect":"Deny","NotAction":"iam:*","NotResource":"*","Condition":{"ForAllValues:StringLikeIfExists":{"k":["a*?b"]}}}`), "s3:Get", "*", "a b")
	f.Add(doc(`{"Effect":"Allow","Principal":{"AWS":["111122223333"]},"Action":"sts:*","Condition":{"DateLessThan":{"k":"2026"},"NumericEquals":{"k":1}}}`), "sts:AssumeRole", "arn:aws:iam::1:role/x", "7")
	f.Add(`{"Statement":[{}]}`, "", "", "")
	f.Fuzz(func(t *testing.T, text, action, resource, value string) {
		r := policy.Request{Principal: alice, Action: action, Resource: resource,
			Context: map[string][]string{"k": {value}, "aws:username": {value}}}
		never := policy.Named{Policy: parse(t, policy.Identity, doc(`{"Effect":"Deny","Action":"*","Resource":"*"}`))}
		for _, kind := range []policy.Kind{policy.Identity, policy.Resource, policy.Trust} {
			p, err := policy.Parse(text, kind)
			if err != nil {
				if m, ok := errors.AsType[*policy.Malformed](err); !ok || m.Reason == "" {
					t.Fatalf("error %v is not a *Malformed with a reason", err)
				}
				continue
			}
			set := policy.Set{Resource: &policy.Named{Name: "fuzzed", Policy: p}, Session: []policy.Named{{Policy: p}}}
			d := policy.Evaluate(r, set)
			if again := policy.Evaluate(r, set); again.Allowed != d.Allowed {
				t.Fatal("the same question has two answers")
			}
			set.Identity = []policy.Named{never}
			if policy.Evaluate(r, set).Allowed {
				t.Fatal("allowed against an explicit deny")
			}
		}
	})
}
