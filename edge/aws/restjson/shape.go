package restjson

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	smithy "github.com/aws/smithy-go"
)

var timeType = reflect.TypeFor[time.Time]()

// fieldName is the Go field of a member: "resourcesVpcConfig" lies in ResourcesVpcConfig.
func fieldName(member string) string { return strings.ToUpper(member[:1]) + member[1:] }

// sortedMembers are a structure's members by name, the order in which the SDK writes them.
func sortedMembers(s *smithy.Schema) []*smithy.Schema {
	members := make([]*smithy.Schema, 0, len(s.Members()))
	for _, m := range s.Members() {
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b *smithy.Schema) int { return cmp.Compare(a.MemberName(), b.MemberName()) })
	return members
}

// check reports whether the codec can carry every value of a schema in the Go type, which is what makes the reflection in
// decode and encode safe. The schemas of this protocol's services are not recursive.
func check(s *smithy.Schema, t reflect.Type) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	mismatch := fmt.Errorf("%s does not fit the Go type %s", s.ID(), t)
	switch s.Type() {
	case smithy.ShapeTypeStructure:
		if t.Kind() != reflect.Struct {
			return mismatch
		}
		for _, m := range sortedMembers(s) {
			f, ok := t.FieldByName(fieldName(m.MemberName()))
			if !ok {
				return fmt.Errorf("%s has no field for the member %s", t, m.MemberName())
			}
			if err := check(m, f.Type); err != nil {
				return fmt.Errorf("%s.%s: %w", t, f.Name, err)
			}
		}
	case smithy.ShapeTypeList:
		if t.Kind() != reflect.Slice {
			return mismatch
		}
		return check(s.ListMember(), t.Elem())
	case smithy.ShapeTypeMap:
		if t.Kind() != reflect.Map || t.Key().Kind() != reflect.String {
			return mismatch
		}
		return check(s.MapValue(), t.Elem())
	case smithy.ShapeTypeString, smithy.ShapeTypeEnum:
		if t.Kind() != reflect.String {
			return mismatch
		}
	case smithy.ShapeTypeBoolean:
		if t.Kind() != reflect.Bool {
			return mismatch
		}
	case smithy.ShapeTypeInteger, smithy.ShapeTypeLong:
		if t.Kind() != reflect.Int32 && t.Kind() != reflect.Int64 {
			return mismatch
		}
	case smithy.ShapeTypeDouble, smithy.ShapeTypeFloat:
		if t.Kind() != reflect.Float64 && t.Kind() != reflect.Float32 {
			return mismatch
		}
	case smithy.ShapeTypeTimestamp:
		if t != timeType {
			return mismatch
		}
	default:
		return fmt.Errorf("%s is of a shape type that restjson does not carry (%d)", s.ID(), s.Type())
	}
	return nil
}
