package jsonread

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// document has one of each that a Reader reads.
type document struct {
	Name  string              `json:"name"`
	Words []string            `json:"words"`
	Lists map[string][]string `json:"lists"`
	Inner *struct {
		Deep string `json:"deep"`
	} `json:"inner"`
}

func read(text string) (d document, err error) {
	r := New([]byte(text))
	r.Object(func(name []byte) {
		switch string(name) {
		case "name":
			r.String(&d.Name)
		case "words":
			d.Words = r.Strings()
		case "lists":
			d.Lists = map[string][]string{}
			r.Object(func(name []byte) {
				key := string(name)
				d.Lists[key] = r.Strings()
			})
		case "inner":
			d.Inner = &struct {
				Deep string `json:"deep"`
			}{}
			r.Object(func(name []byte) {
				if string(name) == "deep" {
					r.String(&d.Inner.Deep)
				} else {
					r.Skip()
				}
			})
		default:
			r.Skip()
		}
	})
	return d, r.End()
}

func TestRead(t *testing.T) {
	t.Parallel()
	got, err := read(` {"name" : "a\"ü\u00e9\ud83d\ude00", "words":["x",null,""], "lists":{"k":["v"],"none":null},
		"other":[{"a":[1,-2.5e+3,true,false,null]},{},[]], "inner":{"deep":"d","more":"m"}, "name":null}`)
	if err != nil {
		t.Fatal(err)
	}
	want := document{Name: "a\"üé😀", Words: []string{"x", "", ""}, Lists: map[string][]string{"k": {"v"}, "none": nil}}
	want.Inner = &struct {
		Deep string `json:"deep"`
	}{"d"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "{", "}", "[]", `""`, "1", "{}}", "{} x", `{"name"}`, `{"name":}`, `{"name":"a",}`, `{,}`, `{"name" "a"}`, `{"name":1}`, `{"name":"a`,
		"{\"name\":\"a\nb\"}", `{"name":"\x"}`, `{"name":"\u12"}`, `{"name":"\`, `{name:"a"}`, `{"words":"a"}`, `{"words":["a",]}`, `{"words":["a" "b"]}`,
		`{"words":[1]}`, `{"lists":[]}`, `{"x":tru}`, `{"x":truefalse}`, `{"x":01}`, `{"x":1-2}`, `{"x":nul}`, `{"x":nullnull}`, `{"name":nullx}`, `{"x":[}]}`, `{"x":{]}}`,
		`{"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
	} {
		if got, err := read(text); err == nil {
			t.Errorf("%.60s is read as %+v", text, got)
		}
	}
	if _, err := read("null"); err != nil {
		t.Errorf("null: %v", err)
	}
}

// FuzzRead holds a Reader to encoding/json: both take the same documents, and read the same.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		`{"name":"a","words":["b"],"lists":{"c":["d"]},"inner":{"deep":"e"},"x":[1,{"y":null}]}`, `{"name":"\u00e9\ud83d\"","words":null}`,
		`{"x":-1.5e-7,"z":"` + "\xff" + `"}`, `{"inner":null}`, ` { } `,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if otherwise(text) {
			return
		}
		var want document
		wantErr := json.Unmarshal(text, &want)
		got, err := read(string(text))
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, encoding/json: %v", text, err, wantErr)
		}
		if err == nil && !cmp.Equal(normal(want), normal(got)) {
			t.Fatalf("%q: read %+v, want %+v", text, got, want)
		}
	})
}

// otherwise is whether a document has what encoding/json reads in its own way: members twice, which it merges, and names in another case.
func otherwise(text []byte) bool {
	seen := map[string]int{}
	r := New(text)
	var walk func()
	walk = func() {
		if r.space(); r.peek() != '{' {
			r.Skip()
			return
		}
		r.Object(func(name []byte) {
			seen[strings.ToLower(string(name))]++
			if string(name) != strings.ToLower(string(name)) || strings.ContainsFunc(string(name), func(r rune) bool { return r > unicode.MaxASCII }) {
				seen[""] = 2
			}
			walk()
		})
	}
	walk()
	for _, times := range seen {
		if times > 1 {
			return true
		}
	}
	return false
}

// normal is a document in which there is no difference between none and null.
func normal(d document) document {
	if len(d.Lists) == 0 {
		d.Lists = nil
	}
	for key, list := range d.Lists {
		if len(list) == 0 {
			d.Lists[key] = nil
		}
	}
	if len(d.Words) == 0 {
		d.Words = nil
	}
	if d.Inner != nil && d.Inner.Deep == "" {
		d.Inner = nil
	}
	return d
}
