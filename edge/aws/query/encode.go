package query

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// timestamp is how both dialects write a time.
const timestamp = "2006-01-02T15:04:05Z"

// xmlWriter writes values as the elements of one dialect.
type xmlWriter struct {
	bytes.Buffer
	dialect Dialect
}

func (w *xmlWriter) element(name string, content func()) {
	fmt.Fprintf(w, "<%s>", name)
	content()
	fmt.Fprintf(w, "</%s>", name)
}

func (w *xmlWriter) text(name, value string) {
	w.element(name, func() { xml.EscapeText(w, []byte(value)) }) // a buffer does not fail
}

// fields writes a struct's members, without an element around them.
func (w *xmlWriter) fields(v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		if member := v.FieldByIndex(f.index); !absent(member) {
			w.value(f.name, member)
		}
	}
}

func (w *xmlWriter) value(name string, v reflect.Value) {
	if text, ok := scalar(v); ok {
		w.text(name, text)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		w.value(name, v.Elem())
	case reflect.Struct:
		w.element(name, func() { w.fields(v) })
	case reflect.Slice:
		w.element(name, func() {
			for i := range v.Len() {
				w.value(w.dialect.listElement(), v.Index(i))
			}
		})
	case reflect.Map:
		m := v.Convert(mapType).Interface().(map[string]string)
		w.element(name, func() {
			for _, key := range slices.Sorted(maps.Keys(m)) {
				w.element("entry", func() {
					w.text("key", key)
					w.text("value", m[key])
				})
			}
		})
	}
}

// absent is whether a member is left out of a response.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String, reflect.Pointer, reflect.Slice, reflect.Map:
		return v.IsZero()
	}
	return v.Type() == timeType && v.IsZero()
}

// scalar is a value's text, where it is one without members.
func scalar(v reflect.Value) (string, bool) {
	switch v.Type() {
	case timeType:
		return v.Interface().(time.Time).UTC().Format(timestamp), true
	case bytesType:
		return base64.StdEncoding.EncodeToString(v.Bytes()), true
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), true
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), true
	case reflect.Int, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), true
	}
	return "", false
}

// jsonValue is a value as the JSON form of awsQuery has it: lists and maps are plain, times are seconds since 1970.
func jsonValue(v reflect.Value) any {
	if v.Type() == timeType {
		return v.Interface().(time.Time).Unix()
	}
	switch v.Kind() {
	case reflect.Pointer:
		return jsonValue(v.Elem())
	case reflect.Struct:
		object := map[string]any{}
		for _, f := range fieldsOf(v.Type()) {
			if member := v.FieldByIndex(f.index); !absent(member) {
				object[f.name] = jsonValue(member)
			}
		}
		return object
	case reflect.Slice:
		if v.Type() == bytesType {
			return v.Interface()
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = jsonValue(v.Index(i))
		}
		return list
	}
	return v.Interface()
}
