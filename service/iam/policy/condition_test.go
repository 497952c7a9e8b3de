package policy_test

import (
	"fmt"
	"testing"

	"minato.dev/minato/service/iam/policy"
)

func TestConditions(t *testing.T) {
	t.Parallel()
	context := map[string][]string{
		"aws:username":         {"Alice"},
		"aws:principalarn":     {"arn:aws:iam::111122223333:role/team/ops"},
		"aws:sourceip":         {"203.0.113.7"},
		"aws:currenttime":      {"2026-11-23T12:00:00Z"},
		"aws:epochtime":        {"1795435200"},
		"aws:securetransport":  {"false"},
		"empty":                {""},
		"s3:max-keys":          {"10"},
		"aws:tagkeys":          {"team", "env"},
		"aws:requesttag/team":  {"red"},
		"x:blob":               {"aGVsbG8="},
		"x:v6":                 {"2001:db8::5"},
		"x:word":               {"not a number"},
		"aws:principaltag/who": {"Alice"},
	}
	for _, c := range []struct {
		condition string
		want      bool
	}{
		{`"StringEquals":{"aws:username":"Alice"}`, true},
		{`"StringEquals":{"AWS:USERNAME":"Alice"}`, true},
		{`"StringEquals":{"aws:username":"alice"}`, false},
		{`"StringEquals":{"aws:username":"A*"}`, false},
		{`"StringEquals":{"aws:username":["bob","Alice"]}`, true},
		{`"StringEquals":{"aws:username":"Alice","aws:requesttag/team":"blue"}`, false},
		{`"StringEquals":{"aws:username":"${aws:PrincipalTag/who}"}`, true},
		{`"StringEquals":{"missing":"x"}`, false},
		{`"StringEquals":{"aws:username":[]}`, false},
		{`"StringEqualsIfExists":{"missing":"x"}`, true},
		{`"StringEqualsIfExists":{"aws:username":"x"}`, false},
		{`"StringNotEquals":{"aws:username":["bob","carol"]}`, true},
		{`"StringNotEquals":{"aws:username":["bob","Alice"]}`, false},
		{`"StringNotEquals":{"missing":"x"}`, true},
		{`"StringEqualsIgnoreCase":{"aws:username":"aLICE"}`, true},
		{`"StringNotEqualsIgnoreCase":{"aws:username":"aLICE"}`, false},
		{`"StringLike":{"aws:username":"A?ic*"}`, true},
		{`"StringLike":{"aws:username":"a*"}`, false},
		{`"StringNotLike":{"aws:username":"A*"}`, false},
		{`"StringLike":{"aws:username":"Alic${?}"}`, false},
		{`"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"}`, true},
		{`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/team/ops"}`, true},
		{`"ArnLike":{"aws:PrincipalArn":"arn:aws:*:111122223333:role/*:x:y"}`, false},
		{`"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/dev-*"}`, true},
		{`"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}`, false},
		{`"ArnLike":{"aws:username":"arn:aws:iam::*:role/*"}`, false},
		{`"NumericEquals":{"s3:max-keys":10}`, true},
		{`"NumericEquals":{"s3:max-keys":"10.0"}`, true},
		{`"NumericNotEquals":{"s3:max-keys":"10"}`, false},
		{`"NumericLessThan":{"s3:max-keys":"10"}`, false},
		{`"NumericLessThanEquals":{"s3:max-keys":"10"}`, true},
		{`"NumericGreaterThan":{"s3:max-keys":"9.5"}`, true},
		{`"NumericGreaterThanEquals":{"s3:max-keys":"11"}`, false},
		{`"NumericLessThan":{"x:word":"10"}`, false},
		{`"DateGreaterThan":{"aws:CurrentTime":"2026-11-01T00:00:00Z"}`, true},
		{`"DateLessThan":{"aws:CurrentTime":"2026-11-01"}`, false},
		{`"DateEquals":{"aws:EpochTime":"1795435200"}`, true},
		{`"DateNotEquals":{"aws:EpochTime":"2026-11-23T12:00:00Z"}`, false},
		{`"DateLessThanEquals":{"aws:EpochTime":"2026-11-23T12:00:00Z"}`, true},
		{`"DateGreaterThanEquals":{"aws:CurrentTime":"2027"}`, false},
		{`"Bool":{"aws:SecureTransport":"false"}`, true},
		{`"Bool":{"aws:SecureTransport":true}`, false},
		{`"BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}`, true},
		{`"BinaryEquals":{"x:blob":"aGVsbG8="}`, true},
		{`"BinaryEquals":{"x:blob":"aGVsbA=="}`, false},
		{`"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, true},
		{`"IpAddress":{"aws:SourceIp":["198.51.100.0/24","203.0.113.7"]}`, true},
		{`"NotIpAddress":{"aws:SourceIp":["198.51.100.0/24","203.0.113.7"]}`, false},
		{`"IpAddress":{"x:v6":"2001:db8::/32"}`, true},
		{`"IpAddress":{"x:v6":"0.0.0.0/0"}`, false},
		{`"Null":{"aws:TokenIssueTime":"true"}`, true},
		{`"Null":{"aws:TokenIssueTime":"false"}`, false},
		{`"Null":{"aws:username":false}`, true},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["team","env","cost"]}`, true},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}`, false},
		{`"ForAllValues:StringEquals":{"missing":["team"]}`, true},
		{`"ForAllValues:StringEquals":{"empty":["team"]}`, true},
		{`"ForAnyValue:StringEquals":{"empty":["team"]}`, false},
		{`"ForAllValues:StringNotEquals":{"aws:TagKeys":["cost"]}`, true},
		{`"ForAllValues:StringNotEquals":{"aws:TagKeys":["env"]}`, false},
		{`"ForAnyValue:StringEquals":{"aws:TagKeys":["env","x"]}`, true},
		{`"ForAnyValue:StringEquals":{"aws:TagKeys":["x"]}`, false},
		{`"ForAnyValue:StringEquals":{"missing":["x"]}`, false},
		{`"ForAnyValue:StringEqualsIfExists":{"missing":["x"]}`, true},
		{`"ForAnyValue:StringNotEquals":{"aws:TagKeys":["env"]}`, true},
		{`"ForAnyValue:StringNotEquals":{"missing":["env"]}`, false},
		{`"ForAnyValue:StringLike":{"aws:TagKeys":"te*"}`, true},
		{`"StringEquals":{"aws:username":"Alice"},"Bool":{"aws:SecureTransport":"true"}`, false},
		{``, true},
	} {
		t.Run(c.condition, func(t *testing.T) {
			text := doc(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{` + c.condition + `}}`)
			if got := one(t, text, policy.Request{Action: "s3:ListBucket", Resource: "*", Context: context}); got != c.want {
				t.Errorf("holds = %v, want %v", got, c.want)
			}
		})
	}
}

