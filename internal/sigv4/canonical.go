package sigv4

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// request is what of a request enters the signature.
type request struct {
	method, host  string
	path          string // as it came, encoded
	query         string // as it came
	header        http.Header
	contentLength int64
	rules         Rules
}

// headerValue is the canonical value of a header, and whether it is there.
func (r *request) headerValue(name string) (string, bool) {
	if name == "host" {
		return strings.TrimSpace(r.host), r.host != ""
	}
	values := r.header[http.CanonicalHeaderKey(name)]
	if len(values) == 0 {
		// net/http may keep the length to itself.
		return strconv.FormatInt(r.contentLength, 10), name == "content-length" && r.contentLength >= 0
	}
	if len(values) == 1 {
		return collapse(values[0]), true
	}
	trimmed := make([]string, len(values))
	for i, v := range values {
		trimmed[i] = collapse(v)
	}
	return strings.Join(trimmed, ","), true
}

// collapse trims a header's value and makes one space of many.
func collapse(s string) string {
	s = strings.TrimSpace(s)
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

// parameter is one pair of the query, decoded.
type parameter struct{ name, value string }

type query []parameter

func (q query) has(name string) bool {
	return slices.ContainsFunc(q, func(p parameter) bool { return p.name == name })
}

func parseQuery(raw string) (query, error) {
	var q query
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return nil, incomplete("the query parameter '%s' is not well encoded", rawName)
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, incomplete("the value of the query parameter '%s' is not well encoded", name)
		}
		q = append(q, parameter{name, value})
	}
	return q, nil
}

// canonicalHead is the canonical request up to and without the payload's hash.
func canonicalHead(r *request, params query, signedHeaders []string) (string, error) {
	var b strings.Builder
	b.Grow(512 + len(r.query)*2)
	b.WriteString(r.method)
	b.WriteByte('\n')
	path := r.path
	if path == "" {
		path = "/"
	}
	if r.rules.SingleEncoding {
		decoded, err := url.PathUnescape(path)
		if err != nil {
			return "", incomplete("the path '%s' is not well encoded", path)
		}
		path = decoded
	}
	encode(&b, path, true)
	b.WriteByte('\n')
	canonicalQuery(&b, params)
	b.WriteByte('\n')
	for _, name := range signedHeaders {
		value, _ := r.headerValue(name)
		b.WriteString(name)
		b.WriteByte(':')
		b.WriteString(value)
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(signedHeaders, ";"))
	b.WriteByte('\n')
	return b.String(), nil
}

// canonicalQuery writes the parameters encoded anew and sorted by their encoded names and values, without the signature.
func canonicalQuery(b *strings.Builder, params query) {
	encoded := make([]parameter, 0, len(params))
	for _, p := range params {
		if p.name != "X-Amz-Signature" {
			encoded = append(encoded, parameter{encodeParameter(p.name), encodeParameter(p.value)})
		}
	}
	slices.SortFunc(encoded, func(x, y parameter) int {
		return cmp.Or(strings.Compare(x.name, y.name), strings.Compare(x.value, y.value))
	})
	for i, p := range encoded {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name)
		b.WriteByte('=')
		b.WriteString(p.value)
	}
}

func encodeParameter(s string) string {
	var b strings.Builder
	encode(&b, s, false)
	return b.String()
}

// encode writes s with every byte that RFC 3986 does not call unreserved as %XX; a path keeps its slashes.
func encode(b *strings.Builder, s string, path bool) {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/' && path:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
}
