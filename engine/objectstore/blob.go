package objectstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

const (
	// inlineMax is the largest content that lies in the index, in bytes: so it costs one sync instead of three.
	inlineMax = 32 << 10
	copyBytes = 1 << 20
)

// content is what has been read of a body: in memory if it is small, else in a blob of its own.
type content struct {
	extent Extent
	data   []byte
}

// extents are the content's place, none for an empty one.
func (c *content) extents() []Extent {
	if c.extent.Size == 0 {
		return nil
	}
	return []Extent{c.extent}
}

// keep puts a small content into the index.
func (c *content) keep(b *bolt.Bucket) error {
	if !c.extent.Inline {
		return nil
	}
	return b.Bucket(dataName).Put([]byte(c.extent.Blob), c.data)
}

// write reads a body to its end. A large one is on the disk when it returns.
func (s *Store) write(ctx context.Context, body io.Reader) (*content, error) {
	var name [16]byte
	_, _ = rand.Read(name[:]) // never fails
	c := &content{extent: Extent{Blob: hex.EncodeToString(name[:])}}
	head := make([]byte, inlineMax+1)
	n, err := io.ReadFull(body, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && isEnd(body) {
		c.data, c.extent.Size, c.extent.Inline = head[:n], int64(n), n > 0
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if c.extent.Size, err = s.writeBlob(ctx, c.extent.Blob, io.MultiReader(bytes.NewReader(head), body)); err != nil {
		_ = os.Remove(s.path(c.extent.Blob))
		return nil, err
	}
	return c, nil
}

// isEnd is whether a body has ended as it should: io.ReadFull makes ErrUnexpectedEOF of io.EOF, and passes on one that the body
// itself has returned.
func isEnd(body io.Reader) bool {
	_, err := body.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

func (s *Store) path(blob string) string { return filepath.Join(s.dir, "blobs", blob[:2], blob) }

func (s *Store) writeBlob(ctx context.Context, blob string, body io.Reader) (size int64, err error) {
	path := s.path(blob)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return 0, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if size, err = io.CopyBuffer(onlyWriter{f}, contextReader{ctx, body}, make([]byte, copyBytes)); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	return size, errors.Join(syncDir(filepath.Dir(path)), syncDir(filepath.Join(s.dir, "blobs")))
}

// onlyWriter hides ReadFrom, which would not use our buffer.
type onlyWriter struct{ io.Writer }

// contextReader ends when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// remove removes the blobs of extents that no object has any more, those in use when they are not. What cannot be removed is
// found by the next Open.
func (s *Store) remove(extents []Extent) {
	s.pins.mu.Lock()
	defer s.pins.mu.Unlock()
	for _, e := range extents {
		if e.Inline {
			continue
		}
		if s.pins.readers[e.Blob] > 0 {
			if s.pins.doomed == nil {
				s.pins.doomed = map[string]bool{}
			}
			s.pins.doomed[e.Blob] = true
			continue
		}
		_ = os.Remove(s.path(e.Blob))
	}
}

// unpin ends the reading of blobs.
func (s *Store) unpin(blobs []string) {
	s.pins.mu.Lock()
	defer s.pins.mu.Unlock()
	for _, blob := range blobs {
		if s.pins.readers[blob]--; s.pins.readers[blob] > 0 {
			continue
		}
		delete(s.pins.readers, blob)
		if s.pins.doomed[blob] {
			delete(s.pins.doomed, blob)
			_ = os.Remove(s.path(blob))
		}
	}
}

// sweep removes the blobs that nothing in the index has.
func (s *Store) sweep() error {
	known, err := s.blobsInUse()
	if err != nil {
		return err
	}
	return filepath.WalkDir(filepath.Join(s.dir, "blobs"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || known[e.Name()] {
			return err
		}
		return os.Remove(path)
	})
}

func (s *Store) blobsInUse() (map[string]bool, error) {
	known := map[string]bool{}
	add := func(extents ...Extent) {
		for _, e := range extents {
			known[e.Blob] = true
		}
	}
	err := s.db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(id []byte, b *bolt.Bucket) error {
			err := b.Bucket(objectsName).ForEach(func(key, value []byte) error {
				o, err := decodeObject(key, value)
				if err == nil {
					add(o.Extents...)
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("bucket %s: %w", id, err)
			}
			return b.Bucket(partsName).ForEach(func(_, value []byte) error {
				var p Part
				if err := json.Unmarshal(value, &p); err != nil {
					return fmt.Errorf("reading a part in bucket %s: %w", id, err)
				}
				add(p.Extent)
				return nil
			})
		})
	})
	return known, err
}
