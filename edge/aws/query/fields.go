package query

import (
	"fmt"
	"reflect"
	"sync"
	"time"
)

var (
	timeType  = reflect.TypeFor[time.Time]()
	bytesType = reflect.TypeFor[[]byte]()
	mapType   = reflect.TypeFor[map[string]string]()
)

// field is a struct field that goes over the wire under a name.
type field struct {
	index []int
	name  string
}

var fieldCache sync.Map // reflect.Type to []field

// fieldsOf are the fields of a struct in the order they are written. Fields of embedded structs count as the outer one's.
func fieldsOf(t reflect.Type) []field {
	if cached, ok := fieldCache.Load(t); ok {
		return cached.([]field)
	}
	var fields []field
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous && f.Type.Kind() == reflect.Pointer {
			panic(fmt.Sprintf("query: %v embeds a pointer: embed the struct", t))
		}
		name := f.Tag.Get("query")
		if name == "" {
			name = f.Name
		}
		if f.IsExported() && !f.Anonymous && name != "-" {
			fields = append(fields, field{index: f.Index, name: name})
		}
	}
	fieldCache.Store(t, fields)
	return fields
}

// check panics if a struct type, or one within it, has a member that does not travel in a form or in XML.
func check(t reflect.Type) {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("query: %v is not a struct", t))
	}
	checkMember(t, t, nil)
}

func checkMember(root, t reflect.Type, above []reflect.Type) {
	for _, seen := range above {
		if seen == t {
			panic(fmt.Sprintf("query: %v holds itself in %v", t, root))
		}
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64:
		return
	case reflect.Pointer, reflect.Slice:
		if t != bytesType {
			checkMember(root, t.Elem(), above)
		}
		return
	case reflect.Map:
		if t.ConvertibleTo(mapType) {
			return
		}
	case reflect.Struct:
		if t == timeType {
			return
		}
		for _, f := range fieldsOf(t) {
			checkMember(root, t.FieldByIndex(f.index).Type, append(above, t))
		}
		return
	}
	panic(fmt.Sprintf("query: %v, in %v, does not travel in awsQuery or ec2Query", t, root))
}
