package engine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"plan/schema"
)

// paramRules are what a parameter's declaration asks of its value.
type paramRules struct {
	kind             string
	enum             []any
	minimum, maximum any
	shown            map[string]string // minimum and maximum as the file has them
	pattern          *regexp.Regexp
}

// rules reads a declaration. It is not sound when the schema has reported it, or a rule does not go with the type.
func (l *loader) rules(n *yaml.Node, path string) (r paramRules, sound bool) {
	r = paramRules{kind: str(schema.Field(n, "type")), shown: map[string]string{}}
	if celType(r.kind) == celType("") {
		return r, false
	}
	sound = true
	bad := func(n *yaml.Node, field string, err error) {
		l.fail(n, path+"."+field, "%s", err)
		sound = false
	}
	if enum := schema.Field(n, "enum"); enum != nil && enum.Kind == yaml.SequenceNode {
		for i, item := range enum.Content {
			v, err := r.typed(schema.Value(item))
			if err != nil {
				bad(item, fmt.Sprintf("enum[%d]", i), err)
			}
			r.enum = append(r.enum, v)
		}
	}
	for field, into := range map[string]*any{"minimum": &r.minimum, "maximum": &r.maximum} {
		limit := schema.Field(n, field)
		if limit == nil || limit.Tag == "!!null" {
			continue
		}
		var err error
		if r.shown[field] = limit.Value; !slices.Contains([]string{"integer", "number", "duration"}, r.kind) {
			err = fmt.Errorf("%s does not go with type %s", field, r.kind)
		} else {
			*into, err = r.typed(schema.Value(limit))
		}
		if err != nil {
			bad(limit, field, err)
		}
	}
	if pattern := schema.Field(n, "pattern"); pattern != nil && pattern.Tag == "!!str" {
		if err := r.setPattern(pattern.Value); err != nil {
			bad(pattern, "pattern", err)
		}
	}
	return r, sound
}

// setPattern makes the rule that the whole string matches.
func (r *paramRules) setPattern(pattern string) error {
	if r.kind != "string" {
		return fmt.Errorf("pattern does not go with type %s", r.kind)
	}
	if err := checkPattern(pattern); err != nil {
		return err
	}
	var err error
	r.pattern, err = regexp.Compile(`\A(?:` + pattern + `)\z`)
	return err
}

// typed holds a value of the file against the type.
func (r paramRules) typed(v any) (any, error) {
	switch x := v.(type) {
	case string:
		switch r.kind {
		case "string":
			return x, nil
		case "duration":
			return schema.ParseDuration(x)
		}
	case int64:
		switch r.kind {
		case "integer":
			return x, nil
		case "number":
			return float64(x), nil
		}
	case float64:
		if r.kind == "number" {
			return x, nil
		}
	case bool:
		if r.kind == "boolean" {
			return x, nil
		}
	case []any:
		if r.kind == "list" {
			return x, nil
		}
	}
	hint := ""
	if _, compound := v.([]any); r.kind == "string" && v != nil && !compound {
		hint = "; quote it"
	}
	return nil, fmt.Errorf("expected a value of type %s%s", r.kind, hint)
}

var (
	plainInteger = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	plainNumber  = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
)

// parse reads a value given as text by a type of parameters.
func parse(kind, s string) (any, error) {
	switch kind {
	case "integer":
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil || !plainInteger.MatchString(s) {
			return nil, fmt.Errorf("%q is not an integer", s)
		}
		return i, nil
	case "number":
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || !plainNumber.MatchString(s) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("%q is not a number", s)
		}
		return f, nil
	case "boolean":
		if s != "true" && s != "false" {
			return nil, fmt.Errorf("%q is not true or false", s)
		}
		return s == "true", nil
	case "duration":
		return schema.ParseDuration(s)
	case "list":
		list, err := parseList(s)
		if err != nil {
			return nil, fmt.Errorf("%q is not a JSON list such as [\"a\", \"b\"]", s)
		}
		return list, nil
	}
	return s, nil
}

// parseList reads JSON with integers as integers.
func parseList(s string) ([]any, error) {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var list []any
	if err := dec.Decode(&list); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) || list == nil || !bytes.HasPrefix(bytes.TrimSpace([]byte(s)), []byte("[")) {
		return nil, errors.New("not one list")
	}
	out, ok := integers(list).([]any)
	if !ok {
		return nil, errors.New("not a list")
	}
	return out, nil
}

func integers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = integers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = integers(v[key])
		}
	}
	return v
}

// check holds a typed value against enum, minimum, maximum and pattern.
func (r paramRules) check(v any) error {
	if r.enum != nil && !slices.ContainsFunc(r.enum, func(allowed any) bool { return reflect.DeepEqual(allowed, v) }) {
		names := make([]string, len(r.enum))
		for i, allowed := range r.enum {
			names[i] = readable(allowed)
		}
		return fmt.Errorf("%s is not one of %s", readable(v), strings.Join(names, ", "))
	}
	if r.minimum != nil && compare(v, r.minimum) < 0 {
		return fmt.Errorf("must be at least %s, got %s", r.shown["minimum"], readable(v))
	}
	if r.maximum != nil && compare(v, r.maximum) > 0 {
		return fmt.Errorf("must be at most %s, got %s", r.shown["maximum"], readable(v))
	}
	if s, ok := v.(string); ok && r.pattern != nil && !r.pattern.MatchString(s) {
		pattern := strings.TrimSuffix(strings.TrimPrefix(r.pattern.String(), `\A(?:`), `)\z`)
		return fmt.Errorf("%q does not match the pattern %s", s, pattern)
	}
	return nil
}

// compare orders two values of the same type.
func compare(a, b any) int {
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64))
	case float64:
		return cmp.Compare(a, b.(float64))
	case time.Duration:
		return cmp.Compare(a, b.(time.Duration))
	}
	return 0
}

func readable(v any) string {
	switch v := v.(type) {
	case time.Duration:
		return schema.FormatDuration(v)
	case string:
		return strconv.Quote(v)
	}
	return fmt.Sprint(v)
}
