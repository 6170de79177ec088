package steps

import (
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"plan/schema"
)

// Decode lays a step's `with` over what the action into (a pointer to a struct) already holds: structs field by field, lists and
// maps as a whole. The values are JSON-like: string, int64, float64, bool, []any, map[string]any. Fields are named by their yaml
// tags. Nothing is converted: an unknown field, a null, a number for a string, a fraction for an integer are errors. All problems
// come at once, each with its path ("with.keep.last: …"), none with a value.
func Decode(with map[string]any, into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("decode into %T: not a pointer to a struct", into)
	}
	var d decoder
	d.set("with", with, target.Elem())
	return errors.Join(d.problems...)
}

type decoder struct{ problems []error }

func (d *decoder) problem(path, format string, args ...any) {
	d.problems = append(d.problems, fmt.Errorf(path+": "+format, args...))
}

func (d *decoder) set(path string, v any, to reflect.Value) {
	if v == nil {
		d.problem(path, "has no value; leave it out for the default")
		return
	}
	switch to.Addr().Interface().(type) {
	case yaml.Unmarshaler, encoding.TextUnmarshaler:
		d.setSelf(path, v, to.Addr().Interface())
		return
	}
	switch to.Kind() {
	case reflect.Pointer:
		if to.IsNil() {
			to.Set(reflect.New(to.Type().Elem()))
		}
		d.set(path, v, to.Elem())
	case reflect.Struct:
		d.setStruct(path, v, to)
	case reflect.Map:
		d.setMap(path, v, to)
	case reflect.Slice:
		d.setList(path, v, to)
	case reflect.Interface:
		to.Set(reflect.ValueOf(v))
	default:
		d.setScalar(path, v, to)
	}
}

// setSelf lets a field type read its own value.
func (d *decoder) setSelf(path string, v any, to any) {
	if duration, ok := v.(time.Duration); ok {
		v = schema.FormatDuration(duration)
	}
	if self, ok := to.(encoding.TextUnmarshaler); ok {
		text, isText := v.(string)
		if !isText {
			d.wrongType(path, "a string", v)
		} else if err := self.UnmarshalText([]byte(text)); err != nil {
			d.problem(path, "%w", err)
		}
		return
	}
	// Not yaml.Node's own Encode, which writes text and reads it again: not all texts come back as they were.
	err := to.(yaml.Unmarshaler).UnmarshalYAML(schema.Node(v))
	if several := (*yaml.TypeError)(nil); errors.As(err, &several) {
		for _, message := range several.Errors {
			// The node has no place in a file; whoever has the file knows the path's.
			d.problem(path, "%s", strings.TrimPrefix(message, "line 0: column 0: "))
		}
	} else if err != nil {
		d.problem(path, "%w", err)
	}
}

func (d *decoder) setStruct(path string, v any, to reflect.Value) {
	m, ok := v.(map[string]any)
	if !ok {
		d.wrongType(path, "an object", v)
		return
	}
	known := map[string]Field{}
	for _, f := range Fields(to.Type()) {
		known[f.Name] = f
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if f, ok := known[key]; ok {
			d.set(path+"."+key, m[key], to.FieldByIndex(f.Index))
		} else {
			d.problem(path+"."+key, "no such field")
		}
	}
}

func (d *decoder) setMap(path string, v any, to reflect.Value) {
	m, ok := v.(map[string]any)
	if !ok {
		d.wrongType(path, "an object", v)
		return
	}
	to.Set(reflect.MakeMapWithSize(to.Type(), len(m)))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		element := reflect.New(to.Type().Elem()).Elem()
		d.set(path+"."+key, m[key], element)
		to.SetMapIndex(reflect.ValueOf(key).Convert(to.Type().Key()), element)
	}
}

func (d *decoder) setList(path string, v any, to reflect.Value) {
	list, ok := v.([]any)
	if !ok {
		d.wrongType(path, "a list", v)
		return
	}
	to.Set(reflect.MakeSlice(to.Type(), len(list), len(list)))
	for i, element := range list {
		d.set(fmt.Sprintf("%s[%d]", path, i), element, to.Index(i))
	}
}

func (d *decoder) setScalar(path string, v any, to reflect.Value) {
	switch to.Kind() {
	case reflect.String:
		if s, ok := v.(string); ok {
			to.SetString(s)
			return
		}
		d.wrongType(path, "a string", v)
	case reflect.Bool:
		if b, ok := v.(bool); ok {
			to.SetBool(b)
			return
		}
		d.wrongType(path, "true or false", v)
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, ok := integer(v)
		if !ok {
			d.wrongType(path, "an integer", v)
		} else if to.OverflowInt(n) {
			d.problem(path, "the number is too large")
		} else {
			to.SetInt(n)
		}
	default:
		d.problem(path, "fields of type %s cannot be decoded", to.Type())
	}
}

// integer takes a whole number in any of the forms that JSON-like data has it. 1.0 is whole: JSON has one number type only.
func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case uint64:
		return int64(n), n <= math.MaxInt64
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) < 1<<53
	case json.Number:
		i, err := n.Int64()
		return i, err == nil
	}
	return 0, false
}

func (d *decoder) wrongType(path, want string, v any) {
	d.problem(path, "want %s, got %s", want, typeName(v))
}

func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int, int64, uint64, float64, json.Number:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("a %T", v)
}

// Field is a field of an action as a plan names it.
type Field struct {
	Name  string
	Index []int // for reflect's FieldByIndex
	Type  reflect.Type
}

// Fields lists the fields of a struct that a plan can set, sorted by name: the exported ones with a yaml tag. Those of a struct
// tagged `yaml:",inline"` count as its own.
func Fields(t reflect.Type) []Field {
	var list []Field
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("yaml")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case !f.IsExported() || !tagged || name == "-":
		case options == "inline":
			for _, inner := range Fields(f.Type) {
				inner.Index = append([]int{i}, inner.Index...)
				list = append(list, inner)
			}
		default:
			list = append(list, Field{Name: name, Index: []int{i}, Type: f.Type})
		}
	}
	slices.SortFunc(list, func(a, b Field) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// ExampleStep is a step of an example, as far as its kind is concerned.
type ExampleStep struct {
	ID   string         `yaml:"id"`
	Uses string         `yaml:"uses"`
	With map[string]any `yaml:"with"`
}

// ExampleSteps reads the steps of a plan file, those of finally at the end, without checking anything else: tests of kinds look
// at their examples with it.
func ExampleSteps(plan []byte) ([]ExampleStep, error) {
	var file struct {
		Spec struct {
			Steps   []ExampleStep `yaml:"steps"`
			Finally []ExampleStep `yaml:"finally"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(plan, &file); err != nil {
		return nil, fmt.Errorf("read example: %w", err)
	}
	return append(file.Spec.Steps, file.Spec.Finally...), nil
}
