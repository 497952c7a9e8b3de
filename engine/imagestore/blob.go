package imagestore

import (
	"errors"
	"io/fs"
	"os"

	"minato.dev/minato"
)

// Blob opens content for reading, and tells its size.
func (s *Store) Blob(d Digest) (*os.File, int64, error) {
	f, err := os.Open(s.blob(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, unknownBlob(d)
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// Touch tells the size of a blob to somebody who is about to make a manifest with it, and keeps it from being collected meanwhile.
func (s *Store) Touch(d Digest) (int64, error) {
	now := s.clock()
	err := os.Chtimes(s.blob(d), now, now)
	if err == nil {
		var info fs.FileInfo
		if info, err = os.Stat(s.blob(d)); err == nil {
			return info.Size(), nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return 0, unknownBlob(d)
	}
	return 0, err
}

func unknownBlob(d Digest) error {
	return minato.Errorf(minato.NotFound, "blob %s is not here", d).Because("BLOB_UNKNOWN")
}

func (s *Store) blob(d Digest) string { return s.path("blobs", d.hex()) }
