package imagestore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"minato.dev/minato"
)

// Repositories are the names of all that have a manifest, in order.
func (s *Store) Repositories() ([]string, error) {
	var names []string
	root := s.path("repositories")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || !d.IsDir():
			return err
		case strings.HasPrefix(d.Name(), "_"):
			return fs.SkipDir
		}
		if manifests, err := entries(filepath.Join(path, "_manifests")); err != nil || len(manifests) == 0 {
			return err
		}
		name, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	slices.Sort(names)
	return names, err
}

// Tags are those of a repository, in order.
func (s *Store) Tags(name string) ([]string, error) {
	if owner, err := s.Owner(name); err != nil || owner == "" {
		return nil, errors.Join(err, minato.Errorf(minato.NotFound, "there is no repository %s", name).Because("NAME_UNKNOWN"))
	}
	return entries(s.repository(name, "_tags"))
}

// entries are the names in a folder, in order, without those of files that are still being written. A folder that is not there
// has none.
func entries(dir string) ([]string, error) {
	found, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, entry := range found {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

// Delete removes a tag, or a manifest with all its tags. Blobs that nothing needs any more are left to Collect.
func (s *Store) Delete(name, account, reference string) error {
	if err := s.mayWrite(name, account); err != nil {
		return err
	}
	s.collecting.Lock() // no manifest that names this one is written meanwhile
	defer s.collecting.Unlock()
	d, err := ParseDigest(reference)
	if err != nil {
		return s.deleteTag(name, reference)
	}
	tags, err := entries(s.repository(name, "_tags"))
	if err != nil {
		return err
	}
	for _, tag := range tags {
		if at, err := s.resolve(name, tag); err != nil || at != d {
			continue
		}
		if err := s.deleteTag(name, tag); err != nil {
			return err
		}
	}
	err = os.Remove(s.repository(name, "_manifests", d.hex()))
	if errors.Is(err, fs.ErrNotExist) {
		return unknownManifest(name, reference)
	}
	return errors.Join(err, syncDirs(s.repository(name, "_manifests")))
}

func (s *Store) deleteTag(name, tag string) error {
	if err := CheckTag(tag); err != nil {
		return err
	}
	err := os.Remove(s.repository(name, "_tags", tag))
	if errors.Is(err, fs.ErrNotExist) {
		return unknownManifest(name, tag)
	}
	return errors.Join(err, syncDirs(s.repository(name, "_tags")))
}
