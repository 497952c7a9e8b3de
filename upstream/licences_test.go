package upstream_test

import (
	"go/build"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// permissive are the licences that a module in one of our binaries may have, by words that only they have.
var permissive = []string{
	"Apache License",
	"http://www.apache.org/licenses/LICENSE-2.0",
	"Permission is hereby granted, free of charge", // MIT
	"Redistribution and use in source and binary",  // BSD
	"Permission to use, copy, modify, and",         // ISC
	"Mozilla Public License",
	"CC0 1.0 Universal",
	"This is free and unencumbered software released into the public domain", // Unlicense
}

// required finds the modules in a go.mod.
var required = regexp.MustCompile(`(?m)^(?:require)?\s+([a-zA-Z0-9.\-]+\.[a-z]+/\S+) (v\S+)`)

// TestLicences reads the licence of every module that a go.mod of ours requires, as far as a build has downloaded it: what was
// never downloaded is in no binary.
func TestLicences(t *testing.T) {
	var mods []string
	for _, pattern := range []string{"../go.mod", "*/go.mod", "../kube/*/go.mod"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		mods = append(mods, found...)
	}
	read := map[string]bool{}
	for _, mod := range mods {
		b, err := os.ReadFile(mod)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range required.FindAllStringSubmatch(string(b), -1) {
			dir := filepath.Join(moduleCache(), escaped(m[1])+"@"+escaped(m[2]))
			if _, err := os.Stat(dir); err != nil || read[dir] {
				continue
			}
			read[dir] = true
			if !isPermissive(dir) {
				t.Errorf("%s, which %s requires, has no licence that is known to be permissive", filepath.Base(dir), mod)
			}
		}
	}
	if len(read) < 50 {
		t.Errorf("only %d modules were found in %s", len(read), moduleCache())
	}
}

// isPermissive is whether one of the licences in a folder is.
func isPermissive(dir string) bool {
	ok := false
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range files {
		name := strings.ToUpper(filepath.Base(file))
		if !strings.Contains(name, "LICEN") && !strings.HasPrefix(name, "COPYING") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		text := strings.Join(strings.Fields(string(b)), " ")
		for _, words := range permissive {
			ok = ok || strings.Contains(text, words)
		}
	}
	return ok
}

func moduleCache() string {
	if dir := os.Getenv("GOMODCACHE"); dir != "" {
		return dir
	}
	return filepath.Join(build.Default.GOPATH, "pkg", "mod")
}

// escaped is how the module cache spells capital letters.
func escaped(path string) string {
	var b strings.Builder
	for _, r := range path {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
