package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

//go:embed lists
var files embed.FS

// lists say which tests are run, and what is expected of them.
type lists struct {
	none  []*regexp.Regexp // the tests that need no node; all others are of the subset one
	known []known
}

// known is a test that is not run, or fails.
type known struct {
	Test string `json:"test"` // a regular expression
	Run  bool   `json:"run"`  // it fails; else it is not run
	Why  string `json:"why"`

	match *regexp.Regexp
}

func readLists() (*lists, error) {
	b, err := files.ReadFile("lists/none.txt")
	if err != nil {
		return nil, err
	}
	l := &lists{}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		expression, err := regexp.Compile(line)
		if err != nil {
			return nil, fmt.Errorf("lists/none.txt: %w", err)
		}
		l.none = append(l.none, expression)
	}
	if b, err = files.ReadFile("lists/known.json"); err != nil {
		return nil, err
	}
	l.known, err = parseKnown(b)
	return l, err
}

// parseKnown reads lists/known.json. Each of its entries has a reason.
func parseKnown(b []byte) (all []known, err error) {
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("lists/known.json: %w", err)
	}
	for i, k := range all {
		if k.Why == "" {
			return nil, fmt.Errorf("lists/known.json: %q has no reason", k.Test)
		}
		if all[i].match, err = regexp.Compile(k.Test); err != nil {
			return nil, fmt.Errorf("lists/known.json: %w", err)
		}
	}
	return all, nil
}

// choose are the tests of a subset that are run, and those that are known not to be.
func (l *lists) choose(names []string, subset, focus string) (chosen []string, left []result) {
	wanted := regexp.MustCompile(focus)
	for _, name := range names {
		none := slices.ContainsFunc(l.none, func(e *regexp.Regexp) bool { return e.MatchString(name) })
		if none != (subset == "none") || !wanted.MatchString(name) {
			continue
		}
		if k, ok := l.find(name); ok && !k.Run {
			left = append(left, result{Name: name, Outcome: notRun, Message: k.Why})
			continue
		}
		chosen = append(chosen, name)
	}
	return chosen, left
}

func (l *lists) find(name string) (known, bool) {
	i := slices.IndexFunc(l.known, func(k known) bool { return k.match.MatchString(name) })
	if i < 0 {
		return known{}, false
	}
	return l.known[i], true
}

func quote(name string) string { return regexp.QuoteMeta(name) }