// Every operator has its negation, and the two never agree on a key with one value.
func TestNegatedOperators(t *testing.T) {
	t.Parallel()
	for plain, negated := range map[string]string{
		"StringEquals": "StringNotEquals", "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase", "StringLike": "StringNotLike",
		"ArnEquals": "ArnNotEquals", "ArnLike": "ArnNotLike", "NumericEquals": "NumericNotEquals",
		"DateEquals": "DateNotEquals", "IpAddress": "NotIpAddress",
	} {
		for _, value := range []string{"10", "192.0.2.1", "arn:aws:iam::1:role/a", "2026-01-01"} {
			listed := value
			switch plain {
			case "ArnEquals", "ArnLike":
				listed = "arn:aws:iam::1:role/*"
			case "NumericEquals":
				listed = "10"
			case "DateEquals":
				listed = "2026-01-01"
			case "IpAddress":
				listed = "192.0.2.0/24"
			}
			holds := func(operator string) bool {
				text := doc(fmt.Sprintf(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"%s":{"k":"%s"}}}`, operator, listed))
				return one(t, text, policy.Request{Action: "a:b", Resource: "*", Context: map[string][]string{"k": {value}}})
			}
			if holds(plain) == holds(negated) {
				t.Errorf("%s and %s agree on %q against %q", plain, negated, value, listed)
			}
		}
	}
}
