package deptest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// maxLines is where a file is split by noun.
const maxLines = 800

// vagueNames are folder names that say nothing of what is inside, so that everything ends up there.
var vagueNames = []string{"base", "common", "helper", "helpers", "lib", "misc", "pkg", "shared", "util", "utils"}

func TestFolderNames(t *testing.T) {
	t.Parallel()
	for path := range sourceFiles(t) {
		for _, name := range strings.Split(filepath.ToSlash(filepath.Dir(path)), "/") {
			if slices.Contains(vagueNames, name) {
				t.Errorf("%s: a folder named %q; name it by the noun it holds", path, name)
			}
		}
	}
}

func TestFileLengths(t *testing.T) {
	t.Parallel()
	for path, content := range sourceFiles(t) {
		if n := bytes.Count(content, []byte("\n")); n > maxLines && !generated(t, path, content) {
			t.Errorf("%s has %d lines; past %d split it by noun", path, n, maxLines)
		}
	}
}

func TestPackageComments(t *testing.T) {
	t.Parallel()
	documented := map[string][]string{} // package folder -> files with a package comment
	for path, content := range sourceFiles(t) {
		f := parse(t, path, content)
		if strings.HasSuffix(f.Name.Name, "_test") {
			continue // the same room, seen from outside
		}
		dir := filepath.Dir(path)
		files := documented[dir]
		if f.Doc != nil {
			files = append(files, path)
		}
		documented[dir] = files
	}
	for dir, files := range documented {
		switch len(files) {
		case 1:
		case 0:
			t.Errorf("%s has no package comment", dir)
		default:
			t.Errorf("%s has %d package comments, want one: %v", dir, len(files), files)
		}
	}
}

// sourceFiles are all Go files of the tree, nested modules included, by path from the root.
func sourceFiles(t *testing.T) map[string][]byte {
	t.Helper()
	root := filepath.Join("..", "..")
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() && (rel == "bin" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && rel != ".") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		files[rel], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("found only %d Go files under %s", len(files), root)
	}
	return files
}

func generated(t *testing.T, path string, content []byte) bool {
	t.Helper()
	return ast.IsGenerated(parse(t, path, content))
}

func parse(t *testing.T, path string, content []byte) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, content, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
