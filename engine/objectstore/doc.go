// Package objectstore keeps objects in buckets on a file system, durably: what it has acknowledged survives kill -9 and loss of
// power, and nothing else is ever seen.
//
// The index, in key order, is one bbolt database; small contents lie in it too. Larger ones are files of their own (blobs), which
// are written and synced before the commit that makes an object of them, and removed after the commit that ends it, once nobody
// reads them any more. So an object is replaced as a whole or not at all, and a reader goes on reading what it has opened. Blobs
// that no object has, which only a crash leaves, are removed by Open.
//
// Multipart uploads become one object without copying: an object is a list of extents.
package objectstore

import (
	"errors"
	"time"
)

// Errors, to be tested with errors.Is.
var (
	ErrNoBucket       = errors.New("no such bucket")
	ErrNotEmpty       = errors.New("the bucket is not empty")
	ErrNoObject       = errors.New("no such object")
	ErrNoUpload       = errors.New("no such upload")
	ErrNoPart         = errors.New("no such part, or not as it is named")
	ErrPartTooSmall   = errors.New("a part other than the last is too small")
	ErrContentsDiffer = errors.New("the contents on disk are not what was written")
)

// Meta is what is kept of an object beside its contents. The store does not look into it.
type Meta struct {
	ETag   string            `json:"etag"`
	Header map[string]string `json:"header,omitempty"`
	// PartChecksums are those of the parts that an object was uploaded in, in order, if they have any.
	PartChecksums []string `json:"partChecksums,omitempty"`
}

// Object is one object, without its contents.
type Object struct {
	Key      string    `json:"-"`
	Size     int64     `json:"size"` // bytes
	Modified time.Time `json:"modified"`
	Parts    int       `json:"parts,omitempty"`  // of a multipart upload; 0 for others
	Upload   string    `json:"upload,omitempty"` // the id of that upload
	Meta
	Extents []Extent `json:"extents,omitempty"`
}

// Extent is a piece of an object's contents.
type Extent struct {
	Blob   string `json:"blob"`
	Size   int64  `json:"size"`
	Inline bool   `json:"inline,omitempty"` // it lies in the index
}

// Condition decides whether an object may be written in place of another, nil for none. It is asked in the transaction that
// writes; its error is the writer's.
type Condition func(old *Object) error

// Finish is asked when all of a body has been read, and says what to keep beside it. Its error is the writer's, and nothing is
// written then.
type Finish func(size int64) (Meta, error)
