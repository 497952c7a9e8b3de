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

// Path scans a file, a folder with all manifests and charts in it, an archive of a chart, or standard input, which is called -. Links in
// folders are not followed. What cannot be read is a problem of the report.
func (s *Scanner) Path(path string, stdin io.Reader) {
	if path == "-" {
		s.Reader("-", stdin)
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		s.unreadable(path, err)
	case info.IsDir():
		s.folder(path)
	case isArchive(path):
		s.chart(path)
	default:
		s.file(path)
	}
}

func (s *Scanner) folder(path string) {
	_ = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			s.unreadable(name, err)
		case d.IsDir() && name != path && slices.Contains(skipped, d.Name()):
			return filepath.SkipDir
		case d.IsDir():
			is, err := isChart(name)
			if is {
				s.chart(name)
				return filepath.SkipDir
			}
			if err != nil {
				s.unreadable(name, err)
			}
		case d.Type().IsRegular() && slices.Contains(extensions, filepath.Ext(name)):
			s.file(name)
		}
		return nil
	})
}

func (s *Scanner) file(path string) {
	f, err := os.Open(path)
	if err != nil {
		s.unreadable(path, err)
		return
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a file")
	}
	if err != nil {
		s.unreadable(path, err)
		return
	}
	s.Reader(path, f)
}

// unreadable notes a file or a folder that cannot be read. Its name is said once.
func (s *Scanner) unreadable(path string, err error) {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	s.problem(path, 0, fmt.Errorf("cannot be read: %w", err))
}
