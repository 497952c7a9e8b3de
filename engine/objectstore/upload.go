package objectstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// MinPart is the smallest part of an upload but the last, in bytes, as in S3.
const MinPart = 5 << 20

// Upload is a multipart upload that is under way.
type Upload struct {
	ID      string            `json:"-"`
	Key     string            `json:"key"`
	Begun   time.Time         `json:"begun"`
	Header  map[string]string `json:"header,omitempty"`  // for the object
	Options map[string]string `json:"options,omitempty"` // of the upload itself
}

// Part is one part of an upload.
type Part struct {
	Number   int       `json:"-"`
	Modified time.Time `json:"modified"`
	Meta
	Extent Extent `json:"extent"`
}

// CreateUpload begins an upload.
func (s *Store) CreateUpload(bucket string, u Upload) (Upload, error) {
	u.Begun = s.now().UTC()
	var id [16]byte // in the order of time, in which those of one key are listed
	binary.BigEndian.PutUint64(id[:], uint64(u.Begun.UnixNano()))
	_, _ = rand.Read(id[8:]) // never fails
	u.ID = hex.EncodeToString(id[:])
	return u, s.update(bucket, func(b *bolt.Bucket) ([]Extent, error) {
		value, err := json.Marshal(u)
		if err != nil {
			return nil, err
		}
		return nil, b.Bucket(uploadsName).Put([]byte(u.ID), value)
	})
}

// Upload reads an upload and its parts, in order.
func (s *Store) Upload(bucket, key, id string) (u Upload, parts []Part, err error) {
	err = s.view(bucket, func(b *bolt.Bucket) (err error) {
		if u, err = getUpload(b, key, id); err == nil {
			parts, err = getParts(b, id)
		}
		return err
	})
	return u, parts, err
}

// Uploads are all uploads under way of keys with a prefix.
func (s *Store) Uploads(bucket, prefix string) (list []Upload, err error) {
	err = s.view(bucket, func(b *bolt.Bucket) error {
		return b.Bucket(uploadsName).ForEach(func(id, value []byte) error {
			u := Upload{ID: string(id)}
			if err := json.Unmarshal(value, &u); err != nil {
				return fmt.Errorf("reading upload %s: %w", id, err)
			}
			if strings.HasPrefix(u.Key, prefix) {
				list = append(list, u)
			}
			return nil
		})
	})
	return list, err
}

// PutPart writes a part, in place of one of the same number.
func (s *Store) PutPart(ctx context.Context, bucket, key, id string, number int, body io.Reader, finish Finish) (Part, error) {
	c, err := s.write(ctx, body)
	if err != nil {
		return Part{}, err
	}
	p := Part{Number: number, Modified: s.now().UTC(), Extent: c.extent}
	if p.Meta, err = finish(c.extent.Size); err == nil {
		err = s.update(bucket, func(b *bolt.Bucket) ([]Extent, error) {
			if _, err := getUpload(b, key, id); err != nil {
				return nil, err
			}
			if err := c.keep(b); err != nil {
				return nil, err
			}
			return replacePart(b, id, &p)
		})
	}
	if err != nil {
		s.remove(c.extents())
		return Part{}, err
	}
	return p, nil
}

func replacePart(b *bolt.Bucket, id string, p *Part) (garbage []Extent, err error) {
	name := partName(id, p.Number)
	if value := b.Bucket(partsName).Get(name); value != nil {
		var old Part
		if err := json.Unmarshal(value, &old); err != nil {
			return nil, err
		}
		garbage = append(garbage, old.Extent)
	}
	value, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return garbage, b.Bucket(partsName).Put(name, value)
}

// Named is a part as the client that completes an upload names it.
type Named struct {
	Number int
	ETag   string
}

