package addon

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"minato.dev/minato/cluster/kubeapi"
)

// without is an object without some of its fields, which are written as server-side apply writes them:
// .spec.template.spec.containers[name="coredns"].image. A field that the object does not have is an error.
func without(o kubeapi.Object, fields []string) (kubeapi.Object, error) {
	copied := clone(o)
	for _, field := range fields {
		left, err := remove(copied, field)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", field, err)
		}
		copied = left
	}
	return copied.(kubeapi.Object), nil
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := maps.Clone(v)
		for k, value := range c {
			c[k] = clone(value)
		}
		return c
	case []any:
		c := slices.Clone(v)
		for i, value := range c {
			c[i] = clone(value)
		}
		return c
	}
	return v
}

// remove takes the field at path out of v and gives what is left. Names in paths are not quoted, and may have dots in them:
// the longest that is there is meant.
func remove(v any, path string) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		rest, ok := strings.CutPrefix(path, ".")
		name := longest(v, rest)
		if !ok || name == "" {
			return nil, fmt.Errorf("there is nothing at %q", path)
		}
		if rest = rest[len(name):]; rest == "" {
			delete(v, name)
			return v, nil
		}
		left, err := remove(v[name], rest)
		v[name] = left
		return v, err
	case []any:
		i, rest, err := element(v, path)
		if err != nil {
			return nil, err
		}
		if rest == "" {
			return slices.Delete(v, i, i+1), nil
		}
		left, err := remove(v[i], rest)
		v[i] = left
		return v, err
	}
	return nil, fmt.Errorf("there is nothing at %q", path)
}

// longest is the longest name in an object that a path begins with.
func longest(o map[string]any, path string) (name string) {
	for k := range o {
		rest, ok := strings.CutPrefix(path, k)
		if ok && len(k) > len(name) && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			name = k
		}
	}
	return name
}

// element finds the element of a list that a path begins with: [0], [="value"], [name="coredns"] or [port=53,protocol="UDP"].
func element(list []any, path string) (i int, rest string, err error) {
	missing := fmt.Errorf("there is nothing at %q", path)
	if !strings.HasPrefix(path, "[") {
		return 0, "", missing
	}
	end := closing(path)
	if end < 0 {
		return 0, "", missing
	}
	inner, rest := path[1:end], path[end+1:]
	if n, err := strconv.Atoi(inner); err == nil {
		if n < 0 || n >= len(list) {
			return 0, "", missing
		}
		return n, rest, nil
	}
	keys, err := parseKeys(inner)
	if err != nil {
		return 0, "", missing
	}
	i = slices.IndexFunc(list, func(v any) bool {
		for name, want := range keys {
			got := v
			if o, ok := v.(map[string]any); ok && name != "" {
				got = o[name]
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				return false
			}
		}
		return true
	})
	if i < 0 {
		return 0, "", missing
	}
	return i, rest, nil
}

// closing is where the bracket that a path begins with is closed, outside of quotes; -1 for nowhere.
func closing(path string) int {
	quoted := false
	for i := 0; i < len(path); i++ {
		switch {
		case quoted && path[i] == '\\':
			i++
		case path[i] == '"':
			quoted = !quoted
		case path[i] == ']' && !quoted:
			return i
		}
	}
	return -1
}

// parseKeys reads NAME=VALUE,…, where values are JSON. An empty name stands for the element itself.
func parseKeys(text string) (map[string]any, error) {
	keys := map[string]any{}
	for text != "" {
		name, rest, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("no key in %q", text)
		}
		decoder := json.NewDecoder(strings.NewReader(rest))
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		keys[name] = value
		text = strings.TrimPrefix(rest[decoder.InputOffset():], ",")
	}
	return keys, nil
}
