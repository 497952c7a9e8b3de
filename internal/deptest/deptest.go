// Package deptest holds the house to its floor plan: which room may import which, where foreign modules may enter, and the few
// rules about files and names that keep rooms findable. Every rule has a reason, and every exception to one has another.
package deptest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// module is the path that all our packages begin with.
const module = "minato.dev/minato"

// Package is one of our packages with what it imports.
type Package struct {
	Path    string   // within the module: "engine/store"; empty for the root
	Imports []string // full import paths, test files left out
}

// Rule forbids some imports.
type Rule struct {
	Name   string
	Reason string
	// Allows is whether pkg, a path within the module, may import what, which is a path within the module too when ours.
	Allows func(pkg, what string, ours bool) bool
	// Exceptions are imports, "package -> what", that the rule would forbid, with the reason why each is right.
	Exceptions map[string]string
}

// Check finds what breaks the rules, and exceptions that nothing needs any more.
func Check(rules []Rule, packages []Package) (broken []string) {
	for _, rule := range rules {
		used := map[string]bool{}
		for _, p := range packages {
			for _, imported := range p.Imports {
				what, ours := strings.CutPrefix(imported, module)
				what = strings.TrimPrefix(what, "/")
				if rule.Allows(p.Path, what, ours) {
					continue
				}
				edge := p.Path + " -> " + what
				if _, ok := rule.Exceptions[edge]; ok {
					used[edge] = true
					continue
				}
				broken = append(broken, fmt.Sprintf("%s (rule %q: %s)", edge, rule.Name, rule.Reason))
			}
		}
		for _, edge := range slices.Sorted(maps.Keys(rule.Exceptions)) {
			if !used[edge] {
				broken = append(broken, fmt.Sprintf("rule %q has an exception that nothing needs: %s", rule.Name, edge))
			}
		}
	}
	return broken
}

// under is whether a path is one of the folders or lies in one.
func under(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return path == folder || strings.HasPrefix(path, folder+"/")
	})
}

// room is the first folder of a path; the root package is the room "minato".
func room(path string) string {
	first, _, _ := strings.Cut(path, "/")
	if first == "" {
		return "minato"
	}
	return first
}

// standard is whether an import path is of the standard library: its first element has no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}
