package aws

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
)

// TestConditionKeys holds the keys that AWS always has: a Deny that spares services of AWS goes by them.
func TestConditionKeys(t *testing.T) {
	t.Parallel()
	c := Call{Scope: minato.Scope{Region: "us-east-1"}, SourceIP: "203.0.113.7", TLS: true}
	want := map[string][]string{
		"aws:requestedregion": {"us-east-1"}, "aws:securetransport": {"true"}, "aws:sourceip": {"203.0.113.7"},
		"aws:viaawsservice": {"false"}, "aws:principalisawsservice": {"false"},
	}
	if diff := cmp.Diff(want, c.ConditionKeys()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
