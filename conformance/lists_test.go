package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestLists(t *testing.T) {
	l, err := readLists()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{
		"[sig-api-machinery] Watchers should observe [Conformance]",
		"[sig-apps] Deployment should run the lifecycle of a Deployment [Conformance]",
		"[sig-auth] SubjectReview should support SubjectReview API operations [Conformance]",
		"[sig-architecture] Conformance Tests should have at least two untainted nodes [Conformance]",
	}
	for subset, want := range map[string]string{"none": names[0] + names[2], "one": names[1]} {
		if got, _ := l.choose(names, subset, ""); strings.Join(got, "") != want {
			t.Errorf("with %s: %q, want %s", subset, got, want)
		}
	}
	if got, _ := l.choose(names, "none", "Watchers"); len(got) != 1 {
		t.Errorf("with a focus: %q", got)
	}
	if _, left := l.choose(names, "one", ""); len(left) != 1 || left[0].Name != names[3] || left[0].Message == "" {
		t.Errorf("not run: %+v, want the test for two nodes with a reason", left)
	}
}

// TestSuiteVersion is that the suite is of the default minor, which it is run on.
func TestSuiteVersion(t *testing.T) {
	b, err := os.ReadFile("../kube/versions.json")
	if err != nil {
		t.Fatal(err)
	}
	var minors []struct {
		Patch   string
		Default bool
	}
	if err := json.Unmarshal(b, &minors); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile("suite/go.mod"); err != nil {
		t.Fatal(err)
	}
	for _, minor := range minors {
		if minor.Default && !strings.Contains(string(b), "require k8s.io/kubernetes "+minor.Patch+"\n") {
			t.Errorf("the suite is not of the default minor, %s", minor.Patch)
		}
	}
}
