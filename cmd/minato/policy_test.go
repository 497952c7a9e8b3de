package main

import (
	"strings"
	"testing"

	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/service/eks"
)

// TestExamplePolicy is that the file in the help text is one that the server takes.
func TestExamplePolicy(t *testing.T) {
	var file strings.Builder
	for line := range strings.Lines(policyCommand().Long) {
		if example, ok := strings.CutPrefix(line, "    "); ok {
			file.WriteString(example)
		}
	}
	p, err := policies.ParseCustom(eks.CustomPolicyARN("111122223333", "Debugger"), file.String())
	if err != nil {
		t.Fatal(err)
	}
	if !p.Allows(policies.Request{Verb: "create", Resource: "pods", Subresource: "exec"}) || p.Allows(policies.Request{Verb: "get", Resource: "secrets"}) {
		t.Errorf("it does not do what it says:\n%s", file.String())
	}
}

func TestReadPolicy(t *testing.T) {
	got, err := readPolicy(strings.NewReader("include: AmazonEKSViewPolicy\n"), "-")
	if err != nil || string(got) != "include: AmazonEKSViewPolicy\n" {
		t.Errorf("standard input: %q, %v", got, err)
	}
	got, err = readPolicy(nil, "/dev/zero")
	if _, refused := policies.ParseCustom(eks.CustomPolicyARN("111122223333", "Debugger"), string(got)); err != nil || refused == nil {
		t.Errorf("%d bytes of an endless file, %v, are taken", len(got), err)
	}
}
