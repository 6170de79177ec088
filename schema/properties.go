package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Property is a field that the schema describes.
type Property struct {
	Path        []string // from where the walk began: keep, last
	Types       []string // JSON types; empty when any will do
	Duration    bool     // a string in the grammar of durations
	Secret      bool     // takes from: only
	Hidden      bool     // what is given is not for everybody's eyes, literal or not
	Value       bool     // takes a string or from:
	Mapping     bool     // has fields of its own, which follow
	Element     bool     // stands in the elements of a list, or under the names of a mapping
	Required    bool     // by the mapping it stands in
	With        []string // fields beside it without which it may not stand
	Description string
	Default     any
	Enum        []any
}

// Name is the path as people write it.
func (p Property) Name() string { return strings.Join(p.Path, ".") }

// Properties lists what a definition of the bundle describes, fields of mappings after the mapping itself, in alphabetical order. The
// definition of a kind's with is "kind.NAME"; others are cluster, store, retry, param, step; "" is the plan itself.
func (v *Validator) Properties(definition string) []Property {
	at := v.raw
	if definition != "" {
		defs, _ := v.raw["$defs"].(map[string]any)
		at, _ = defs[definition].(map[string]any)
	}
	return v.properties(v.plain(at), nil)
}

func (v *Validator) properties(s map[string]any, path []string) (list []Property) {
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	dependent, _ := s["dependentRequired"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		outer, _ := properties[name].(map[string]any)
		p, inner := v.property(outer)
		p.Path = slices.Concat(path, []string{name})
		p.Required = slices.Contains(required, any(name))
		others, _ := dependent[name].([]any)
		for _, other := range others {
			p.With = append(p.With, fmt.Sprint(other))
		}
		list = append(list, p)
		switch {
		case p.Mapping:
			list = append(list, v.properties(inner, p.Path)...)
		default:
			list = append(list, v.elements(inner, p.Path)...)
		}
	}
	return list
}

// elements lists the fields that each element of a list has, or each value of a mapping with free names.
func (v *Validator) elements(s map[string]any, path []string) []Property {
	inner, ok := s["items"].(map[string]any)
	if !ok {
		inner, ok = s["additionalProperties"].(map[string]any)
	}
	if !ok {
		return nil
	}
	list := v.properties(v.plain(inner), path)
	for i := range list {
		list[i].Element = true
	}
	return list
}

// property looks through references and wrappings; what stands outside describes the field better than what it refers to.
func (v *Validator) property(s map[string]any) (p Property, inner map[string]any) {
	defs, _ := v.raw["$defs"].(map[string]any)
	for {
		if p.Description == "" {
			p.Description, _ = s["description"].(string)
		}
		if p.Default == nil {
			p.Default = s["default"]
		}
		if s["writeOnly"] == true {
			p.Hidden = true
		}
		if wrapped, ok := s["else"].(map[string]any); ok && s["if"] != nil && s["then"] == nil {
			s = wrapped
			continue
		}
		if list, ok := s["allOf"].([]any); ok && s["type"] == nil && s["$ref"] == nil && len(list) > 0 {
			s, _ = list[0].(map[string]any) // what it is; the others narrow it
			continue
		}
		ref, ok := s["$ref"].(string)
		if !ok {
			break
		}
		name := strings.TrimPrefix(ref, "#/$defs/")
		s, _ = defs[name].(map[string]any)
		switch name {
		case "secret":
			p.Secret, p.Hidden = true, true
			return p, s
		case "value":
			p.Value, p.Types = true, []string{"string"}
			return p, s
		case "duration":
			p.Duration = true
		}
	}
	p.Types = typesOf(s["type"])
	p.Enum, _ = s["enum"].([]any)
	if only, ok := s["const"]; ok {
		p.Enum = []any{only}
	}
	_, p.Mapping = s["properties"].(map[string]any)
	return p, s
}

func typesOf(t any) []string {
	switch t := t.(type) {
	case string:
		return []string{t}
	case []any:
		var names []string
		for _, name := range t {
			if s, ok := name.(string); ok {
				names = append(names, s)
			}
		}
		return names
	}
	return nil
}

// TypeName is the type in a word: "integer", "duration", "secret (from:)".
func (p Property) TypeName() string {
	switch {
	case p.Secret:
		return "secret, by from:"
	case p.Value:
		return "string, or from:"
	case p.Duration:
		return "duration"
	case len(p.Types) == 0 && len(p.Enum) > 0:
		return "string"
	case len(p.Types) == 0:
		return "any"
	}
	words := map[string]string{"object": "mapping", "array": "list"}
	names := make([]string, len(p.Types))
	for i, t := range p.Types {
		if names[i] = words[t]; names[i] == "" {
			names[i] = t
		}
	}
	return strings.Join(names, " or ")
}
