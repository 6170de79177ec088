package steptest

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/secrets"
	"plan/schema"
	"plan/steps"
)

// keywords are those that the schema library knows and kinds need. It ignores what it does not know, so a slip would go unseen.
var keywords = []string{
	"$schema", "$ref", "description", "title", "default", "writeOnly", "examples", "type", "enum", "const", "properties", "patternProperties", "additionalProperties",
	"propertyNames", "required", "dependentRequired", "minProperties", "maxProperties", "items", "minItems", "maxItems", "uniqueItems", "minimum", "maximum",
	"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "if", "then", "else", "allOf", "anyOf", "oneOf", "not",
}

type object = map[string]any

// checker compares a schema with a Go type.
type checker struct {
	t    *testing.T
	defs object
}

func checkSchema(t *testing.T, kind steps.Kind) {
	if _, err := schema.CompileKind(kind.Name, kind.Schema); err != nil {
		t.Fatal(err)
	}
	c := checker{t, read(t, schema.Defs)["$defs"].(object)}
	root := read(t, kind.Schema)
	if root["type"] != "object" || root["description"] == nil {
		t.Error("the schema is not that of an object with a description")
	}
	c.known("", root)
	action := actionType(kind)
	c.object("with", root, action)

	defaults := kind.New()
	zero := reflect.New(action)
	if err := steps.Decode(c.defaults(root), zero.Interface()); err != nil {
		t.Fatalf("the schema's defaults: %v", err)
	}
	everything := cmp.Exporter(func(reflect.Type) bool { return true })
	if diff := cmp.Diff(defaults, zero.Interface(), everything); diff != "" {
		t.Errorf("defaults (-New() +schema):\n%s", diff)
	}
}

func read(t *testing.T, data []byte) object {
	t.Helper()
	var v object
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// known looks for keywords that are none.
func (c checker) known(path string, s object) {
	for key, value := range s {
		if !slices.Contains(keywords, key) {
			c.t.Errorf("%s: %q is no keyword of schemas here", path, key)
		}
		switch value := value.(type) {
		case object:
			switch key {
			case "properties", "patternProperties":
				for name, property := range value {
					c.known(path+"/"+name, property.(object))
				}
			case "default", "const", "dependentRequired":
			default:
				c.known(path+"/"+key, value)
			}
		case []any:
			if key == "allOf" || key == "anyOf" || key == "oneOf" {
				for _, branch := range value {
					c.known(path+"/"+key, branch.(object))
				}
			}
		}
	}
}

// follow gives the shared definition that a schema refers to, and its name.
func (c checker) follow(path string, s object) (object, string) {
	ref, ok := s["$ref"].(string)
	if !ok {
		return s, ""
	}
	// The second form is how the shared definitions refer to each other; a schema of a kind has no $defs.
	name, shared := strings.CutPrefix(strings.TrimPrefix(ref, "defs.json"), "#/$defs/")
	def, ok := c.defs[name].(object)
	if !shared || !ok {
		c.t.Errorf("%s: $ref %q is not one of defs.json", path, ref)
		return object{}, ""
	}
	return def, name
}

func (c checker) object(path string, s object, t reflect.Type) {
	if s["additionalProperties"] != false {
		c.t.Errorf("%s: additionalProperties is not false", path)
	}
	properties, _ := s["properties"].(object)
	seen := map[string]bool{}
	for _, f := range steps.Fields(t) {
		seen[f.Name] = true
		property, ok := properties[f.Name].(object)
		if !ok {
			c.t.Errorf("%s: field %s is not in the schema", path, f.Name)
			continue
		}
		c.property(path+"."+f.Name, property, f.Type)
	}
	for name := range properties {
		if !seen[name] {
			c.t.Errorf("%s: property %s is no field of %s", path, name, t)
		}
	}
}

func (c checker) property(path string, s object, t reflect.Type) {
	if d, ok := s["description"].(string); !ok || d == "" {
		c.t.Errorf("%s: no description", path)
	}
	c.value(path, s, t)
}

// special are the Go types that have a shared definition of their own.
var special = map[string]reflect.Type{
	"secret":   reflect.TypeFor[steps.Secret](),
	"source":   reflect.TypeFor[secrets.Source](),
	"value":    reflect.TypeFor[steps.Value](),
	"duration": reflect.TypeFor[steps.Dur](),
}

func (c checker) value(path string, s object, t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s, name := c.follow(path, s)
	for def, of := range special {
		if (name == def) != (t == of) {
			c.t.Errorf("%s: the schema says %q, the field is a %s", path, name, t)
			return
		}
		if name == def {
			return
		}
	}
	types := map[reflect.Kind]string{
		reflect.String: "string", reflect.Int: "integer", reflect.Int32: "integer", reflect.Int64: "integer", reflect.Bool: "boolean",
		reflect.Slice: "array", reflect.Struct: "object", reflect.Map: "object",
	}
	want, ok := types[t.Kind()]
	if !ok && t.Kind() != reflect.Interface {
		c.t.Errorf("%s: no schema fits a %s", path, t)
		return
	}
	if ok && s["type"] != want {
		c.t.Errorf("%s: type is %v, the field is a %s", path, s["type"], t)
		return
	}
	c.inside(path, s, t)
}

// inside looks at the parts of a list, a map or a struct.
func (c checker) inside(path string, s object, t reflect.Type) {
	part := func(keyword string) {
		inner, ok := s[keyword].(object)
		if !ok {
			c.t.Errorf("%s: no %s", path, keyword)
			return
		}
		c.value(path+"[]", inner, t.Elem())
	}
	switch t.Kind() {
	case reflect.Slice:
		part("items")
	case reflect.Map:
		part("additionalProperties")
	case reflect.Struct:
		c.object(path, s, t)
	}
}

// defaults are those of all properties, as a with.
func (c checker) defaults(s object) object {
	with := object{}
	properties, _ := s["properties"].(object)
	for name, property := range properties {
		property := property.(object)
		if value, ok := property["default"]; ok {
			with[name] = value
			continue
		}
		inner, def := c.follow(name, property)
		if def == "secret" || def == "value" {
			continue // a source is given or not; it has no default
		}
		if nested := c.defaults(inner); len(nested) > 0 {
			with[name] = nested
		}
	}
	return with
}
