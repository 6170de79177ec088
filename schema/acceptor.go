package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// acceptor makes rules of a bundle's schemas.
type acceptor struct {
	defs    map[string]any
	made    map[string]*rules // of definitions
	regexps map[string]*regexp.Regexp
	foreign string // a keyword that it cannot make rules of; the library alone judges then
}

// annotations are keywords that refuse nothing.
var annotations = map[string]bool{"$schema": true, "$id": true, "$defs": true, "$comment": true, "title": true, "description": true, "default": true, "writeOnly": true}

func newAcceptor(bundle map[string]any) *acceptor {
	defs, _ := bundle["$defs"].(map[string]any)
	return &acceptor{defs: defs, made: map[string]*rules{}, regexps: map[string]*regexp.Regexp{}}
}

// def makes the rules of a definition once, so that definitions may refer to themselves.
func (a *acceptor) def(name string) *rules {
	if r, ok := a.made[name]; ok {
		return r
	}
	r := &rules{}
	a.made[name] = r
	s, ok := a.defs[name]
	if !ok {
		a.foreign = "$ref"
		return r
	}
	*r = *a.schema(s)
	return r
}

func (a *acceptor) schema(s any) *rules {
	r := &rules{}
	if yes, ok := s.(bool); ok {
		r.never = !yes
		return r
	}
	m, ok := s.(map[string]any)
	if !ok {
		a.foreign = fmt.Sprintf("a schema of type %T", s)
		return r
	}
	r.source = m
	for key, v := range m {
		if !annotations[key] && !a.applicator(r, key, v) && !a.assertion(r, key, v) {
			a.foreign = key
		}
	}
	r.duration = m["pattern"] == DurationPattern
	return r
}

// applicator takes a keyword that holds schemas.
func (a *acceptor) applicator(r *rules, key string, v any) (taken bool) {
	switch key {
	case "$ref":
		ref, _ := v.(string)
		name, ok := strings.CutPrefix(ref, "#/$defs/")
		if !ok {
			return false
		}
		r.ref = a.def(name)
	case "properties":
		r.properties = map[string]*rules{}
		fields, _ := v.(map[string]any)
		for name, field := range fields {
			r.properties[name] = a.schema(field)
		}
	case "additionalProperties":
		r.additional = a.schema(v)
	case "propertyNames":
		r.names = a.schema(v)
	case "items":
		r.items = a.schema(v)
	case "prefixItems":
		r.prefix = a.schemas(v)
	case "allOf":
		r.all = a.schemas(v)
	case "not":
		r.not = a.schema(v)
	case "if":
		r.condition = a.schema(v)
	case "then":
		r.then = a.schema(v)
	case "else":
		r.otherwise = a.schema(v)
	default:
		return false
	}
	return true
}

func (a *acceptor) schemas(v any) (list []*rules) {
	items, _ := v.([]any)
	for _, item := range items {
		list = append(list, a.schema(item))
	}
	return list
}

// assertion takes a keyword that holds values.
func (a *acceptor) assertion(r *rules, key string, v any) (taken bool) {
	switch key {
	case "type":
		r.types = typesOf(v)
		r.integer = slices.Contains(r.types, "integer") && !slices.Contains(r.types, "number")
		return r.types != nil
	case "const":
		return a.constants(r, []any{v})
	case "enum":
		list, _ := v.([]any)
		return a.constants(r, list)
	case "pattern":
		return a.pattern(r, v)
	case "required":
		list, _ := v.([]any)
		r.required = texts(list)
	case "dependentRequired":
		r.needs = map[string][]string{}
		fields, _ := v.(map[string]any)
		for name, others := range fields {
			list, _ := others.([]any)
			r.needs[name] = texts(list)
		}
	case "uniqueItems":
		r.unique, taken = v.(bool)
		return taken
	default:
		return a.limit(r, key, v)
	}
	return true
}

func (a *acceptor) limit(r *rules, key string, v any) (taken bool) {
	bound, ok := map[string]**float64{
		"minLength": &r.length.least, "maxLength": &r.length.most, "minimum": &r.value.least, "maximum": &r.value.most,
		"minItems": &r.entries.least, "maxItems": &r.entries.most, "minProperties": &r.fields.least, "maxProperties": &r.fields.most,
	}[key]
	x, number := v.(float64)
	if !ok || !number {
		return false
	}
	*bound = &x
	return true
}

func (a *acceptor) constants(r *rules, list []any) (taken bool) {
	for _, v := range list {
		switch v.(type) {
		case string, bool:
		default:
			return false
		}
	}
	if r.constants != nil || len(list) == 0 { // const beside enum
		return false
	}
	r.constants = list
	return true
}

func (a *acceptor) pattern(r *rules, v any) (taken bool) {
	source, ok := v.(string)
	if !ok {
		return false
	}
	if source == `\$\{\{` { // in every field that admits expressions
		r.pattern = func(s string) bool { return strings.Contains(s, "${{") }
		return true
	}
	if a.regexps[source] == nil {
		re, err := regexp.Compile(source)
		if err != nil {
			return false
		}
		a.regexps[source] = re
	}
	r.pattern = a.regexps[source].MatchString
	return true
}
