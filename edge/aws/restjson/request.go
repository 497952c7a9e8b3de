package restjson

import (
	"io"
	"net/http"
	"net/url"
	"reflect"
	"unicode/utf8"

	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// decodeRequest fills a new input of the operation from the path's labels, the query and the body.
func decodeRequest(op *Operation, labels map[string]string, r *http.Request) (any, error) {
	input := op.newInput()
	v := reflect.ValueOf(input).Elem()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, malformed("The body could not be read to its end.")
	}
	if err := decodeBody(op.input, body, v); err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformed("The query string is malformed: %v", err)
	}
	for _, m := range sortedMembers(op.input) {
		name := m.MemberName()
		texts := []string{labels[name]}
		switch binding, inQuery := smithy.SchemaTrait[*traits.HTTPQuery](m); {
		case inQuery && query.Has(binding.Name):
			texts = query[binding.Name]
		case !isLabel(m):
			continue
		}
		for _, t := range texts {
			if !utf8.ValidString(t) {
				return nil, malformed("%s is not valid UTF-8", name)
			}
		}
		if err := decodeText(m, texts, v.FieldByName(fieldName(name)), name); err != nil {
			return nil, err
		}
	}
	return input, nil
}

// decodeBody reads the members that are bound to nothing else; no body at all is an empty object.
func decodeBody(s *smithy.Schema, body []byte, v reflect.Value) error {
	if len(body) == 0 {
		return nil
	}
	tree, err := parse(body)
	if err != nil {
		return malformed("Malformed JSON in the request body: %v", err)
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return wrongType("", "an object", tree)
	}
	for name := range object {
		if m := s.Member(name); m != nil && (isLabel(m) || isQuery(m)) {
			delete(object, name) // it counts where it is bound
		}
	}
	return decodeStruct(s, object, v, "")
}

func isLabel(m *smithy.Schema) bool {
	_, ok := smithy.SchemaTrait[*traits.HTTPLabel](m)
	return ok
}

func isQuery(m *smithy.Schema) bool {
	_, ok := smithy.SchemaTrait[*traits.HTTPQuery](m)
	return ok
}
