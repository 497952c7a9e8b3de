package ec2

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Filter keeps what has one of the values under a name. Values may hold the wildcards * and ?, which a backslash escapes.
type Filter struct {
	Name   string
	Values []string
}

// maxFilterValues is how many values all filters of a request may have together (EC2 API reference, "Filtering").
const maxFilterValues = 200

// kind is what describing needs to know of one kind of resource.
type kind[T any] struct {
	noun      string // "subnet ID"
	notFound  string // the error code of an id that does not exist
	says      string // the message for it, where it is in other words than most
	malformed string // the error code of what cannot be an id, where EC2 tells that apart (EC2 API reference, "Error codes")
	resource  string // its type in ARNs and tag specifications: "subnet"
	prefix    string // of its ids: "subnet-"
	parameter string // what a request calls its id: "SubnetId"
	records   func(store.Store) *store.Collection[T]
	id        func(T) string
	order     func(T) string        // unique, and what a list is sorted by
	tags      func(*T) *minato.Tags // nil for what has no tags
	// filters give a resource's values by filter name. A filter of EC2 for something that there is not here gives none.
	filters map[string]func(T) []string
}

// idDigits is what follows the prefix of an id: eight digits of old, or seventeen.
var idDigits = regexp.MustCompile(`^([0-9a-f]{8}|[0-9a-f]{17})$`)

func (k *kind[T]) missing(ids ...string) error {
	for _, id := range ids {
		digits, ok := strings.CutPrefix(id, k.prefix)
		if k.malformed != "" && (!ok || !idDigits.MatchString(digits)) {
			return minato.Errorf(minato.NotFound, "Invalid id: \"%s\" (expecting \"%s...\")", id, k.prefix).Because(k.malformed)
		}
	}
	if k.says != "" {
		return minato.Errorf(minato.NotFound, k.says, strings.Join(ids, ", ")).Because(k.notFound)
	}
	format := "The %s '%s' does not exist"
	if len(ids) > 1 {
		format = "The %ss '%s' do not exist"
	}
	return minato.Errorf(minato.NotFound, format, k.noun, strings.Join(ids, ", ")).Because(k.notFound)
}

// check refuses filters that EC2 does not have for the kind.
func (k *kind[T]) check(filters []Filter) error {
	values := 0
	for _, f := range filters {
		_, known := k.filters[f.Name]
		if tag, ok := strings.CutPrefix(f.Name, "tag:"); ok && tag != "" || f.Name == "tag-key" {
			known = k.tags != nil
		}
		if !known {
			return minato.Errorf(minato.Invalid, "The filter '%s' is invalid", f.Name).Because("InvalidParameterValue")
		}
		if len(f.Values) == 0 {
			return minato.Errorf(minato.Invalid, "The filter '%s' has no value: want one at least", f.Name).Because("InvalidParameterValue")
		}
		values += len(f.Values)
	}
	if values > maxFilterValues {
		return minato.Errorf(minato.Invalid, "The filters have %d values together: want %d at most", values, maxFilterValues).
			Because("FilterLimitExceeded")
	}
	return nil
}

// matches is whether a resource passes all filters, which have been checked.
func (k *kind[T]) matches(v T, filters []Filter) bool {
	return !slices.ContainsFunc(filters, func(f Filter) bool {
		for _, value := range k.values(v, f.Name) {
			if slices.ContainsFunc(f.Values, func(pattern string) bool { return like(pattern, value) }) {
				return false
			}
		}
		return true
	})
}

func (k *kind[T]) values(v T, filter string) []string {
	if filter == "tag-key" {
		return slices.Collect(maps.Keys(*k.tags(&v)))
	}
	if tag, ok := strings.CutPrefix(filter, "tag:"); ok {
		if value, has := (*k.tags(&v))[tag]; has {
			return []string{value}
		}
		return nil
	}
	return k.filters[filter](v)
}

// like is whether a string fits a pattern with wildcards. It takes time in the product of their lengths at most.
func like(pattern, s string) bool {
	p, i := 0, 0
	star, from := -1, 0 // the last * met, and where in s what it stands for may end
	for i < len(s) {
		switch c, width := patternByte(pattern, p); {
		case width == 1 && c == '*':
			star, from = p, i
			p++
		case width > 0 && (width == 1 && c == '?' || c == s[i]):
			p += width
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// patternByte is the byte at p of a pattern and how many bytes write it: 2 if it is escaped, 0 at the end.
func patternByte(pattern string, p int) (c byte, width int) {
	switch {
	case p >= len(pattern):
		return 0, 0
	case pattern[p] == '\\' && p+1 < len(pattern):
		return pattern[p+1], 2
	}
	return pattern[p], 1
}
