package imds

import (
	"maps"
	"slices"
	"strings"
)

// list is a folder: the names of what is in it, folders with a slash.
func (s *Service) list(folder string) (string, bool) {
	prefix := folder
	if prefix != "" {
		prefix += "/"
	}
	names := map[string]bool{}
	note := func(path string) {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok {
			return
		}
		name, _, deeper := strings.Cut(rest, "/")
		if deeper {
			name += "/"
		}
		names[name] = true
	}
	for path := range s.config.Values {
		note(path)
	}
	for path, dynamic := range s.config.Dynamic {
		if _, ok := dynamic(); ok {
			note(path)
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), "\n"), len(names) > 0
}
