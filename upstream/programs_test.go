package upstream_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"minato.dev/minato/upstream"
)

// TestPins compares the table with the go.mod of each nested module, which is what the build goes by.
func TestPins(t *testing.T) {
	for _, m := range upstream.Modules() {
		b, err := os.ReadFile(filepath.Join("..", m.Dir(), "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		pin := regexp.MustCompile(`(?m)^(require)?\s+` + regexp.QuoteMeta(m.Module+" "+m.Version) + `( // indirect)?$`)
		if !pin.Match(b) {
			t.Errorf("%s/go.mod does not require %s %s", m.Dir(), m.Module, m.Version)
		}
		if len(m.Programs) == 0 {
			t.Errorf("%s has no programs", m.Name)
		}
		if m.C {
			continue
		}
		for _, program := range m.Names() {
			tool := regexp.MustCompile(`(?m)^(tool)?\s+` + regexp.QuoteMeta(m.Package(program)) + `$`)
			if !tool.Match(b) {
				t.Errorf("%s/go.mod has no tool %s, so go mod tidy would drop what it needs", m.Dir(), m.Package(program))
			}
		}
	}
}

// TestEveryNestedModule is in the table.
func TestEveryNestedModule(t *testing.T) {
	files, err := filepath.Glob("*/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if _, ok := upstream.Lookup(filepath.Dir(file)); !ok {
			t.Errorf("programs.json has no row for %s", file)
		}
	}
}

func TestBinaries(t *testing.T) {
	b := upstream.Binaries(t.TempDir())
	if err := b.Require("cni"); err == nil || !strings.Contains(err.Error(), "make upstream-cni") {
		t.Fatalf("an empty folder: %v, want the command that builds what is missing", err)
	}
	cni, _ := upstream.Lookup("cni")
	for _, program := range cni.Names() {
		path, ok := b.Path("cni", program)
		if ok {
			t.Fatalf("%s is built", program)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Require("cni"); err != nil {
		t.Error(err)
	}
	if missing := b.Missing(); len(missing) != len(upstream.Modules())-1 {
		t.Errorf("missing: %v", missing)
	}
	if err := os.Chmod(filepath.Join(b.Dir("cni"), "loopback"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.Require("cni"); err == nil {
		t.Error("a file that cannot be executed counts as built")
	}
}
