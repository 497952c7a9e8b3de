package restjson

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"minato.dev/minato"
)

// route is one operation's method and path template, split at the slashes.
type route struct {
	method   string
	segments []segment
	op       *Operation
}

// segment is a literal path segment, or a label that takes one segment whole.
type segment struct {
	literal string
	label   string // member name; empty for a literal
}

func newRoute(op *Operation, method, uri string) route {
	r := route{method: method, op: op}
	for part := range strings.SplitSeq(strings.Trim(uri, "/"), "/") {
		if label, ok := strings.CutPrefix(part, "{"); ok {
			r.segments = append(r.segments, segment{label: strings.TrimSuffix(label, "}")})
		} else {
			r.segments = append(r.segments, segment{literal: part})
		}
	}
	return r
}

// bySpecificity sorts routes so that at the first difference a literal comes before a label.
func bySpecificity(a, b route) int {
	return slices.CompareFunc(a.segments, b.segments, func(x, y segment) int {
		if (x.label == "") != (y.label == "") {
			return cmp.Compare(len(x.label), len(y.label))
		}
		return cmp.Compare(x.literal, y.literal)
	})
}

// find is the operation of a request with its path labels. Matching is on the path as it was sent, still escaped, because an
// ARN in a label comes as one segment with its slashes escaped; each label is unescaped once.
func find(routes []route, method string, u *url.URL) (*Operation, map[string]string, error) {
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for _, r := range routes {
		if r.method != method {
			continue
		}
		if labels, ok := r.match(parts); ok {
			return r.op, labels, nil
		}
	}
	return nil, nil, minato.Errorf(minato.NotFound, "There is no operation %s %s", method, describe(u.EscapedPath())).
		Because(unknownOperation)
}

func (r route) match(parts []string) (map[string]string, bool) {
	if len(parts) != len(r.segments) {
		return nil, false
	}
	labels := map[string]string{}
	for i, seg := range r.segments {
		if seg.label == "" {
			if parts[i] != seg.literal {
				return nil, false
			}
			continue
		}
		text, err := url.PathUnescape(parts[i])
		if err != nil || text == "" || !utf8.ValidString(text) {
			return nil, false
		}
		labels[seg.label] = text
	}
	return labels, true
}
