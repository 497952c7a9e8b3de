package query

import (
	"encoding/base64"
	"reflect"
	"strconv"
	"time"

	"minato.dev/minato"
)

// decode fills the struct that into points to from the parameters. Parameters that the struct does not have are ignored,
// as AWS ignores them.
func decode(params *node, into any) error {
	return decodeStruct(params, reflect.ValueOf(into).Elem(), "")
}

func decodeStruct(n *node, v reflect.Value, path string) error {
	for _, f := range fieldsOf(v.Type()) {
		child := n.children[f.name]
		if child == nil {
			continue
		}
		name := f.name
		if path != "" {
			name = path + "." + f.name
		}
		if err := decodeValue(child, v.FieldByIndex(f.index), name); err != nil {
			return err
		}
	}
	return nil
}

func decodeValue(n *node, v reflect.Value, name string) error {
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decodeValue(n, v.Elem(), name)
	case v.Type() == timeType:
		return decodeTime(n, v, name)
	case v.Type() == bytesType:
		b, err := base64.StdEncoding.DecodeString(n.value)
		if err != nil {
			return malformed(name, n.value, "base64")
		}
		v.SetBytes(b)
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		return decodeStruct(n, v, name)
	case reflect.Slice:
		return decodeList(n, v, name)
	case reflect.Map:
		return decodeMap(n, v, name)
	case reflect.String:
		v.SetString(n.value)
	case reflect.Bool:
		b, err := strconv.ParseBool(n.value)
		if err != nil {
			return malformed(name, n.value, "true or false")
		}
		v.SetBool(b)
	default:
		i, err := strconv.ParseInt(n.value, 10, v.Type().Bits())
		if err != nil {
			return malformed(name, n.value, "an integer")
		}
		v.SetInt(i)
	}
	return nil
}

func decodeList(n *node, v reflect.Value, name string) error {
	elements := n.elements("member", "item")
	list := reflect.MakeSlice(v.Type(), len(elements), len(elements))
	for i, element := range elements {
		if err := decodeValue(element, list.Index(i), name+"."+strconv.Itoa(i+1)); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

func decodeMap(n *node, v reflect.Value, name string) error {
	m := reflect.MakeMap(v.Type())
	for i, entry := range n.elements("entry") {
		key := entry.children["key"]
		if key == nil {
			return minato.Errorf(minato.Invalid, "the parameter %s.entry.%d has no key", name, i+1)
		}
		k := reflect.ValueOf(key.value).Convert(v.Type().Key())
		m.SetMapIndex(k, reflect.ValueOf(entry.text("value")).Convert(v.Type().Elem()))
	}
	v.Set(m)
	return nil
}

func decodeTime(n *node, v reflect.Value, name string) error {
	t, err := time.Parse(time.RFC3339, n.value)
	if err != nil {
		return malformed(name, n.value, "a time such as 2026-01-02T15:04:05Z")
	}
	v.Set(reflect.ValueOf(t))
	return nil
}

func malformed(name, value, want string) error {
	return minato.Errorf(minato.Invalid, "the value %q of parameter %s is not %s", value, name, want)
}
