package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// result is what came of a test.
type result struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`           // ginkgo's word, or notRun or notReached
	Message string `json:"message,omitempty"` // why
}

// settled is whether there is nothing to be learnt by running the test again: it has passed, or has looked at the cluster and skipped.
func (r result) settled() bool { return r.Outcome == passed || r.Outcome == skipped }

// Outcomes: those of ginkgo's that mean something here, and ours.
const (
	passed     = "passed"
	skipped    = "skipped"     // by the test itself, which has looked at the cluster
	notRun     = "not run"     // by our list of known failures
	notReached = "not reached" // before the run was interrupted
)

// reportFile is the name that the suite gives its report.
const reportFile = "junit_01.xml"

// readResults reads a report of the suite's.
func readResults(path string) ([]result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	type problem struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	var report struct {
		Suites []struct {
			Cases []struct {
				Name    string   `xml:"name,attr"`
				Status  string   `xml:"status,attr"`
				Failure *problem `xml:"failure"`
				Error   *problem `xml:"error"`
				Skipped *problem `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b, &report); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var results []result
	for _, s := range report.Suites {
		for _, c := range s.Cases {
			name, isTest := strings.CutPrefix(c.Name, "[It] ")
			if !isTest {
				continue
			}
			r := result{Name: name, Outcome: c.Status}
			for _, p := range []*problem{c.Failure, c.Error} {
				if p != nil {
					r.Message, _, _ = strings.Cut(strings.TrimSpace(p.Message+p.Text), "\nIn [") // where, and goroutines: the report has it
				}
			}
			if c.Skipped != nil {
				// A test that skips says why. One that was left out, or that an interrupted run did not come to, does not.
				why, says := strings.CutPrefix(c.Skipped.Message, "skipped - ")
				if r.Message = why; !says {
					r.Outcome, r.Message = notReached, ""
				}
			}
			results = append(results, r)
		}
	}
	return results, nil
}

// report prints what came of a subset. It is an error when a test failed that is not known to, or passed though it is.
func report(w io.Writer, l *lists, subset string, results []result) error {
	counts := map[string]int{}
	var unexpected []error
	for _, r := range results {
		counts[r.Outcome]++
		k, isKnown := l.find(r.Name)
		switch {
		case r.Outcome == skipped || r.Outcome == notRun:
			fmt.Fprintf(w, "%s: %s: %s\n", r.Outcome, r.Name, r.Message)
		case r.Outcome == notReached:
		case r.Outcome == passed && isKnown:
			unexpected = append(unexpected, fmt.Errorf("passes now, though lists/known.json says %q: %s", k.Why, r.Name))
		case r.Outcome != passed && !isKnown:
			unexpected = append(unexpected, fmt.Errorf("%s: %s: %s", r.Outcome, r.Name, r.Message))
		case r.Outcome != passed:
			fmt.Fprintf(w, "%s, as known: %s: %s\n", r.Outcome, r.Name, k.Why)
		}
	}
	var words []string
	for _, outcome := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%d %s", counts[outcome], outcome))
	}
	fmt.Fprintf(w, "%s: %s\n", subset, strings.Join(words, ", "))
	return errors.Join(unexpected...)
}
