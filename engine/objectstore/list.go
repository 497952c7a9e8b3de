package objectstore

import (
	"bytes"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// ListOptions narrow a List.
type ListOptions struct {
	Prefix string
	// Delimiter makes one common prefix of all keys that have it after Prefix and are the same up to it; empty for none.
	Delimiter string
	After     string // only keys and common prefixes greater than this
	Limit     int    // of keys and common prefixes together
}

// Listing is a page of a bucket, in the order of the keys' bytes.
type Listing struct {
	Objects  []Object
	Prefixes []string
	More     bool
	Last     string // the last key or common prefix of the page: After of the next
}

// List lists objects. It costs what it returns, not what lies under common prefixes.
func (s *Store) List(bucket string, o ListOptions) (l Listing, err error) {
	err = s.view(bucket, func(b *bolt.Bucket) error {
		cursor := b.Bucket(objectsName).Cursor()
		from := max(o.Prefix, o.After)
		for key, value := cursor.Seek([]byte(from)); key != nil && bytes.HasPrefix(key, []byte(o.Prefix)); {
			if o.After != "" && string(key) <= o.After && o.After >= o.Prefix {
				key, value = cursor.Next()
				continue
			}
			common := o.CommonPrefix(string(key))
			if common != "" && common <= o.After {
				key, value = cursor.Seek(after(common))
				continue
			}
			if len(l.Objects)+len(l.Prefixes) >= o.Limit {
				l.More = true
				return nil
			}
			if common != "" {
				l.Prefixes, l.Last = append(l.Prefixes, common), common
				key, value = cursor.Seek(after(common))
				continue
			}
			object, err := decodeObject(key, value)
			if err != nil {
				return err
			}
			l.Objects, l.Last = append(l.Objects, *object), object.Key
			key, value = cursor.Next()
		}
		return nil
	})
	return l, err
}

// CommonPrefix is a key with the prefix up to its first delimiter after it, empty if it has none.
func (o *ListOptions) CommonPrefix(key string) string {
	if o.Delimiter == "" {
		return ""
	}
	i := strings.Index(key[len(o.Prefix):], o.Delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(o.Prefix)+i+len(o.Delimiter)]
}

// after is the first key that is greater than all that begin with a prefix. Keys are UTF-8, so no byte of theirs is 0xff.
func after(prefix string) []byte {
	next := []byte(prefix)
	next[len(next)-1]++
	return next
}
