package policy

import (
	"strings"
	"unicode/utf8"
)

// The two wildcards, as they stand in a compiled pattern; no rune of a document has these values.
const (
	anyRune rune = -1 // "?"
	anyRun  rune = -2 // "*"
)

// pattern is text with wildcards, ready to match.
type pattern []rune

// match is whether all of s matches. It never goes back further than the last "*", so its time is at most the product of
// the two lengths.
func (p pattern) match(s string) bool {
	at, i := 0, 0
	star, retry := -1, 0
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case at < len(p) && p[at] == anyRun:
			star, retry = at, i
			at++
		case at < len(p) && (p[at] == anyRune || p[at] == r):
			at++
			i += size
		case star >= 0:
			_, size := utf8.DecodeRuneInString(s[retry:])
			retry += size
			i, at = retry, star+1
		default:
			return false
		}
	}
	for at < len(p) && p[at] == anyRun {
		at++
	}
	return at == len(p)
}

// everything is whether the pattern is a lone "*".
func (p pattern) everything() bool { return len(p) == 1 && p[0] == anyRun }

// variable is a policy variable: ${key} or ${key, 'default'}.
type variable struct {
	key        string // in lower case
	fallback   string
	hasDefault bool
}

// template is a value of a document that may hold wildcards and policy variables.
type template struct {
	text  string // as written
	parts []part
	ready pattern // without variables: the pattern itself
	fold  bool    // compare without regard to case
}

// part is a run of pattern, or a variable.
type part struct {
	run      pattern
	variable *variable
}

// syntax says what is special in a value.
type syntax struct {
	wildcards bool // * and ?
	variables bool // ${…}: only in documents of version 2012-10-17
	fold      bool
}

// compile reads a value. The error is for a person and says nothing about the place.
func compile(text string, s syntax) (*template, string) {
	t := &template{text: text, fold: s.fold}
	if s.fold {
		text = strings.ToLower(text)
	}
	var run pattern
	for rest := text; rest != ""; {
		if s.variables && strings.HasPrefix(rest, "${") {
			inner, after, ok := strings.Cut(rest[2:], "}")
			if !ok {
				return nil, "a policy variable is not closed: want ${key}"
			}
			rest = after
			switch inner {
			case "*", "?", "$":
				run = append(run, rune(inner[0]))
				continue
			}
			v, problem := compileVariable(inner)
			if problem != "" {
				return nil, problem
			}
			t.parts = append(t.parts, part{run: run}, part{variable: v})
			run = nil
			continue
		}
		r, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
		if s.wildcards {
			r = wildcard(r)
		}
		if r == anyRun && len(run) > 0 && run[len(run)-1] == anyRun {
			continue
		}
		run = append(run, r)
	}
	t.parts = append(t.parts, part{run: run})
	if len(t.parts) == 1 {
		t.ready = run
	}
	return t, ""
}

func wildcard(r rune) rune {
	switch r {
	case '*':
		return anyRun
	case '?':
		return anyRune
	}
	return r
}

func compileVariable(inner string) (*variable, string) {
	key, fallback, hasDefault := strings.Cut(inner, ",")
	v := &variable{key: strings.ToLower(strings.TrimSpace(key)), hasDefault: hasDefault}
	if v.key == "" {
		return nil, "a policy variable has no name: want ${key}"
	}
	if hasDefault {
		fallback = strings.TrimSpace(fallback)
		if len(fallback) < 2 || fallback[0] != '\'' || fallback[len(fallback)-1] != '\'' {
			return nil, "the default of a policy variable must stand in single quotes: ${key, 'default'}"
		}
		v.fallback = fallback[1 : len(fallback)-1]
	}
	return v, ""
}

// expand is the pattern with the variables of a request in it; ok is false when one has no value. What a variable stands
// for is never a wildcard.
func (t *template) expand(r *Request) (p pattern, ok bool) {
	if len(t.parts) == 1 {
		return t.ready, true
	}
	for _, part := range t.parts {
		if part.variable == nil {
			p = append(p, part.run...)
			continue
		}
		value, ok := part.variable.value(r)
		if !ok {
			return nil, false
		}
		if t.fold {
			value = strings.ToLower(value)
		}
		p = append(p, []rune(value)...)
	}
	return p, true
}

// value is what a variable stands for: the single value of its key. A key with several values stands for none.
func (v *variable) value(r *Request) (string, bool) {
	if values := r.Context[v.key]; len(values) == 1 {
		return values[0], true
	}
	return v.fallback, v.hasDefault
}

// answer is a match's outcome. A value with a variable that has no value in the request is unresolved: it matches nothing,
// and its not matching proves nothing either.
type answer int

const (
	no answer = iota
	yes
	unresolved
)

func answerOf(matched bool) answer {
	if matched {
		return yes
	}
	return no
}

// match compares a request's value with the whole template. Where the template folds case, so is the value's.
func (t *template) match(value string, r *Request) answer {
	p, ok := t.expand(r)
	if !ok {
		return unresolved
	}
	if t.fold {
		value = strings.ToLower(value)
	}
	return answerOf(p.match(value))
}
