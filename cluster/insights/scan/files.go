package scan

import (
	"errors"
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

// Path scans a file, a folder with all manifests in it, or standard input, which is called -. Links in folders are not followed.
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
		return s.file(path)
	}
	return filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != path && slices.Contains(skipped, d.Name()):
			return filepath.SkipDir
		case d.IsDir():
			return s.chart(name)
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

// chart leaves out Helm charts, whose templates are no manifests, and says what to do with them.
func (s *Scanner) chart(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "Chart.yaml")); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	s.problem(dir, 0, fmt.Errorf("this is a Helm chart, whose templates are no manifests: helm template %s --kube-version %s | minato insights scan -", dir, s.Report.Target))
	return filepath.SkipDir
}
