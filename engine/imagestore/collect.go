package imagestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Collected is what Collect removed.
type Collected struct {
	Blobs, Uploads int
	Bytes          int64
}

// Collect removes the blobs that are in no manifest, and the uploads that nobody goes on with. What came or was asked for within a
// day stays: a client uploads blobs first and the manifest that names them last.
func (s *Store) Collect() (c Collected, err error) {
	s.collecting.Lock()
	defer s.collecting.Unlock()
	used, err := s.used()
	if err != nil {
		return c, err
	}
	err = s.sweep("blobs", func(name string, size int64) {
		if !used[name] && os.Remove(s.path("blobs", name)) == nil {
			c.Blobs++
			c.Bytes += size
		}
	})
	if err != nil {
		return c, err
	}
	return c, s.sweep("uploads", func(name string, size int64) {
		id, isRecord := strings.CutSuffix(name, ".json")
		if _, err := os.Stat(s.path("uploads", id)); isRecord && err == nil {
			return // it is as old as the last content that came
		}
		s.drop(id)
		if !isRecord {
			c.Uploads++
			c.Bytes += size
		}
	})
}

// used are the blobs that a manifest names. When one manifest cannot be read, nobody knows what it needs, and nothing is collected.
func (s *Store) used() (map[string]bool, error) {
	used := map[string]bool{}
	names, err := s.Repositories()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		digests, err := entries(s.repository(name, "_manifests"))
		if err != nil {
			return nil, err
		}
		for _, hex := range digests {
			stored, err := s.Manifest(name, "sha256:"+hex)
			if err != nil {
				return nil, err
			}
			m, err := parseManifest(stored.MediaType, stored.Body)
			if err != nil {
				return nil, fmt.Errorf("manifest %s of %s: %w", hex, name, err)
			}
			for _, part := range m.blobs() {
				used[part.Digest.hex()] = true
			}
		}
	}
	return used, nil
}

// sweep calls remove for each old file of a folder.
func (s *Store) sweep(folder string, remove func(name string, size int64)) error {
	found, err := os.ReadDir(s.path(folder))
	if err != nil {
		return err
	}
	oldest := s.clock().Add(-unusedFor)
	for _, entry := range found {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.ModTime().Before(oldest) {
			remove(entry.Name(), info.Size())
		}
	}
	return nil
}
