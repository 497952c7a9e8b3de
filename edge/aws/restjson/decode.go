package restjson

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	smithy "github.com/aws/smithy-go"

	"minato.dev/minato"
)

// Unmarshal reads the JSON of a shape into the Go value that v points to. Absent and null members stay as they are. The error
// is of kind Invalid, with the reason SerializationException, and names the member.
func Unmarshal(s *smithy.Schema, data []byte, v any) error {
	tree, err := parse(data)
	if err != nil {
		return malformed("Malformed JSON: %v", err)
	}
	if tree == nil {
		return nil
	}
	return decode(s, tree, reflect.ValueOf(v).Elem(), "")
}

// malformed is an error about the form of a request: what AWS answers before an operation sees the request.
func malformed(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.Invalid, format, args...).Because(serialization)
}

// decode puts a parsed JSON value, never nil, into a Go value. path says where in the request we are.
func decode(s *smithy.Schema, tree any, v reflect.Value, path string) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch s.Type() {
	case smithy.ShapeTypeStructure:
		return decodeStruct(s, tree, v, path)
	case smithy.ShapeTypeList:
		return decodeList(s, tree, v, path)
	case smithy.ShapeTypeMap:
		return decodeMap(s, tree, v, path)
	case smithy.ShapeTypeString, smithy.ShapeTypeEnum:
		text, ok := tree.(string)
		if !ok {
			return wrongType(path, "a string", tree)
		}
		v.SetString(text)
	case smithy.ShapeTypeBoolean:
		b, ok := tree.(bool)
		if !ok {
			return wrongType(path, "true or false", tree)
		}
		v.SetBool(b)
	case smithy.ShapeTypeInteger, smithy.ShapeTypeLong:
		number, _ := tree.(json.Number)
		n, err := strconv.ParseInt(number.String(), 10, v.Type().Bits())
		if err != nil {
			return wrongType(path, fmt.Sprintf("an integer of %d bits", v.Type().Bits()), tree)
		}
		v.SetInt(n)
	case smithy.ShapeTypeDouble, smithy.ShapeTypeFloat:
		number, _ := tree.(json.Number)
		f, err := strconv.ParseFloat(number.String(), v.Type().Bits())
		if err != nil {
			return wrongType(path, "a number", tree)
		}
		v.SetFloat(f)
	case smithy.ShapeTypeTimestamp:
		number, _ := tree.(json.Number)
		seconds, err := strconv.ParseFloat(number.String(), 64)
		if err != nil || math.Abs(seconds) > 1<<40 {
			return wrongType(path, "a time in seconds since 1970", tree)
		}
		v.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()))
	}
	return nil
}

func decodeStruct(s *smithy.Schema, tree any, v reflect.Value, path string) error {
	object, ok := tree.(map[string]any)
	if !ok {
		return wrongType(path, "an object", tree)
	}
	for _, name := range sortedKeys(object) {
		m := s.Member(name)
		if m == nil {
			return malformed("Unknown member %q: this version of the API has no such member", join(path, name))
		}
		if object[name] == nil {
			continue
		}
		if err := decode(m, object[name], v.FieldByName(fieldName(name)), join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

func decodeList(s *smithy.Schema, tree any, v reflect.Value, path string) error {
	list, ok := tree.([]any)
	if !ok {
		return wrongType(path, "a list", tree)
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
	for i, item := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if item == nil {
			return wrongType(at, "a value", nil)
		}
		if err := decode(s.ListMember(), item, v.Index(i), at); err != nil {
			return err
		}
	}
	return nil
}

func decodeMap(s *smithy.Schema, tree any, v reflect.Value, path string) error {
	object, ok := tree.(map[string]any)
	if !ok {
		return wrongType(path, "an object", tree)
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(object)))
	for _, key := range sortedKeys(object) {
		if object[key] == nil {
			return wrongType(join(path, key), "a value", nil)
		}
		value := reflect.New(v.Type().Elem()).Elem()
		if err := decode(s.MapValue(), object[key], value, join(path, key)); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), value)
	}
	return nil
}

// decodeText puts what stood in the path or the query into a Go value.
func decodeText(s *smithy.Schema, texts []string, v reflect.Value, name string) error {
	if s.Type() == smithy.ShapeTypeList {
		list := make([]any, len(texts))
		for i, t := range texts {
			list[i] = t
		}
		return decode(s, list, v, name)
	}
	if len(texts) != 1 {
		return malformed("%s stands %d times in the query, it can be given once", name, len(texts))
	}
	var tree any = texts[0]
	switch s.Type() {
	case smithy.ShapeTypeBoolean:
		if texts[0] == "true" || texts[0] == "false" {
			tree = texts[0] == "true"
		}
	case smithy.ShapeTypeInteger, smithy.ShapeTypeLong:
		if _, err := strconv.ParseInt(texts[0], 10, 64); err == nil {
			tree = json.Number(texts[0])
		}
	}
	return decode(s, tree, v, name)
}

func wrongType(path, want string, got any) error {
	if path == "" {
		path = "the request body"
	}
	return malformed("%s must be %s, not %s", path, want, describe(got))
}

// describe says what a JSON value is, cut short: it goes into an error message.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return strconv.Quote(shorten(v))
	case json.Number:
		return shorten(v.String())
	}
	return fmt.Sprint(v)
}

func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

func join(path, name string) string {
	if path == "" {
		return shorten(name)
	}
	return path + "." + shorten(name)
}

// sortedKeys makes the order of errors the same every time.
func sortedKeys(object map[string]any) []string {
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
