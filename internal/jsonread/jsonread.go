// Package jsonread reads JSON of a known shape in one pass, without reflection, for documents that must be read in a few
// microseconds: encoding/json takes five times as long, and more memory than all the rest of such a request.
//
// It takes exactly the documents that encoding/json takes, and reads the same strings from them, with one difference: the names
// of members are what they are, and not also those in another case. Its fuzz test holds it to that.
package jsonread

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxDepth bounds how deep values may lie in one another, as in encoding/json.
const maxDepth = 10000

var (
	errSyntax = errors.New("it is not well-formed JSON")
	errType   = errors.New("a value is of another type than what is wanted there")
)

// Reader reads one document from its first byte to its last. After an error nothing more is read; End tells the first.
type Reader struct {
	text  []byte
	at    int
	depth int
	err   error
}

// New reads text, which must not change meanwhile.
func New(text []byte) *Reader { return &Reader{text: text} }

// End is what was wrong with the document, all of which has been read.
func (r *Reader) End() error {
	if r.space(); r.err == nil && r.at < len(r.text) {
		r.err = errSyntax
	}
	return r.err
}

// Object reads an object, or null for an empty one. It calls member with the name of each of its members; member reads the value.
// The name is good until then.
func (r *Reader) Object(member func(name []byte)) {
	if r.Null() || !r.open('{') {
		return
	}
	for first := true; !r.closed('}', first); first = false {
		name := r.literal()
		if r.space(); r.err != nil || r.peek() != ':' {
			r.fail(errSyntax)
			return
		}
		r.at++
		member(name)
	}
}

// Array reads an array, or null for an empty one. It calls element for each of its elements, to read it.
func (r *Reader) Array(element func()) {
	if r.Null() || !r.open('[') {
		return
	}
	for first := true; !r.closed(']', first); first = false {
		element()
	}
}

// String reads a string into s, which null leaves as it is.
func (r *Reader) String(s *string) {
	if r.Null() {
		return
	}
	if literal := r.literal(); r.err == nil {
		*s = string(literal)
	}
}

// Strings reads an array of strings; null is none.
func (r *Reader) Strings() (all []string) {
	r.Array(func() {
		var s string
		r.String(&s)
		all = append(all, s)
	})
	return all
}

// Null is whether a null comes next, which it reads.
func (r *Reader) Null() bool {
	r.space()
	if !bytes.HasPrefix(r.text[r.at:], []byte("null")) {
		return false
	}
	r.at += len("null")
	return true
}

// Skip reads any value and forgets it.
func (r *Reader) Skip() {
	r.space()
	switch r.peek() {
	case '{':
		r.Object(func([]byte) { r.Skip() })
	case '[':
		r.Array(r.Skip)
	case '"':
		r.literal()
	default: // true, false, null, a number
		start := r.at
		for r.at < len(r.text) && bytes.IndexByte([]byte("+-.0123456789Eaeflnrstu"), r.text[r.at]) >= 0 {
			r.at++
		}
		if !json.Valid(r.text[start:r.at]) {
			r.fail(errSyntax)
		}
	}
}

// fail keeps the first error, and has nothing be read any more.
func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.at = len(r.text)
}

// peek is the next byte, zero at the end.
func (r *Reader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *Reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// open reads the bracket that an object or array begins with.
func (r *Reader) open(bracket byte) bool {
	switch {
	case r.peek() != bracket:
		r.fail(errType)
		return false
	case r.depth == maxDepth:
		r.fail(errSyntax)
		return false
	}
	r.at++
	r.depth++
	return true
}

// closed reads what comes before the next member or element: the bracket that ends them, or a comma, which the first does not have.
func (r *Reader) closed(bracket byte, first bool) bool {
	r.space()
	next := r.peek()
	switch {
	case r.err != nil:
		return true
	case next == bracket:
		r.at++
		r.depth--
		return true
	case first:
		return false
	case next != ',':
		r.fail(errSyntax)
		return true
	}
	r.at++
	if r.space(); r.peek() == bracket {
		r.fail(errSyntax)
		return true
	}
	return false
}

// literal reads a string and gives what it says.
func (r *Reader) literal() []byte {
	r.space()
	if r.peek() != '"' {
		r.fail(errType)
		return nil
	}
	start, plain := r.at, true
	for r.at++; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			if plain {
				return r.text[start+1 : r.at-1]
			}
			return r.unquote(r.text[start:r.at])
		case c == '\\':
			plain = false
			r.at++
		case c >= utf8.RuneSelf:
			plain = false
		case c < ' ':
			r.fail(errSyntax)
			return nil
		}
	}
	r.fail(errSyntax)
	return nil
}

// unquote reads a string that is more than ASCII as it stands.
func (r *Reader) unquote(quoted []byte) []byte {
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		r.fail(errSyntax)
	}
	return []byte(s)
}
