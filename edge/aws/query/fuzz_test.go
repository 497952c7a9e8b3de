package query

import "testing"

// FuzzForm looks for a form that panics, or that makes more of a list than it holds.
func FuzzForm(f *testing.F) {
	f.Add("Action=A&Tags.member.1.Key=a&Tags.member.1.Value=%20")
	f.Add("Filter.1.Value.1=x&M.entry.1.key=&M.entry.1.value=1&N=1&T=2026-01-02T03:04:05Z&B=YQ==")
	f.Add("Tags.member.999999.Key=1&Tags=&Tags.1.1.1.1.1.1.1.1.1.1.1=2&&&==&%")
	type inner struct {
		Key   string
		Value []string
	}
	type input struct {
		Tags, Filter []inner
		M            map[string]string
		N            *int32
		T, B         []byte
	}
	f.Fuzz(func(t *testing.T, form string) {
		params, err := parseForm(form)
		if err != nil {
			return
		}
		var in input
		if decode(params, &in) == nil && len(in.Tags) > len(form) {
			t.Errorf("%d tags from %d bytes", len(in.Tags), len(form))
		}
	})
}
