package policy

import (
	"slices"
	"strings"
)

const arnSegments = 6 // arn:partition:service:region:account:resource

// arnTemplate is a pattern for ARNs. Its segments are matched one by one, so a wildcard never reaches over a colon before
// the resource (IAM User Guide, "Amazon Resource Name (ARN) condition operators").
type arnTemplate struct {
	*template
	segments []pattern // without variables
	all      bool      // a lone "*"
}

func compileARN(text string, s syntax) (*arnTemplate, string) {
	s.wildcards = true
	t, problem := compile(text, s)
	if problem != "" {
		return nil, problem
	}
	a := &arnTemplate{template: t}
	if len(t.parts) > 1 {
		return a, ""
	}
	a.all = t.ready.everything()
	a.segments = splitARN(t.ready)
	if !a.all && len(a.segments) != arnSegments {
		return nil, `must be in ARN format or "*"`
	}
	return a, ""
}

func splitARN(p pattern) []pattern {
	segments := make([]pattern, 0, arnSegments)
	for len(segments) < arnSegments-1 {
		i := slices.Index(p, ':')
		if i < 0 {
			break
		}
		segments, p = append(segments, p[:i]), p[i+1:]
	}
	return append(segments, p)
}

func (a *arnTemplate) match(value string, r *Request) answer {
	if a.all {
		return yes
	}
	segments := a.segments
	if segments == nil {
		p, ok := a.expand(r)
		if !ok {
			return unresolved
		}
		if p.everything() {
			return yes
		}
		segments = splitARN(p)
	}
	values := strings.SplitN(value, ":", arnSegments)
	if len(segments) != arnSegments || len(values) != arnSegments {
		return no
	}
	for i, s := range segments {
		if !s.match(values[i]) {
			return no
		}
	}
	return yes
}
