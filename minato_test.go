package minato_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"minato.dev/minato"
)

func TestParseARN(t *testing.T) {
	for s, want := range map[string]minato.ARN{
		"arn:aws:iam::111122223333:role/path/ops":      {Partition: "aws", Service: "iam", Account: "111122223333", Resource: "role/path/ops"},
		"arn:aws:eks:us-east-1:111122223333:cluster/a": {Partition: "aws", Service: "eks", Region: "us-east-1", Account: "111122223333", Resource: "cluster/a"},
		"arn:aws:s3:::bucket/key:with:colons":          {Partition: "aws", Service: "s3", Resource: "bucket/key:with:colons"},
	} {
		got, err := minato.ParseARN(s)
		if err != nil || got != want {
			t.Errorf("ParseARN(%q) = %+v, %v, want %+v", s, got, err, want)
		}
		if got.String() != s {
			t.Errorf("ParseARN(%q).String() = %q", s, got)
		}
	}
	for _, s := range []string{"", "arn", "arn:aws:iam::1", "urn:aws:iam::1:role/x", "arn:aws:iam::1:", "arn::iam::1:role/x"} {
		if _, err := minato.ParseARN(s); !minato.Is(err, minato.Invalid) {
			t.Errorf("ParseARN(%q): error %v, want one of kind Invalid", s, err)
		}
	}
}

func TestARNParts(t *testing.T) {
	a := minato.NewARN("iam", "", "111122223333", "role/path/ops")
	for name, got := range map[string][2]string{
		"type": {a.ResourceType(), "role"},
		"id":   {a.ResourceID(), "path/ops"},
		"name": {a.ResourceName(), "ops"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s of %s is %q, want %q", name, a, got[0], got[1])
		}
	}
}

func TestARNInRecords(t *testing.T) {
	type record struct {
		A minato.ARN `json:"a"`
		B minato.ARN `json:"b"`
	}
	in := record{A: minato.NewARN("iam", "", "111122223333", "user/x")}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"a":"arn:aws:iam::111122223333:user/x","b":""}`; string(b) != want {
		t.Errorf("got %s, want %s", b, want)
	}
	var out record
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("got %+v, %v, want %+v", out, err, in)
	}
}

func TestPrincipalNames(t *testing.T) {
	session := minato.Principal{
		Type: minato.AssumedRole, Account: "111122223333", ID: "AROAEXAMPLE:alice", SessionName: "alice",
		ARN:     minato.NewARN("sts", "", "111122223333", "assumed-role/ops/alice"),
		RoleARN: minato.NewARN("iam", "", "111122223333", "role/team/a/ops"),
	}
	user := minato.Principal{Type: minato.IAMUser, ID: "AIDAEXAMPLE", ARN: minato.NewARN("iam", "", "111122223333", "user/x")}
	for _, c := range []struct{ got, want string }{
		{session.IAMARN().String(), "arn:aws:iam::111122223333:role/team/a/ops"},
		{session.CanonicalARN().String(), "arn:aws:iam::111122223333:role/ops"},
		{session.UniqueID(), "AROAEXAMPLE"},
		{user.CanonicalARN().String(), "arn:aws:iam::111122223333:user/x"},
		{user.UniqueID(), "AIDAEXAMPLE"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestErrorKinds(t *testing.T) {
	cause := errors.New("disk full")
	err := fmt.Errorf("while creating: %w", minato.Errorf(minato.Unavailable, "try again: %w", cause).With("clusterName", "prod"))
	if !minato.Is(err, minato.Unavailable) || minato.Is(err, minato.NotFound) {
		t.Errorf("kind of %v is %q", err, minato.KindOf(err))
	}
	if !errors.Is(err, cause) {
		t.Errorf("%v has lost its cause", err)
	}
	if k := minato.KindOf(cause); k != minato.Internal {
		t.Errorf("an error without a kind is %q, want %q", k, minato.Internal)
	}
	if minato.KindOf(nil) != "" || minato.Is(nil, minato.Internal) {
		t.Error("nil has a kind")
	}
}
