package restjson

import (
	"bytes"
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"time"

	smithy "github.com/aws/smithy-go"
)

// Marshal writes a Go value as the JSON of a shape, members in order of their names. A nil pointer, slice or map is absent;
// an empty slice or map is written; a bool or number that is not behind a pointer is always written; an empty string that is
// not behind a pointer (an enum) is absent. Times are seconds since 1970 as a number, with milliseconds where there are any.
func Marshal(s *smithy.Schema, v any) []byte {
	return encode(nil, s, reflect.ValueOf(v), false)
}

// encode appends a value. With nulls, absent members of this structure (not of those within) are written as null, which is
// how EKS writes its exceptions.
func encode(b []byte, s *smithy.Schema, v reflect.Value, nulls bool) []byte {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch s.Type() {
	case smithy.ShapeTypeStructure:
		return encodeStruct(b, s, v, nulls)
	case smithy.ShapeTypeList:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = encode(b, s.ListMember(), v.Index(i), false)
		}
		return append(b, ']')
	case smithy.ShapeTypeMap:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return cmp.Compare(x.String(), y.String()) })
		b = append(b, '{')
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, k.String()), ':')
			b = encode(b, s.MapValue(), v.MapIndex(k), false)
		}
		return append(b, '}')
	case smithy.ShapeTypeBoolean:
		return strconv.AppendBool(b, v.Bool())
	case smithy.ShapeTypeInteger, smithy.ShapeTypeLong:
		return strconv.AppendInt(b, v.Int(), 10)
	case smithy.ShapeTypeDouble, smithy.ShapeTypeFloat:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, v.Type().Bits())
	case smithy.ShapeTypeTimestamp:
		t, _ := v.Interface().(time.Time)
		return strconv.AppendFloat(b, float64(t.UnixMilli())/1000, 'f', -1, 64)
	}
	return appendString(b, v.String())
}

func encodeStruct(b []byte, s *smithy.Schema, v reflect.Value, nulls bool) []byte {
	b = append(b, '{')
	start := len(b)
	for _, m := range sortedMembers(s) {
		field := v.FieldByName(fieldName(m.MemberName()))
		gone := absent(field)
		if gone && !nulls {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(appendString(b, m.MemberName()), ':')
		if gone {
			b = append(b, "null"...)
			continue
		}
		b = encode(b, m, field, false)
	}
	return append(b, '}')
}

func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0
	}
	return false
}

// appendString quotes a string as JSON, leaving <, > and & as they are.
func appendString(b []byte, s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes; invalid UTF-8 becomes the replacement character
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// MarshalMembers is the JSON of those of a structure's members that are named and present, by name. v is a pointer to the
// structure; a nil one has no members.
func MarshalMembers(s *smithy.Schema, v any, names ...string) map[string]json.RawMessage {
	members := map[string]json.RawMessage{}
	structure := reflect.ValueOf(v)
	if structure.IsNil() {
		return members
	}
	for _, name := range names {
		if field := structure.Elem().FieldByName(fieldName(name)); !absent(field) {
			members[name] = encode(nil, s.Member(name), field, false)
		}
	}
	return members
}
