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
		"[sig-network] DNS should provide DNS for the cluster [Conformance]",
	}
	for subset, want := range map[string]string{"none": names[0] + names[2], "one": names[1]} {
		if got := strings.Join(l.choose(names, subset, ""), ""); got != want {
			t.Errorf("with %s: %s, want %s", subset, got, want)
		}
	}
	if got := l.choose(names, "none", "Watchers"); len(got) != 1 {
		t.Errorf("with a focus: %q", got)
	}
}

func TestReport(t *testing.T) {
	l, err := parseKnown([]byte(`[{"test": "^known", "run": true, "why": "a bug"}]`))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		result result
		want   string
	}{
		"passes":           {result{name: "new", outcome: "passed"}, ""},
		"fails":            {result{name: "new", outcome: "failed", message: "no"}, "failed: new: no"},
		"fails as known":   {result{name: "known", outcome: "failed"}, ""},
		"passes though":    {result{name: "known", outcome: "passed"}, "passes now"},
		"skipped by suite": {result{name: "new", outcome: "skipped"}, ""},
	} {
		err := report(&lists{known: l}, "none", []result{test.result})
		if err == nil != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if _, err := parseKnown([]byte(`[{"test": "x"}]`)); err == nil {
		t.Error("a known failure needs no reason")
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
