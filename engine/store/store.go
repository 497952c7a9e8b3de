// Package store is where records live: a small compare-and-swap key-value store with revisions and watches, shaped after
// etcd and implemented by etcdstore (the real one) and memstore (a working fake). Both pass the suite in storetest.
//
// Every write moves the store to a new Revision. A reader that must see a write waits for its revision; nobody sleeps.
// Collection puts typed, versioned JSON records on top.
package store

import (
	"context"
	"errors"
)

// Revision counts the store's writes. It never goes back, not across restarts either. Zero is before the first write.
type Revision int64

// Entry is one stored key.
type Entry struct {
	Key      string
	Value    []byte
	Created  Revision
	Modified Revision
}

// The errors a Store answers with; wrapped, so test with errors.Is. Anything else is the store's own trouble.
var (
	ErrNotFound  = errors.New("not found")
	ErrExists    = errors.New("already exists")
	ErrConflict  = errors.New("changed by someone else")
	ErrCompacted = errors.New("revision has been compacted")
)

// Op is one part of a Commit. Make it with Create, Update, Delete, Check or Absent.
type Op struct {
	Verb  Verb
	Key   string
	Value []byte
	// If is the revision the key must have been modified at last (Update, Delete, Check). Zero for Create and Absent: the key must
	// not exist. AnyRevision asks only that the key exists.
	If Revision
}

// Verb is what an Op does.
type Verb int

// The verbs.
const (
	VerbCreate Verb = iota + 1
	VerbUpdate
	VerbDelete
	VerbCheck
	VerbAbsent
)

// AnyRevision as Op.If asks only that the key exists.
const AnyRevision Revision = -1

// Create writes a key that must not exist (else ErrExists).
func Create(key string, value []byte) Op { return Op{Verb: VerbCreate, Key: key, Value: value} }

// Update writes a key that must be as it was at revision rev (else ErrConflict, or ErrNotFound if it is gone).
func Update(key string, value []byte, rev Revision) Op {
	return Op{Verb: VerbUpdate, Key: key, Value: value, If: rev}
}

// Delete removes a key under the same condition as Update.
func Delete(key string, rev Revision) Op { return Op{Verb: VerbDelete, Key: key, If: rev} }

// Check writes nothing and holds the others to a condition on this key.
func Check(key string, rev Revision) Op { return Op{Verb: VerbCheck, Key: key, If: rev} }

// Absent writes nothing and holds the others to there being no such key (else ErrExists).
func Absent(key string) Op { return Op{Verb: VerbAbsent, Key: key} }

// ListOptions narrow a List.
type ListOptions struct {
	After string   // only keys greater than this one: the last key of the page before
	Limit int      // at most so many entries; 0 is all
	At    Revision // as the store was at this revision; 0 is now. ErrCompacted if it is gone
}

// Listing is a page of entries in key order.
type Listing struct {
	Entries  []Entry
	Revision Revision // the revision that the page shows; watch after it, and list the next page at it
	More     bool     // there are keys after the last entry
}

// Event is one change that a watch saw. Deleted events carry the key and Modified, the revision of the deletion.
type Event struct {
	Entry
	Deleted bool
}

// Batch is everything that one revision (or several, in order) changed under the watched prefix. It may be empty: then it
// only says that the watch has seen all up to Revision, perhaps not for the first time.
type Batch struct {
	Events   []Event
	Revision Revision
	// Err ends the watch: ErrCompacted when events after the asked revision are gone (list again), or the store's trouble.
	Err error
}

// Store is the seam between what Minato means and where it is kept. All methods are safe for concurrent use.
type Store interface {
	// Get reads one key: ErrNotFound when there is none.
	Get(ctx context.Context, key string) (Entry, error)
	// List reads keys with a prefix.
	List(ctx context.Context, prefix string, opts ListOptions) (Listing, error)
	// Commit applies all ops or none and returns the revision they made (the current one if they were only checks). A key
	// may stand in one op only. The error wraps ErrExists, ErrConflict or ErrNotFound and names the key.
	Commit(ctx context.Context, ops ...Op) (Revision, error)
	// Watch delivers every change under prefix after revision rev, in order, until ctx ends or the last Batch says Err.
	// The channel is closed by the store.
	Watch(ctx context.Context, prefix string, rev Revision) <-chan Batch
}
