package policy_test

import (
	"testing"

	"minato.dev/minato/service/iam/policy"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]bool{
		`"Principal":"*"`:         true,
		`"Principal":{"AWS":"*"}`: true,
		`"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`:                                                             false,
		`"Principal":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}`:                             false,
		`"Principal":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":"111122223333","aws:UserAgent":"x"}}`:         false,
		`"Principal":"*","Condition":{"StringEqualsIfExists":{"aws:PrincipalAccount":"111122223333"}}`:                     true,
		`"Principal":"*","Condition":{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}`:                          true,
		`"Principal":"*","Condition":{"ForAllValues:StringEquals":{"aws:PrincipalAccount":"111122223333"}}`:                true,
		`"Principal":"*","Condition":{"Null":{"aws:PrincipalAccount":"false"}}`:                                            true,
		`"Principal":"*","Condition":{"StringLike":{"aws:UserAgent":"*"}}`:                                                 true,
		`"Principal":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}`:                                              true,
		`"Principal":"*","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/x"}}`:                             true,
		`"Principal":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":["111122223333","${aws:PrincipalAccount}"]}}`: true,
		`"Principal":"*","Condition":{"StringLike":{"aws:userid":"AROAEXAMPLE:*"}}`:                                        false,
		`"Principal":"*","Condition":{"StringLike":{"aws:userid":"*:*"}}`:                                                  true,
		`"Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`:                                          false,
		`"Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","0.0.0.0/1"]}}`:                            true,
		`"Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"::/0"}}`:                                                true,
	} {
		p, err := policy.Parse(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*",`+statement+`}]}`, policy.Resource)
		if err != nil {
			t.Errorf("%s: %v", statement, err)
			continue
		}
		if got := p.Public(); got != want {
			t.Errorf("%s: public is %t", statement, got)
		}
	}
}
