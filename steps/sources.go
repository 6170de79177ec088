package steps

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"plan/internal/secrets"
)

// FieldSource is a field whose value comes from outside.
type FieldSource struct {
	Path   string // "with.url"
	Source secrets.Source
	Secret bool // the field takes no literal
}

// Sources lists every field of an action (a pointer to a struct) that is set by `from:`, in the order of the fields' names, so that
// all can be read before anything starts.
func Sources(action any) []FieldSource {
	var list []FieldSource
	walkSources("with", reflect.ValueOf(action), &list)
	return list
}

func walkSources(path string, v reflect.Value, list *[]FieldSource) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walkSources(path, v.Elem(), list)
		}
	case reflect.Struct:
		if value, secret, ok := asValue(v); ok {
			if value.From != nil {
				*list = append(*list, FieldSource{Path: path, Source: *value.From, Secret: secret})
			}
			return
		}
		for _, f := range Fields(v.Type()) {
			walkSources(path+"."+f.Name, v.FieldByIndex(f.Index), list)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
		for _, key := range keys {
			walkSources(path+"."+key.String(), v.MapIndex(key), list)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walkSources(fmt.Sprintf("%s[%d]", path, i), v.Index(i), list)
		}
	}
}

func asValue(v reflect.Value) (value Value, secret, ok bool) {
	switch x := v.Interface().(type) {
	case Secret:
		return x.Value(), true, true
	case Value:
		return x, false, true
	case secrets.Source:
		return Value{From: &x}, true, true
	}
	return Value{}, false, false
}
