package upstream

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Binaries is the folder that upstream/build builds into: NAME/PROGRAM for each program of a row.
type Binaries string

// Path is a program of a row, and whether it has been built.
func (b Binaries) Path(name, program string) (string, bool) {
	path := filepath.Join(b.Dir(name), program)
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Dir is the folder that holds all programs of a row, such as the CNI plugins.
func (b Binaries) Dir(name string) string { return filepath.Join(string(b), name) }

// Missing are those of some rows that have a program which is not built. Without names all rows are looked at.
func (b Binaries) Missing(names ...string) (missing []string) {
	for _, m := range modules {
		if len(names) > 0 && !slices.Contains(names, m.Name) {
			continue
		}
		for program := range m.Programs {
			if _, ok := b.Path(m.Name, program); !ok {
				missing = append(missing, m.Name)
				break
			}
		}
	}
	return missing
}

// Require is nil when all programs of some rows are built, and otherwise says which are not and the command that builds them.
func (b Binaries) Require(names ...string) error {
	missing := b.Missing(names...)
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("not built: %s; %s builds them", strings.Join(missing, ", "), Command(missing...))
}

// Command is what builds some rows.
func Command(names ...string) string {
	targets := make([]string, len(names))
	for i, name := range names {
		targets[i] = "upstream-" + name
	}
	return "`make " + strings.Join(targets, " ") + "`"
}
