package minato

import (
	"errors"
	"fmt"
)

// Kind says what went wrong in words of our own. Each protocol has one file that maps kinds to its error codes; an error
// without a kind is Internal there, and its text goes to the log only.
type Kind string

// The kinds of errors.
const (
	Internal         Kind = "internal"           // our fault, or unknown
	Invalid          Kind = "invalid"            // a parameter is missing, malformed or out of range
	NotFound         Kind = "not found"          // the thing named does not exist
	AlreadyExists    Kind = "already exists"     // the name is taken
	InUse            Kind = "in use"             // something else holds it, or an operation is in progress on it
	WrongState       Kind = "wrong state"        // valid, but not in the state that the thing is in
	PreconditionFail Kind = "precondition"       // a check the service makes beforehand says no (upgrade readiness)
	LimitExceeded    Kind = "limit exceeded"     // a quota
	Denied           Kind = "denied"             // authenticated, not allowed
	Unauthenticated  Kind = "unauthenticated"    // who is this?
	Throttled        Kind = "throttled"          // too many requests
	Unsupported      Kind = "unsupported"        // the API has it, Minato does not
	Unavailable      Kind = "unavailable"        // try again: a part we need is down
	Conflict         Kind = "concurrent changes" // somebody else wrote at the same time
)

// Error is the one error type that crosses package borders with a meaning. Message is for the person who made the request:
// what was wrong, with the value, and what would be right.
type Error struct {
	Kind    Kind
	Message string
	// Reason is a finer word within the kind, where one protocol has several codes for it ("MalformedPolicyDocument").
	// It is spelled as that protocol's error code.
	Reason string
	// Fields are extra members of the error on the wire, such as clusterName.
	Fields map[string]string
	// Err is the cause. It is logged and never shown to a client.
	Err error
}

// Errorf makes an Error; a %w verb records the cause and, unlike fmt.Errorf's, should come with a message fit to be shown.
func Errorf(kind Kind, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: wrapped.Error(), Err: errors.Unwrap(wrapped)}
}

// With sets a wire member of the error, such as clusterName, and returns it.
func (e *Error) With(field, value string) *Error {
	if e.Fields == nil {
		e.Fields = map[string]string{}
	}
	e.Fields[field] = value
	return e
}

// Because sets the reason and returns the error.
func (e *Error) Because(reason string) *Error {
	e.Reason = reason
	return e
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the first Error in err's chain, Internal where there is none, and empty for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is tells whether err is of a kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
