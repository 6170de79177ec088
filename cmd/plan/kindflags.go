package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"plan/schema"
	"plan/steps"
)

// field is a flag made from a property of a schema.
type field struct {
	path []string // keep, last
	kind string   // string, integer, boolean, array, mappings, object, secret, value
	flag string   // keep-last, url-from
	help string
	enum []string // the words it takes
}

// kindFields flattens a kind's schema into flags: nested mappings are joined by dashes.
func kindFields(kind steps.Kind) []field {
	var root map[string]any
	if err := json.Unmarshal(kind.Schema, &root); err != nil {
		return nil // the conformance suite has read it
	}
	return flatten(root, nil)
}

func flatten(s map[string]any, path []string) (fields []field) {
	properties, _ := s["properties"].(map[string]any)
	for _, name := range sortedKeys(properties) {
		property, _ := properties[name].(map[string]any)
		below := slices.Concat(path, []string{name})
		ref, _ := property["$ref"].(string)
		_, def, _ := strings.Cut(ref, "#/$defs/")
		description, _ := property["description"].(string)
		f := field{path: below, kind: "string", flag: kebab(strings.Join(below, "-")), help: description}
		switch {
		case len(path) == 0 && name == "store":
			continue // a common flag
		case def == "secret":
			f.kind, f.flag = "secret", f.flag+"-from"
		case def == "value":
			f.kind = "value"
		case def == "keep":
			fields = append(fields, flatten(shared("keep"), below)...)
			continue
		case property["type"] == "object" && property["properties"] != nil:
			fields = append(fields, flatten(property, below)...)
			continue
		case property["type"] == "array" && itemType(property) == "object":
			f.kind = "mappings"
		case property["type"] != nil:
			f.kind, _ = property["type"].(string)
			f.enum = texts(property["enum"])
		}
		if commonFlags()[f.flag] {
			f.flag = "target-" + f.flag
		}
		fields = append(fields, f)
	}
	return fields
}

// texts are the strings of a list.
func texts(list any) (words []string) {
	items, _ := list.([]any)
	for _, item := range items {
		if word, ok := item.(string); ok {
			words = append(words, word)
		}
	}
	return words
}

// itemType is the type of the elements of a list.
func itemType(list map[string]any) any {
	items, _ := list["items"].(map[string]any)
	return items["type"]
}

// commonFlags are the names of the flags that every kind has.
func commonFlags() map[string]bool {
	names := map[string]bool{}
	var collect func(t reflect.Type)
	collect = func(t reflect.Type) {
		for member := range t.Fields() {
			switch name := member.Tag.Get("name"); {
			case member.Anonymous:
				collect(member.Type)
			case name != "":
				names[name] = true
			default:
				names[kebab(strings.ToLower(member.Name[:1])+member.Name[1:])] = true
			}
		}
	}
	collect(reflect.TypeFor[kindFlags]())
	return names
}

func (f field) goType() reflect.Type {
	switch f.kind {
	case "integer":
		return reflect.TypeFor[*int64]()
	case "boolean":
		return reflect.TypeFor[*bool]()
	case "array", "mappings":
		return reflect.TypeFor[[]string]()
	case "object":
		return reflect.TypeFor[map[string]string]()
	}
	return reflect.TypeFor[*string]()
}

func (f field) tag() reflect.StructTag {
	help := f.help
	if f.kind == "secret" {
		help += ` env:NAME, file:PATH or exec:["COMMAND","ARGUMENT"].`
	}
	tag := fmt.Sprintf(`name:%q help:%q`, f.flag, help)
	switch f.kind {
	case "integer":
		tag += ` placeholder:"N"`
	case "array":
		tag += ` sep:"none" placeholder:"VALUE"`
	case "mappings":
		tag += ` sep:"none" placeholder:"KEY=VALUE[,KEY=VALUE]"`
	case "object":
		tag += ` mapsep:"none" placeholder:"KEY=VALUE"`
	case "secret":
		tag += ` placeholder:"SOURCE"`
	case "string":
		if len(f.enum) > 0 {
			tag += fmt.Sprintf(` placeholder:%q`, strings.Join(f.enum, "|"))
		}
	}
	return reflect.StructTag(tag)
}

// put sets the field in with, if its flag was given.
func (f field) put(with map[string]any, v reflect.Value) error {
	if v.IsZero() {
		return nil
	}
	switch f.kind {
	case "array", "object":
		f.set(with, v.Interface())
	case "mappings":
		list, err := mappings(f.flag, v.Interface().([]string))
		if err != nil {
			return err
		}
		f.set(with, list)
	case "secret":
		source, err := sourceFlag(f.flag, v.Elem().String())
		if err != nil {
			return err
		}
		f.set(with, source)
	default:
		f.set(with, v.Elem().Interface())
	}
	return nil
}

// set puts a value at the field's path, making mappings on the way.
func (f field) set(at map[string]any, value any) {
	last := len(f.path) - 1
	for _, key := range f.path[:last] {
		next, ok := at[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[key] = next
		}
		at = next
	}
	at[f.path[last]] = value
}

// mappings reads a list of mappings, each as KEY=VALUE with commas between several, or as a JSON object.
func mappings(flag string, texts []string) ([]any, error) {
	list := make([]any, len(texts))
	for i, text := range texts {
		m := map[string]any{}
		if strings.HasPrefix(text, "{") {
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				return nil, fmt.Errorf("--%s: %q is not a JSON object: %w", flag, text, err)
			}
			list[i] = m
			continue
		}
		for pair := range strings.SplitSeq(text, ",") {
			key, value, ok := strings.Cut(pair, "=")
			if !ok || key == "" {
				return nil, fmt.Errorf("--%s: %q: want KEY=VALUE, with commas between several, or a JSON object", flag, text)
			}
			m[key] = value
		}
		list[i] = m
	}
	return list, nil
}

// sourceFlag reads env:NAME, file:PATH or exec: and a command as a JSON list. A secret itself is never on a command line, where every process of the machine sees it.
func sourceFlag(flag, text string) (map[string]any, error) {
	kind, name, ok := strings.Cut(text, ":")
	if kind == "exec" {
		var command []string
		if err := json.Unmarshal([]byte(name), &command); err != nil {
			return nil, fmt.Errorf(`--%s: want exec: and a JSON list of the command's words, such as exec:["pass","show","ping"]`, flag)
		}
		return map[string]any{"from": map[string]any{"exec": map[string]any{"command": command}}}, nil
	}
	if !ok || name == "" || kind != "env" && kind != "file" {
		return nil, fmt.Errorf("--%s: want env:NAME, file:PATH or exec:[…]; a secret itself must not stand on the command line", flag)
	}
	if kind == "file" {
		name = absolute(name)
	}
	return map[string]any{"from": map[string]any{kind: name}}, nil
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// kebab is a camelCase name as a flag.
func kebab(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsUpper(r) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// shared is a definition that kinds' schemas share.
func shared(name string) map[string]any {
	var defs struct {
		Defs map[string]map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(schema.Defs, &defs); err != nil {
		return nil // it is compiled into every test of a kind
	}
	return defs.Defs[name]
}
