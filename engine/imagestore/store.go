// Package imagestore keeps container images in a folder: blobs by their digest, and repositories of manifests and tags. What was
// acknowledged is on disk, whatever is killed when; an upload that was begun goes on after a restart.
//
//	blobs/HEX                          content by its sha256, shared by all repositories
//	uploads/ID, uploads/ID.json        what has come of a blob so far, and whose it is
//	repositories/NAME/_owner           the account that pushed first: nobody else may write here
//	repositories/NAME/_manifests/HEX   media type, a newline, and the manifest
//	repositories/NAME/_tags/TAG        the digest that a tag stands for
//
// Names of repositories have no part that begins with "_", so nothing of ours can be one.
package imagestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"minato.dev/minato"
)

// Bounds of what is kept.
const (
	MaxManifest = 4 << 20  // bytes, as most registries have it
	MaxBlob     = 20 << 30 // bytes
	maxUploads  = 1024     // at once
	// reserved is what uploads leave free, unless it is more than a twentieth of the file system: other things there, such as the
	// store, must not run out of room.
	reserved = 1 << 30 // bytes
	// unusedFor is how long a blob may be in no manifest: its push may still be under way. Uploads that nobody goes on with
	// are kept as long.
	unusedFor = 24 * time.Hour
)

// Store is a folder of images. It is safe for concurrent use in one process.
type Store struct {
	dir   string
	clock func() time.Time
	disk  func(dir string) (free, total uint64, err error) // bytes of the file system of a folder

	collecting sync.RWMutex // held for reading while a manifest is checked and written, for writing while blobs are collected
	uploads    uploads
}

// Open makes the folder if need be.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir, clock: time.Now, disk: diskSpace, uploads: uploads{busy: map[string]bool{}}}
	for _, name := range []string{"blobs", "uploads", "repositories"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Owner is the account that a repository belongs to, which is the one that pushed to it first; empty while it belongs to nobody.
func (s *Store) Owner(name string) (string, error) {
	b, err := os.ReadFile(s.repository(name, "_owner"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(b), err
}

// own makes a repository an account's, unless it is another's.
func (s *Store) own(name, account string) error {
	if err := os.MkdirAll(s.repository(name), 0o700); err != nil {
		return err
	}
	// A link is made of a whole file, or not at all, and never in the place of another.
	tmp, err := os.CreateTemp(s.path("uploads"), "owner")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(account)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), s.repository(name, "_owner")); err == nil {
		return syncDirs(s.repository(name))
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.mayWrite(name, account)
}

// mayWrite is nil unless a repository belongs to another account.
func (s *Store) mayWrite(name, account string) error {
	owner, err := s.Owner(name)
	if err == nil && owner != "" && owner != account {
		return minato.Errorf(minato.Denied, "repository %s belongs to another account; push under another name", name).Because("DENIED")
	}
	return err
}

func (s *Store) path(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}

func (s *Store) repository(name string, names ...string) string {
	return s.path(append([]string{"repositories", filepath.FromSlash(name)}, names...)...)
}

func diskSpace(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("asking for the free space of %s: %w", dir, err)
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}

// room is an error when the file system has too little left for more.
func (s *Store) room() error {
	free, total, err := s.disk(s.dir)
	if err == nil && free < min(reserved, total/20) {
		return full(fmt.Errorf("%d of %d bytes are free", free, total))
	}
	return err
}

func full(cause error) error {
	return minato.Errorf(minato.LimitExceeded, "the registry's disk is full: %w", cause).Because("DISK_FULL")
}

// syncDirs makes the names in some folders durable.
func syncDirs(dirs ...string) error {
	for _, dir := range dirs {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
	}
	return nil
}
