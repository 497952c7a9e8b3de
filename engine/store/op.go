package store

import (
	"errors"
	"fmt"
)

// CheckOps is what every Store asks of a Commit before anything else: known verbs, keys that are not empty, and each in one
// op only. An error is the caller's mistake.
func CheckOps(ops []Op) error {
	seen := make(map[string]bool, len(ops))
	for _, op := range ops {
		switch {
		case op.Verb < VerbCreate || op.Verb > VerbAbsent:
			return fmt.Errorf("committing %q: unknown verb %d", op.Key, op.Verb)
		case op.Key == "":
			return errors.New("committing: a key is empty")
		case seen[op.Key]:
			return fmt.Errorf("committing: %s stands in two ops", op.Key)
		}
		seen[op.Key] = true
	}
	return nil
}

// Violation is how an op's condition is broken by a key as it stands (exists, last modified at), as an error that wraps
// ErrExists, ErrNotFound or ErrConflict and names the key. It is nil when the condition holds.
func (op Op) Violation(modified Revision, exists bool) error {
	switch {
	case op.wantsNone() && exists:
		return fmt.Errorf("%s: %w", op.Key, ErrExists)
	case op.wantsNone():
		return nil
	case !exists:
		return fmt.Errorf("%s: %w", op.Key, ErrNotFound)
	case op.If != AnyRevision && op.If != modified:
		return fmt.Errorf("%s: %w: it was last modified at revision %d, not at %d", op.Key, ErrConflict, modified, op.If)
	}
	return nil
}

// wantsNone is whether the key must not exist.
func (op Op) wantsNone() bool { return op.Verb == VerbCreate || op.Verb == VerbAbsent }
