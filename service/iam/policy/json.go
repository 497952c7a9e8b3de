package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds on a document. AWS's own limits are lower and depend on where the policy is attached; package iam holds them.
const (
	MaxSize  = 128 << 10 // bytes, the longest document that any IAM operation takes
	maxDepth = 8         // the grammar needs 6
)

type nodeKind int

const (
	nullNode nodeKind = iota
	scalarNode
	boolNode
	numberNode
	listNode
	objectNode
)

// node is one JSON value. Unlike a map it keeps the order of members, and unlike encoding/json it refuses doubled ones.
type node struct {
	kind    nodeKind
	text    string // of a string, number or bool
	items   []node // of a list, or the values of an object
	members []string
}

// member is the value of an object's member; ok is false where there is none.
func (n node) member(name string) (value node, ok bool) {
	for i, m := range n.members {
		if m == name {
			return n.items[i], true
		}
	}
	return node{}, false
}

// readJSON parses one JSON document, bounded in size and depth.
func readJSON(doc string) (node, error) {
	if len(doc) > MaxSize {
		return node{}, malformed("", "the document has %d bytes, at most %d are read", len(doc), MaxSize)
	}
	dec := json.NewDecoder(strings.NewReader(doc))
	dec.UseNumber()
	n, err := readValue(dec, "", 0)
	if err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("there is more after the end of the document")
		}
	}
	if m := (*Malformed)(nil); errors.As(err, &m) {
		return node{}, m
	}
	if err != nil {
		line, column := position(doc, dec.InputOffset())
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return node{}, malformed("", "This policy contains invalid Json: line %d, column %d: %v", line, column, err)
	}
	return n, nil
}

func readValue(dec *json.Decoder, path string, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, malformed(path, "the document is nested deeper than %d levels", maxDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return node{}, err
	}
	switch t := token.(type) {
	case string:
		return node{kind: scalarNode, text: t}, nil
	case json.Number:
		return node{kind: numberNode, text: t.String()}, nil
	case bool:
		return node{kind: boolNode, text: fmt.Sprint(t)}, nil
	case json.Delim:
		if t == '{' {
			return readObject(dec, path, depth)
		}
		return readList(dec, path, depth)
	}
	return node{kind: nullNode}, nil
}

func readObject(dec *json.Decoder, path string, depth int) (node, error) {
	n := node{kind: objectNode}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return n, err
		}
		name := token.(string) // encoding/json answers nothing else as a member's name
		if seen[name] {
			return n, malformed(path, "%q stands twice", name)
		}
		seen[name] = true
		v, err := readValue(dec, join(path, name), depth+1)
		if err != nil {
			return n, err
		}
		n.members, n.items = append(n.members, name), append(n.items, v)
	}
	_, err := dec.Token()
	return n, err
}

func readList(dec *json.Decoder, path string, depth int) (node, error) {
	n := node{kind: listNode}
	for i := 0; dec.More(); i++ {
		v, err := readValue(dec, fmt.Sprintf("%s[%d]", path, i), depth+1)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, v)
	}
	_, err := dec.Token()
	return n, err
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// position is where an offset lies, for a person: lines and columns count from 1.
func position(doc string, offset int64) (line, column int) {
	before := doc[:min(int(offset), len(doc))]
	line = 1 + strings.Count(before, "\n")
	return line, len(before) - strings.LastIndexByte(before, '\n')
}