// Complete makes an object of parts of an upload, in the order in which they are named, which ends the upload. finish is given
// those parts.
func (s *Store) Complete(bucket, key, id string, named []Named, finish func([]Part, Upload) (Meta, error), may Condition) (o Object, err error) {
	err = s.update(bucket, func(b *bolt.Bucket) ([]Extent, error) {
		u, err := getUpload(b, key, id)
		if err != nil {
			return nil, err
		}
		parts, err := getParts(b, id)
		if err != nil {
			return nil, err
		}
		chosen, left, err := choose(parts, named)
		if err != nil {
			return nil, err
		}
		o = Object{Key: key, Parts: len(chosen), Upload: id}
		for _, p := range chosen {
			o.Size += p.Extent.Size
			if p.Extent.Size > 0 {
				o.Extents = append(o.Extents, p.Extent)
			}
		}
		if o.Meta, err = finish(chosen, u); err != nil {
			return nil, err
		}
		replaced, err := s.putObject(b, &o, may)
		if err != nil {
			return nil, err
		}
		return append(replaced, left...), deleteUpload(b, id)
	})
	return o, err
}

// choose picks the parts that are named, and returns the extents of the others.
func choose(parts []Part, named []Named) (chosen []Part, left []Extent, err error) {
	byNumber := map[int]Part{}
	for _, p := range parts {
		byNumber[p.Number] = p
	}
	for i, n := range named {
		p, ok := byNumber[n.Number]
		if !ok || strings.Trim(n.ETag, `"`) != p.ETag {
			return nil, nil, fmt.Errorf("%w: part %d with ETag %s", ErrNoPart, n.Number, n.ETag)
		}
		if p.Extent.Size < MinPart && i < len(named)-1 {
			return nil, nil, fmt.Errorf("%w: part %d has %d bytes, want %d at least", ErrPartTooSmall, p.Number, p.Extent.Size, MinPart)
		}
		chosen = append(chosen, p)
		delete(byNumber, n.Number)
	}
	for _, p := range byNumber {
		left = append(left, p.Extent)
	}
	return chosen, left, nil
}

// Abort ends an upload without an object.
func (s *Store) Abort(bucket, key, id string) error {
	return s.update(bucket, func(b *bolt.Bucket) (garbage []Extent, err error) {
		if _, err := getUpload(b, key, id); err != nil {
			return nil, err
		}
		parts, err := getParts(b, id)
		if err != nil {
			return nil, err
		}
		for _, p := range parts {
			garbage = append(garbage, p.Extent)
		}
		return garbage, deleteUpload(b, id)
	})
}

func deleteUpload(b *bolt.Bucket, id string) error {
	parts, err := getParts(b, id)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := b.Bucket(partsName).Delete(partName(id, p.Number)); err != nil {
			return err
		}
	}
	return b.Bucket(uploadsName).Delete([]byte(id))
}

func getUpload(b *bolt.Bucket, key, id string) (Upload, error) {
	value := b.Bucket(uploadsName).Get([]byte(id))
	if value == nil {
		return Upload{}, ErrNoUpload
	}
	u := Upload{ID: id}
	if err := json.Unmarshal(value, &u); err != nil {
		return Upload{}, fmt.Errorf("reading upload %s: %w", id, err)
	}
	if u.Key != key {
		return Upload{}, ErrNoUpload
	}
	return u, nil
}

func partName(id string, number int) []byte { return fmt.Appendf(nil, "%s/%05d", id, number) }

func getParts(b *bolt.Bucket, id string) (parts []Part, err error) {
	prefix := []byte(id + "/")
	cursor := b.Bucket(partsName).Cursor()
	for name, value := cursor.Seek(prefix); bytes.HasPrefix(name, prefix); name, value = cursor.Next() {
		var p Part
		if err := json.Unmarshal(value, &p); err != nil {
			return nil, fmt.Errorf("reading part %s: %w", name, err)
		}
		if _, err := fmt.Sscanf(string(name[len(prefix):]), "%d", &p.Number); err != nil {
			return nil, fmt.Errorf("reading part %s: %w", name, err)
		}
		parts = append(parts, p)
	}
	return parts, nil
}
