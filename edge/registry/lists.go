package registry

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"minato.dev/minato"
)

// maxPage is how many names one answer has at most.
const maxPage = 1000

func (q *request) catalog() error {
	if q.r.Method != http.MethodGet {
		return minato.Errorf(minato.Unsupported, "the catalog can only be read").Because("UNSUPPORTED")
	}
	names, err := q.cfg.Images.Repositories()
	if err != nil {
		return err
	}
	names = append(names, q.cfg.Builtin.Names()...)
	return q.list(names, func(page []string) any { return map[string]any{"repositories": page} })
}

func (q *request) tags() (err error) {
	var tags []string
	if q.cfg.Builtin.Has(q.name) {
		tags = q.cfg.Builtin.Tags(q.name)
	} else if tags, err = q.cfg.Images.Tags(q.name); err != nil {
		return err
	}
	return q.list(tags, func(page []string) any { return map[string]any{"name": q.name, "tags": page} })
}

// list answers with a page of names in order: n of them at most, after last.
func (q *request) list(names []string, answer func([]string) any) error {
	query, n := q.r.URL.Query(), maxPage
	if asked := query.Get("n"); asked != "" {
		var err error
		if n, err = strconv.Atoi(asked); err != nil || n < 0 {
			return minato.Errorf(minato.Invalid, "n=%q: want a number", asked).Because("PAGINATION_NUMBER_INVALID")
		}
		n = min(n, maxPage)
	}
	slices.Sort(names)
	if last := query.Get("last"); last != "" {
		at, found := slices.BinarySearch(names, last)
		if found {
			at++
		}
		names = names[at:]
	}
	if n > 0 && len(names) > n {
		names = names[:n]
		next := url.Values{"n": {strconv.Itoa(n)}, "last": {names[n-1]}}
		q.w.Header().Set("Link", "<"+q.r.URL.Path+"?"+next.Encode()+`>; rel="next"`)
	}
	if n == 0 || names == nil {
		names = []string{}
	}
	q.w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(q.w).Encode(answer(names))
}
