package policy_test

import (
	"errors"
	"strings"
	"testing"

	"minato.dev/minato/service/iam/policy"
)

func TestMalformed(t *testing.T) {
	t.Parallel()
	const good = `"Effect":"Allow","Action":"s3:*","Resource":"*"`
	for _, c := range []struct {
		name, doc string
		kind      policy.Kind
		path      string // where the error must say it is
		reason    string // what it must contain
	}{
		{"not JSON", "{\n \"Version\": }", policy.Identity, "", "line 2"},
		{"cut off", `{"Statement":[`, policy.Identity, "", "This policy contains invalid Json: line 1, column 15: unexpected EOF"},
		{"something after it", doc("{"+good+"}") + "x", policy.Identity, "", "after the end"},
		{"no object", `[]`, policy.Identity, "", "want a JSON object"},
		{"version", `{"Version":"2026-01-01","Statement":[]}`, policy.Identity, "Version", "2012-10-17"},
		{"unknown element", `{"Statments":[]}`, policy.Identity, "Statments", "not an element"},
		{"no statement", `{"Version":"2012-10-17"}`, policy.Identity, "", "Statement is missing"},
		{"empty list of statements", doc(), policy.Identity, "Statement", "1 to"},
		{"statement is no object", doc(`1`), policy.Identity, "Statement[0]", "want an object"},
		{"no effect", doc(`{"Action":"s3:*","Resource":"*"}`), policy.Identity, "Statement[0]", "Effect"},
		{"effect", doc(`{"Effect":"allow","Action":"s3:*","Resource":"*"}`), policy.Identity, "Statement[0].Effect", "Invalid effect: allow"},
		{"no action", doc(`{"Effect":"Allow","Resource":"*"}`), policy.Identity, "Statement[0]", "must contain actions"},
		{"action without a vendor", doc(`{"Effect":"Allow","Action":"Get*","Resource":"*"}`), policy.Identity, "Statement[0].Action", "prefaced by a vendor"},
		{"vendor with a wildcard", doc(`{"Effect":"Allow","Action":"s*:Get","Resource":"*"}`), policy.Identity, "Statement[0].Action", "Vendor s* is not valid"},
		{"action twice", doc(`{` + good + `,"NotAction":"iam:*"}`), policy.Identity, "Statement[0].NotAction", "not both"},
		{"empty action list", doc(`{"Effect":"Allow","Action":[],"Resource":"*"}`), policy.Identity, "Statement[0].Action", "empty"},
		{"no resource", doc("{"+good+"}", `{"Effect":"Allow","Action":"s3:*"}`), policy.Identity, "Statement[1]", "must contain resources"},
		{"resource", doc(`{"Effect":"Allow","Action":"s3:*","Resource":"my-bucket"}`), policy.Identity, "Statement[0].Resource", "Resource my-bucket must be in ARN format"},
		{"partition", doc(`{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws-cn:s3:::b","arn:*:s3:::b","arn:foo:s3:::b"]}`), policy.Identity, "Statement[0].Resource", `Partition "foo" is not valid for resource "arn:foo:s3:::b".`},
		{"principal", doc("{" + good + `,"Principal":"*"}`), policy.Identity, "Statement[0].Principal", "should not specify a principal"},
		{"unknown element of a statement", doc("{" + good + `,"Foo":1}`), policy.Identity, "Statement[0].Foo", "not an element"},
		{"doubled member", doc("{" + good + `,"Effect":"Deny"}`), policy.Identity, "Statement[0]", "stands twice"},
		{"Sid", doc("{" + good + `,"Sid":"a b"}`), policy.Identity, "Statement[0].Sid", "alpha-numeric"},
		{"Sid twice", doc(`{"Sid":"A",`+good+"}", `{"Sid":"A",`+good+"}"), policy.Identity, "Statement[1]", "must be unique"},
		{"operator", doc("{" + good + `,"Condition":{"StringIs":{"a":"b"}}}`), policy.Identity, "Statement[0].Condition.StringIs", "Invalid Condition type : StringIs."},
		{"NullIfExists", doc("{" + good + `,"Condition":{"NullIfExists":{"a":"true"}}}`), policy.Identity, "Statement[0].Condition.NullIfExists", "Invalid Condition type"},
		{"address", doc("{" + good + `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/99"}}}`), policy.Identity, "Statement[0].Condition.IpAddress", "CIDR"},
		{"number", doc("{" + good + `,"Condition":{"NumericEquals":{"k":"1e999999999"}}}`), policy.Identity, "Statement[0].Condition.NumericEquals", "want a number"},
		{"condition value", doc("{" + good + `,"Condition":{"StringEquals":{"k":{}}}}`), policy.Identity, "Statement[0].Condition.StringEquals.k", "want a value"},
		{"variable", doc(`{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:username"}`), policy.Identity, "Statement[0].Resource", "not closed"},
		{"deep", `{"Statement":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}", policy.Identity, "Statement[0]", "nested"},
		{"large", `{"Id":"` + strings.Repeat("x", policy.MaxSize) + `"}`, policy.Identity, "", "bytes"},
		{"trust with a resource", doc(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}`), policy.Trust, "Statement[0].Resource", "Has prohibited field Resource"},
		{"trust without a principal", doc(`{"Effect":"Allow","Action":"sts:AssumeRole"}`), policy.Trust, "Statement[0]", "Missing required field Principal"},
		{"trust with other actions", doc(`{"Effect":"Allow","Principal":"*","Action":"s3:*"}`), policy.Trust, "Statement[0].Action", "may only specify STS AssumeRole actions"},
		{"principal kind", doc(`{"Effect":"Allow","Principal":{"Aws":"*"},"Action":"sts:AssumeRole"}`), policy.Trust, "Statement[0].Principal.Aws", "not a kind of principal"},
		{"principal with a wildcard", doc(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/*"},"Action":"sts:AssumeRole"}`), policy.Trust, "Statement[0].Principal.AWS", "Invalid principal"},
		{"group as principal", doc(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:group/g"},"Action":"sts:AssumeRole"}`), policy.Trust, "Statement[0].Principal.AWS", "Invalid principal"},
		{"service", doc(`{"Effect":"Allow","Principal":{"Service":"eks"},"Action":"sts:AssumeRole"}`), policy.Trust, "Statement[0].Principal.Service", `Invalid principal in policy: "SERVICE":"eks"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := policy.Parse(c.doc, c.kind)
			m, ok := errors.AsType[*policy.Malformed](err)
			if !ok {
				t.Fatalf("error = %v, want a *Malformed", err)
			}
			if !strings.HasPrefix(m.Path, c.path) || (c.path == "" && m.Path != "") || !strings.Contains(m.Error(), c.reason) {
				t.Errorf("error %q at %q, want %q at %q", m.Reason, m.Path, c.reason, c.path)
			}
		})
	}
}

func TestSingleStatement(t *testing.T) {
	t.Parallel()
	single := `{"Version":"2012-10-17","Id":"x","Statement":{"Sid":"","Effect":"Allow","Action":"*","Resource":"*"}}`
	if !one(t, single, policy.Request{Action: "a:b", Resource: "*"}) {
		t.Error("a statement that is not in a list does not count")
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	trust := parse(t, policy.Trust, doc(`{"Effect":"Allow","Principal":{"AWS":["`+userARN+`","`+account+`"],"Service":"a.b"},"Action":"sts:AssumeRole"}`))
	if got := trust.Principals(); len(got) != 1 || got[0] != userARN {
		t.Errorf("Principals() = %v, want the user only", got)
	}
	only := parse(t, policy.Trust, doc(`{"Effect":"Allow","Principal":{"AWS":"`+userARN+`"},"Action":"sts:AssumeRole"}`))
	for id, want := range map[string]bool{"AIDAALICE": true, "AIDAEARLIER": false} {
		bound := only.Bind(map[string]string{userARN: id})
		set := policy.Set{Resource: &policy.Named{Name: "trust", Policy: bound}}
		if got := policy.Evaluate(policy.Request{Principal: alice, Action: "sts:AssumeRole", Resource: roleARN}, set).Allowed; got != want {
			t.Errorf("bound to %s: allowed = %v, want %v", id, got, want)
		}
	}
}
