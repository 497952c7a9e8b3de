package scan

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// extensions are those of files that are scanned in folders.
var extensions = []string{".yaml", ".yml", ".json"}

// skipped are folders that are not looked into.
var skipped = []string{".git", "node_modules", "vendor"}

// Path scans a file, a folder with all manifests and charts in it, an archive of a chart, or standard input, which is called -. Links in
// folders are not followed.
func (s *Scanner) Path(path string, stdin io.Reader) error {
	if path == "-" {
		s.Reader("-", stdin)
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		if isArchive(path) {
			s.chart(path)
			return nil
		}
		return s.file(path)
	}
	return filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != path && slices.Contains(skipped, d.Name()):
			return filepath.SkipDir
		case d.IsDir():
			is, err := isChart(name)
			if is {
				s.chart(name)
				return filepath.SkipDir
			}
			return err
		case !d.Type().IsRegular() || !slices.Contains(extensions, filepath.Ext(name)):
			return nil
		}
		return s.file(name)
	})
}

func (s *Scanner) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	s.Reader(path, f)
	return nil
}
