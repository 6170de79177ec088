package schema

import (
	"fmt"
	"strings"
)

// TypesAt gives the JSON types that a kind's schema admits at a path of its with (keep.last), nil when it does not say.
func (v *Validator) TypesAt(kind, path string) []string {
	defs, _ := v.raw["$defs"].(map[string]any)
	at, _ := defs["kind."+kind].(map[string]any)
	for _, token := range strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(".[]", r) }) {
		at = v.plain(at)
		properties, _ := at["properties"].(map[string]any)
		next, ok := properties[token].(map[string]any)
		if !ok {
			next, ok = at["items"].(map[string]any)
		}
		if !ok {
			next, _ = at["additionalProperties"].(map[string]any)
		}
		at = next
	}
	at = v.plain(at)
	switch t := at["type"].(type) {
	case string:
		return []string{t}
	case []any:
		names := make([]string, len(t))
		for i, name := range t {
			names[i] = fmt.Sprint(name)
		}
		return names
	}
	if list, ok := at["enum"].([]any); ok && allStrings(list) {
		return []string{"string"}
	}
	return nil
}

func allStrings(list []any) bool {
	for _, item := range list {
		if _, ok := item.(string); !ok {
			return false
		}
	}
	return true
}

// plain looks through references and through the wrapping that admits expressions.
func (v *Validator) plain(s map[string]any) map[string]any {
	for {
		if inner, ok := s["else"].(map[string]any); ok && s["if"] != nil {
			s = inner
			continue
		}
		ref, ok := s["$ref"].(string)
		if !ok {
			return s
		}
		defs, _ := v.raw["$defs"].(map[string]any)
		s, _ = defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
}

// Named gives the fields of that name below a definition of the bundle, in alphabetical order of their paths. What stands in the elements
// of lists is left out.
func (v *Validator) Named(definition, name string) (list []Property) {
	for _, p := range v.Properties(definition) {
		if !p.Element && len(p.Path) > 0 && p.Path[len(p.Path)-1] == name {
			list = append(list, p)
		}
	}
	return list
}
