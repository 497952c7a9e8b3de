package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	l, err := parseKnown([]byte(`[{"test": "^known", "run": true, "why": "a bug"}]`))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		result      result
		want, shown string
	}{
		"passes":           {result{Name: "new", Outcome: "passed"}, "", "none: 1 passed\n"},
		"fails":            {result{Name: "new", Outcome: "failed", Message: "no"}, "failed: new: no", "none: 1 failed\n"},
		"fails as known":   {result{Name: "known", Outcome: "failed"}, "", "failed, as known: known: a bug\nnone: 1 failed\n"},
		"passes though":    {result{Name: "known", Outcome: "passed"}, "passes now", "none: 1 passed\n"},
		"skipped by suite": {result{Name: "new", Outcome: "skipped", Message: "one node"}, "", "skipped: new: one node\nnone: 1 skipped\n"},
		"not run":          {result{Name: "new", Outcome: notRun, Message: "no image"}, "", "not run: new: no image\nnone: 1 not run\n"},
		"not reached":      {result{Name: "new", Outcome: notReached}, "", "none: 1 not reached\n"},
	} {
		var shown strings.Builder
		err := report(&shown, &lists{known: l}, "none", []result{test.result})
		if err == nil != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if shown.String() != test.shown {
			t.Errorf("%s: prints %q, want %q", name, shown.String(), test.shown)
		}
	}
	if _, err := parseKnown([]byte(`[{"test": "x"}]`)); err == nil {
		t.Error("a known failure needs no reason")
	}
}

func TestReadResults(t *testing.T) {
	path := filepath.Join(t.TempDir(), reportFile)
	if err := os.WriteFile(path, []byte(`<testsuites><testsuite>
<testcase name="[SynchronizedBeforeSuite]" status="passed"></testcase>
<testcase name="[It] good" status="passed"></testcase>
<testcase name="[It] bad" status="failed"><failure message="" type="failed">[FAILED] no
In [It] at: x.go:1</failure></testcase>
<testcase name="[It] late" status="interrupted"><error message="" type="interrupted">by the user</error></testcase>
<testcase name="[It] picky" status="skipped"><skipped message="skipped - needs two nodes"></skipped></testcase>
<testcase name="[It] last" status="skipped"><skipped message="skipped"></skipped></testcase>
</testsuite></testsuites>`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readResults(path)
	want := []result{
		{"good", "passed", ""}, {"bad", "failed", "[FAILED] no"}, {"late", "interrupted", "by the user"},
		{"picky", "skipped", "needs two nodes"}, {"last", notReached, ""},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}
