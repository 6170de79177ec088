package schema

import (
	"math"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// beyond adds to a schema what JSON Schema has no words for: 8.0 is no integer here, and a duration has a longest value.
type beyond struct{}

// Compile implements jsonschema.ExtCompiler.
func (beyond) Compile(_ jsonschema.CompilerContext, s map[string]any) (jsonschema.ExtSchema, error) {
	var rules extra
	switch t := s["type"].(type) {
	case string:
		rules.integer = t == "integer"
	case []any:
		rules.integer = slices.Contains(t, any("integer")) && !slices.Contains(t, any("number"))
	}
	rules.duration = s["pattern"] == DurationPattern
	if rules == (extra{}) {
		return nil, nil
	}
	return rules, nil
}

type extra struct{ integer, duration bool }

// Validate implements jsonschema.ExtSchema.
func (e extra) Validate(ctx jsonschema.ValidationContext, v any) error {
	switch v := v.(type) {
	case float64:
		if e.integer && v == math.Trunc(v) {
			return ctx.Error("type", "expected an integer, got a number with a fraction")
		}
	case string:
		if _, err := ParseDuration(v); e.duration && err != nil {
			return ctx.Error("pattern", "%s", err)
		}
	}
	return nil
}
