package images

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// libraryFolders are where Debian keeps shared libraries.
var libraryFolders = []string{
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
	"/lib64", "/usr/lib64", "/lib", "/usr/lib",
}

// withLibraries is a program of this machine with the loader and the shared libraries that it names, each at its own path.
func withLibraries(path, source string) ([]file, error) {
	files := []file{program(path, source)}
	seen := map[string]bool{}
	for queue := []string{source}; len(queue) > 0; queue = queue[1:] {
		needed, loader, err := dependencies(queue[0])
		if err != nil {
			return nil, err
		}
		if loader != "" {
			needed = append(needed, loader)
		}
		for _, name := range needed {
			if seen[filepath.Base(name)] {
				continue
			}
			seen[filepath.Base(name)] = true
			found, err := findLibrary(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", queue[0], err)
			}
			files = append(files, program(found[1:], found))
			queue = append(queue, found)
		}
	}
	slices.SortFunc(files[1:], func(a, b file) int { return strings.Compare(a.path, b.path) })
	return files, nil
}

// dependencies are the names of the libraries that a program or library is linked with, and the path of its loader.
func dependencies(path string) (libraries []string, loader string, err error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	if libraries, err = f.ImportedLibraries(); err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", path, err)
	}
	if interp := f.Section(".interp"); interp != nil {
		b, err := interp.Data()
		if err != nil {
			return nil, "", fmt.Errorf("reading %s: %w", path, err)
		}
		loader = string(b[:max(0, len(b)-1)])
	}
	return libraries, loader, nil
}

func findLibrary(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	for _, dir := range libraryFolders {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", fmt.Errorf("library %s is in none of the usual folders", name)
}
