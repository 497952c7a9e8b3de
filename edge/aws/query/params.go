package query

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"minato.dev/minato"
)

// Bounds of what a form may hold. The body itself is bounded by the listener.
const (
	maxParameters = 5000 // EC2 takes 1000 ids in a list; nothing takes more
	maxDepth      = 10   // parts of a name such as Filter.1.Value.2
	maxIndex      = 1 << 20
)

// node is a parameter and those below it: Filter.1.Name lies at Filter, 1, Name.
type node struct {
	value    string
	given    bool // the parameter itself was sent, perhaps empty; not only ones below it
	children map[string]*node
}

// parse reads the parameters of a request from its query string and, for a POST, its form.
func parse(r *http.Request) (*node, error) {
	encoded := r.URL.RawQuery
	if r.Method == http.MethodPost {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != "application/x-www-form-urlencoded" {
			return nil, minato.Errorf(minato.Invalid,
				"the content type is %q: want application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, minato.Errorf(minato.Invalid, "the body cannot be read: %w", err)
		}
		encoded += "&" + string(body)
	} else if r.Method != http.MethodGet {
		return nil, minato.Errorf(minato.Invalid, "the method is %s: want POST or GET", r.Method)
	}
	return parseForm(encoded)
}

func parseForm(encoded string) (*node, error) {
	root := &node{}
	count := 0
	for pair := range strings.SplitSeq(encoded, "&") {
		if pair == "" {
			continue
		}
		if count++; count > maxParameters {
			return nil, minato.Errorf(minato.Invalid, "the request has more than %d parameters", maxParameters)
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return nil, minato.Errorf(minato.Invalid, "the parameter name %q is not well encoded", rawName)
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, minato.Errorf(minato.Invalid, "the value of parameter %q is not well encoded", name)
		}
		if err := root.put(name, value); err != nil {
			return nil, err
		}
	}
	return root, nil
}

func (n *node) put(name, value string) error {
	if strings.Count(name, ".") >= maxDepth {
		return minato.Errorf(minato.Invalid, "the parameter name %q has more than %d parts", name, maxDepth)
	}
	for part := range strings.SplitSeq(name, ".") {
		child := n.children[part]
		if child == nil {
			child = &node{}
			if n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[part] = child
		}
		n = child
	}
	if n.given {
		return minato.Errorf(minato.Invalid, "the parameter %q is given more than once", name)
	}
	n.value, n.given = value, true
	return nil
}

// text is the value of a parameter directly below n, empty where there is none.
func (n *node) text(name string) string {
	if child := n.children[name]; child != nil {
		return child.value
	}
	return ""
}

// elements are the parameters that make up n as a list, in order: those with a number for a name, below n or below the
// part between (member, entry, item) that the client's protocol puts there. Numbers may be missing, as AWS lets them.
func (n *node) elements(between ...string) []*node {
	list := n
	for _, name := range between {
		if child := n.children[name]; child != nil {
			list = child
			break
		}
	}
	indexes := make([]int, 0, len(list.children))
	for name := range list.children {
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i <= maxIndex && strconv.Itoa(i) == name {
			indexes = append(indexes, i)
		}
	}
	slices.Sort(indexes)
	nodes := make([]*node, len(indexes))
	for k, i := range indexes {
		nodes[k] = list.children[strconv.Itoa(i)]
	}
	return nodes
}
