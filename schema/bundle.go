package schema

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed plan.json
var envelope []byte

// ID names the published schema.
const ID = BaseURL + "plan.schema.json"

// Kind is what the schema needs to know of a kind of step.
type Kind struct {
	Name   string
	Schema []byte // of with:

	ExitCodes bool // its steps may say in retry.exitCodes which are worth another try
}

// Bundle makes the published schema: the envelope, the shared definitions and every kind's with. Wherever a kind asks for something that is
// not a free string, a string with an expression is admitted too.
func Bundle(kinds []Kind) ([]byte, error) {
	var plan, shared map[string]any
	if err := json.Unmarshal(envelope, &plan); err != nil {
		return nil, fmt.Errorf("read plan.json: %w", err)
	}
	if err := json.Unmarshal(Defs, &shared); err != nil {
		return nil, fmt.Errorf("read defs.json: %w", err)
	}
	defs := plan["$defs"].(map[string]any)
	for name, def := range shared["$defs"].(map[string]any) {
		if _, ok := defs[name]; ok {
			return nil, fmt.Errorf("plan.json and defs.json both define %s", name)
		}
		defs[name] = localRefs(def)
		if !verbatim[name] {
			defs[name] = admitExpressions(defs[name], true)
		}
	}
	step := defs["step"].(map[string]any)
	names, branches := []any{}, []any{}
	for _, kind := range kinds {
		with, branch, err := kindSchema(kind)
		if err != nil {
			return nil, err
		}
		defs["kind."+kind.Name] = with
		names, branches = append(names, kind.Name), append(branches, branch)
	}
	step["properties"].(map[string]any)["uses"].(map[string]any)["enum"] = names
	step["allOf"] = append(branches, exitCodes(kinds)...)
	plan["$id"] = ID
	return json.MarshalIndent(plan, "", " ")
}

// exitCodes refuses retry.exitCodes in the steps of all kinds that have none.
func exitCodes(kinds []Kind) []any {
	var with []string
	without := []any{}
	for _, kind := range kinds {
		if kind.ExitCodes {
			with = append(with, kind.Name)
		} else {
			without = append(without, kind.Name)
		}
	}
	if len(without) == 0 {
		return nil
	}
	why := "no kind of step ends with exit codes"
	if len(with) > 0 {
		why = "only steps of " + strings.Join(with, ", ") + " end with exit codes"
	}
	refused := map[string]any{"properties": map[string]any{"exitCodes": map[string]any{"$comment": why, "not": map[string]any{}}}}
	return []any{map[string]any{
		"if":   map[string]any{"properties": map[string]any{"uses": map[string]any{"enum": without}}, "required": []any{"uses"}},
		"then": map[string]any{"properties": map[string]any{"retry": refused}},
	}}
}

// kindSchema gives the schema of a kind's with, and the branch of a step's schema that asks for it.
func kindSchema(kind Kind) (with any, branch map[string]any, err error) {
	var raw map[string]any
	if err := json.Unmarshal(kind.Schema, &raw); err != nil {
		return nil, nil, fmt.Errorf("read the schema of %s: %w", kind.Name, err)
	}
	delete(raw, "$schema")
	delete(raw, "$id")
	then := map[string]any{"properties": map[string]any{"with": map[string]any{"$ref": "#/$defs/kind." + kind.Name}}}
	if len(needs(raw)) > 0 {
		then["required"] = []any{"with"}
	}
	return admitExpressions(localRefs(raw), true), map[string]any{
		"if":   map[string]any{"properties": map[string]any{"uses": map[string]any{"const": kind.Name}}, "required": []any{"uses"}},
		"then": then,
	}, nil
}

// verbatim are the shared definitions that no expression may stand for or in.
var verbatim = map[string]bool{"duration": true, "value": true, "secret": true, "source": true, "word": true}

// needs are the fields that a kind cannot do without; those of its then are asked for where nothing is given.
func needs(kind map[string]any) []string {
	required, _ := kind["required"].([]any)
	then, _ := kind["then"].(map[string]any)
	more, _ := then["required"].([]any)
	return texts(slices.Concat(required, more))
}

// localRefs points references to the shared definitions at the bundle's own.
func localRefs(v any) any {
	return mapSchema(v, func(key string, value any) any {
		if ref, ok := value.(string); ok && key == "$ref" {
			if _, local, ok := strings.Cut(ref, "defs.json#"); ok {
				return "#" + local
			}
		}
		return value
	})
}

func mapSchema(v any, edit func(key string, value any) any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = edit(key, mapSchema(value, edit))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = mapSchema(value, edit)
		}
		return out
	}
	return v
}

// admitExpressions lets expressions stand in the properties and items of a schema of with. Sources of values (#/$defs/secret and
// the like) stay as they are: a secret is never computed.
func admitExpressions(v any, root bool) any {
	s, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := make(map[string]any, len(s))
	for key, value := range s {
		switch key {
		case "properties", "patternProperties":
			fields := map[string]any{}
			for name, field := range value.(map[string]any) {
				fields[name] = admitExpressions(field, false)
			}
			out[key] = fields
		case "items", "additionalProperties":
			out[key] = admitExpressions(value, false)
		case "oneOf", "anyOf", "allOf":
			branches := []any{}
			for _, branch := range value.([]any) {
				branches = append(branches, admitExpressions(branch, true))
			}
			out[key] = branches
		default:
			out[key] = value
		}
	}
	admitted := admits(s, root)
	if admitted == "" {
		return out
	}
	wrapped := map[string]any{"if": map[string]any{"$ref": "#/$defs/" + admitted}, "else": out}
	for _, key := range []string{"title", "description", "default"} {
		if value, ok := out[key]; ok {
			wrapped[key] = value
			delete(out, key)
		}
	}
	return wrapped
}

// admits names what may stand beside the values of a schema: one whole expression where it asks for something that is no string, any
// string with expressions where it asks for certain strings, nothing else where it takes every string or none at all.
func admits(s map[string]any, root bool) string {
	ref, _ := s["$ref"].(string)
	ref = strings.TrimPrefix(ref, "#/$defs/")
	switch {
	case root:
		return ""
	case ref == "duration":
		return "template"
	case ref != "" && !verbatim[ref]:
		return "expression"
	case s["type"] != nil && s["type"] != "string":
		return "expression"
	case constrained(s):
		return "template"
	}
	return ""
}

// constrained tells whether a string schema refuses some strings.
func constrained(s map[string]any) bool {
	for _, key := range []string{"enum", "const", "pattern", "minLength", "maxLength", "format"} {
		if _, ok := s[key]; ok {
			return true
		}
	}
	return false
}
