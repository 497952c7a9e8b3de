package objectstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// lockTimeout is how long Open waits for another process to let the index go, as after a restart.
const lockTimeout = 10 * time.Second

// The parts of a bucket in the index.
var (
	objectsName = []byte("objects") // key -> Object
	uploadsName = []byte("uploads") // id -> Upload
	partsName   = []byte("parts")   // id/00001 -> Part
	dataName    = []byte("data")    // blob -> contents
)

// Store keeps objects in a folder. It is safe for concurrent use; one process at a time has it open.
type Store struct {
	dir string
	db  *bolt.DB
	now func() time.Time

	pins pins
}

// Open opens the store in a folder, which is made if it is not there, and removes what a crash has left.
func Open(dir string, now func() time.Time) (*Store, error) {
	if err := os.MkdirAll(filepath.Join(dir, "blobs"), 0o700); err != nil {
		return nil, err
	}
	db, err := bolt.Open(filepath.Join(dir, "index.db"), 0o600, &bolt.Options{Timeout: lockTimeout, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("opening the index of objects in %s: %w", dir, err)
	}
	// So that the names of what was just made are not lost with the power.
	if err := errors.Join(syncDir(dir), syncDir(filepath.Dir(dir))); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &Store{dir: dir, db: db, now: now, pins: pins{readers: map[string]int{}}}
	if err := s.sweep(); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("removing what a crash has left in %s: %w", dir, err)
	}
	return s, nil
}

// Close ends all use of the store.
func (s *Store) Close() error { return s.db.Close() }

// CreateBucket makes a bucket if there is none of that id.
func (s *Store) CreateBucket(id string) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(id))
		if err != nil {
			return err
		}
		for _, name := range [][]byte{objectsName, uploadsName, partsName, dataName} {
			if _, err := b.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteBucket removes a bucket that has no objects, with the uploads in it. One that is not there is no error.
func (s *Store) DeleteBucket(id string) error {
	var garbage []Extent
	err := s.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(id))
		if b == nil {
			return nil
		}
		if key, _ := b.Bucket(objectsName).Cursor().First(); key != nil {
			return ErrNotEmpty
		}
		err := b.Bucket(partsName).ForEach(func(_, value []byte) error {
			var p Part
			if err := json.Unmarshal(value, &p); err != nil {
				return err
			}
			garbage = append(garbage, p.Extent)
			return nil
		})
		if err != nil {
			return err
		}
		return tx.DeleteBucket([]byte(id))
	})
	if err == nil {
		s.remove(garbage)
	}
	return err
}

// view reads a bucket.
func (s *Store) view(bucket string, read func(b *bolt.Bucket) error) error {
	return s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return ErrNoBucket
		}
		return read(b)
	})
}

// update changes a bucket, and removes what it has become free of afterwards.
func (s *Store) update(bucket string, change func(b *bolt.Bucket) (garbage []Extent, err error)) error {
	var garbage []Extent
	err := s.db.Update(func(tx *bolt.Tx) (err error) {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return ErrNoBucket
		}
		if garbage, err = change(b); err != nil {
			return err
		}
		for _, e := range garbage {
			if e.Inline {
				if err := b.Bucket(dataName).Delete([]byte(e.Blob)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		s.remove(garbage)
	}
	return err
}

func getObject(b *bolt.Bucket, key string) (*Object, error) {
	value := b.Bucket(objectsName).Get([]byte(key))
	if value == nil {
		return nil, ErrNoObject
	}
	return decodeObject([]byte(key), value)
}

func decodeObject(key, value []byte) (*Object, error) {
	o := &Object{}
	if err := json.Unmarshal(value, o); err != nil {
		return nil, fmt.Errorf("reading the index entry of %q: %w", key, err)
	}
	o.Key = string(key)
	return o, nil
}

// putObject writes an object if the condition holds, and returns what it replaces.
func (s *Store) putObject(b *bolt.Bucket, o *Object, may Condition) ([]Extent, error) {
	old, err := getObject(b, o.Key)
	if err != nil && !errors.Is(err, ErrNoObject) {
		return nil, err
	}
	if may != nil {
		if err := may(old); err != nil {
			return nil, err
		}
	}
	o.Modified = s.now().UTC()
	value, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if err := b.Bucket(objectsName).Put([]byte(o.Key), value); err != nil || old == nil {
		return nil, err
	}
	return old.Extents, nil
}

// pins are the blobs that somebody reads, and those that go when nobody does any more.
type pins struct {
	mu      sync.Mutex
	readers map[string]int
	doomed  map[string]bool
}
