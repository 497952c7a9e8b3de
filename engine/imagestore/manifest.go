package imagestore

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/internal/atomicfile"
)

// Manifest is an image's, or an index of several.
type Manifest struct {
	MediaType string
	Digest    Digest
	Body      []byte
}

// manifest is what of a manifest is read here: what it is made of.
type manifest struct {
	MediaType string       `json:"mediaType"`
	Config    *descriptor  `json:"config"`
	Layers    []descriptor `json:"layers"`
	Manifests []descriptor `json:"manifests"`
}

type descriptor struct {
	Digest Digest   `json:"digest"`
	URLs   []string `json:"urls"`
}

// PutManifest adds a manifest to a repository, and gives it a tag unless that is empty. Everything that it names must be there.
func (s *Store) PutManifest(name, account, tag, mediaType string, body []byte) (Digest, error) {
	m, err := parseManifest(mediaType, body)
	if err != nil {
		return "", err
	}
	if err := s.room(); err != nil {
		return "", err
	}
	s.collecting.RLock()
	defer s.collecting.RUnlock()
	if err := s.complete(name, m); err != nil {
		return "", err
	}
	if err := s.own(name, account); err != nil {
		return "", noSpace(err)
	}
	d := DigestOf(body)
	content := append([]byte(mediaType+"\n"), body...)
	if err := s.write(name, "_manifests", d.hex(), content); err != nil {
		return "", err
	}
	if tag == "" {
		return d, nil
	}
	return d, s.write(name, "_tags", tag, []byte(d))
}

// write makes a file of a repository durable, with the folders above it.
func (s *Store) write(name, folder, file string, content []byte) error {
	dir := s.repository(name, folder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return noSpace(err)
	}
	if err := atomicfile.Write(filepath.Join(dir, file), content, 0o600); err != nil {
		return noSpace(err)
	}
	for dir = filepath.Dir(dir); len(dir) >= len(s.path("repositories")); dir = filepath.Dir(dir) {
		if err := syncDirs(dir); err != nil {
			return err
		}
	}
	return nil
}

func parseManifest(mediaType string, body []byte) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return m, minato.Errorf(minato.Invalid, "the manifest is not JSON: %w", err).Because("MANIFEST_INVALID")
	}
	switch {
	case mediaType == "" || bytes.ContainsAny([]byte(mediaType), "\r\n"):
		return m, minato.Errorf(minato.Invalid, "the manifest comes without a Content-Type").Because("MANIFEST_INVALID")
	case m.MediaType != "" && m.MediaType != mediaType:
		return m, minato.Errorf(minato.Invalid, "the manifest says that it is %q and comes as %q", m.MediaType, mediaType).Because("MANIFEST_INVALID")
	case m.Config == nil && m.Manifests == nil:
		return m, minato.Errorf(minato.Invalid, "the manifest has neither a config nor manifests: want version 2 of Docker's, or OCI's").Because("MANIFEST_INVALID")
	}
	for _, part := range append(m.blobs(), m.Manifests...) {
		if _, err := ParseDigest(string(part.Digest)); err != nil {
			return m, minato.Errorf(minato.Invalid, "the manifest names a part by %q: want sha256: and 64 hexadecimal digits", part.Digest).
				Because("MANIFEST_INVALID")
		}
	}
	return m, nil
}

// blobs are those that an image is made of. A layer with URLs lies elsewhere.
func (m manifest) blobs() []descriptor {
	var parts []descriptor
	if m.Config != nil {
		parts = append(parts, *m.Config)
	}
	for _, l := range m.Layers {
		if len(l.URLs) == 0 {
			parts = append(parts, l)
		}
	}
	return parts
}

// complete is nil when all parts of a manifest are in the store.
func (s *Store) complete(name string, m manifest) error {
	for _, part := range m.blobs() {
		if _, err := os.Stat(s.blob(part.Digest)); errors.Is(err, fs.ErrNotExist) {
			return minato.Errorf(minato.NotFound, "the manifest names blob %s, which was not uploaded", part.Digest).Because("MANIFEST_BLOB_UNKNOWN")
		} else if err != nil {
			return err
		}
	}
	for _, part := range m.Manifests {
		if _, err := os.Stat(s.repository(name, "_manifests", part.Digest.hex())); errors.Is(err, fs.ErrNotExist) {
			return minato.Errorf(minato.NotFound, "the index names manifest %s, which was not uploaded", part.Digest).Because("MANIFEST_BLOB_UNKNOWN")
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Manifest finds one by its tag or digest.
func (s *Store) Manifest(name, reference string) (Manifest, error) {
	d, err := s.resolve(name, reference)
	if err != nil {
		return Manifest{}, err
	}
	b, err := os.ReadFile(s.repository(name, "_manifests", d.hex()))
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, unknownManifest(name, reference)
	}
	mediaType, body, _ := bytes.Cut(b, []byte("\n"))
	return Manifest{MediaType: string(mediaType), Digest: d, Body: body}, err
}

func (s *Store) resolve(name, reference string) (Digest, error) {
	if strings.Contains(reference, ":") {
		return ParseDigest(reference)
	}
	if err := CheckTag(reference); err != nil {
		return "", err
	}
	b, err := os.ReadFile(s.repository(name, "_tags", reference))
	if errors.Is(err, fs.ErrNotExist) {
		return "", unknownManifest(name, reference)
	}
	return Digest(b), err
}

func unknownManifest(name, reference string) error {
	return minato.Errorf(minato.NotFound, "repository %s has no manifest %s", name, reference).Because("MANIFEST_UNKNOWN")
}
