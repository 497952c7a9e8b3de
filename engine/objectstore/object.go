package objectstore

import (
	"context"
	"errors"
	"io"

	bolt "go.etcd.io/bbolt"
)

// Put writes an object, in place of one of the same key if there is one and the condition allows it. The object is there when Put
// returns, whatever happens afterwards.
func (s *Store) Put(ctx context.Context, bucket, key string, body io.Reader, finish Finish, may Condition) (Object, error) {
	c, err := s.write(ctx, body)
	if err != nil {
		return Object{}, err
	}
	o := Object{Key: key, Size: c.extent.Size, Extents: c.extents()}
	if o.Meta, err = finish(o.Size); err == nil {
		err = s.update(bucket, func(b *bolt.Bucket) ([]Extent, error) {
			if err := c.keep(b); err != nil {
				return nil, err
			}
			return s.putObject(b, &o, may)
		})
	}
	if err != nil {
		s.remove(c.extents())
		return Object{}, err
	}
	return o, nil
}

// Head reads an object without its contents.
func (s *Store) Head(bucket, key string) (o Object, err error) {
	err = s.view(bucket, func(b *bolt.Bucket) error {
		found, err := getObject(b, key)
		if err == nil {
			o = *found
		}
		return err
	})
	return o, err
}

// Get opens an object. Its contents stay as they are until Close, whoever replaces or deletes the object meanwhile.
func (s *Store) Get(bucket, key string) (Object, *Contents, error) {
	s.pins.mu.Lock() // so that what the index says is pinned before anybody removes it
	defer s.pins.mu.Unlock()
	c := &Contents{store: s}
	var o Object
	err := s.view(bucket, func(b *bolt.Bucket) error {
		found, err := getObject(b, key)
		if err != nil {
			return err
		}
		o = *found
		for _, e := range o.Extents {
			p := piece{Extent: e}
			if e.Inline {
				p.data = append([]byte{}, b.Bucket(dataName).Get([]byte(e.Blob))...)
			}
			c.pieces = append(c.pieces, p)
		}
		return nil
	})
	if err != nil {
		return Object{}, nil, err
	}
	for _, e := range o.Extents {
		if !e.Inline {
			s.pins.readers[e.Blob]++
		}
	}
	return o, c, nil
}

// Part is where the part of a number, from 1 on, lies in the object; one that was not uploaded in parts is one.
func (o *Object) Part(number int) (offset, size int64, ok bool) {
	switch {
	case o.Parts == 0 && number == 1:
		return 0, o.Size, true
	case number < 1 || number > o.Parts:
		return 0, 0, false
	}
	for i, e := range o.Extents {
		if i == number-1 {
			return offset, e.Size, true
		}
		offset += e.Size
	}
	return offset, 0, true // the last, and empty: it has no extent
}

// Delete removes an object. One that is not there is no error.
func (s *Store) Delete(bucket, key string, may Condition) error {
	return s.update(bucket, func(b *bolt.Bucket) ([]Extent, error) {
		old, err := getObject(b, key)
		if err != nil && !errors.Is(err, ErrNoObject) {
			return nil, err
		}
		if may != nil {
			if err := may(old); err != nil {
				return nil, err
			}
		}
		if old == nil {
			return nil, nil
		}
		return old.Extents, b.Bucket(objectsName).Delete([]byte(key))
	})
}
