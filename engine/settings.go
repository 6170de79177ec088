package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"plan/schema"
)

// Setting is a field of a plan that a variable or --set may replace.
type Setting struct {
	Variable string // PLAN_STEP__PVS__KEEP__LAST
	Field    string // steps.pvs.keep.last, as in --set; empty for the variables of kinds
	Every    string // of the variables of kinds: prune.keep.last
	Property schema.Property
	Paths    [][]string // where it stands, keys and indices from the root: one, or one for each step of a kind
}

// Settings lists every setting of a plan, the lower precedence first. file is the plan's value, variables are the names that are
// set: they may name a store that the file has not. Two settings with one variable are an error, which names both.
func (lang *Language) Settings(file map[string]any, variables []string) ([]Setting, error) {
	c := &settings{lang: lang, file: file, seen: map[string]string{}}
	spec, _ := file["spec"].(map[string]any)
	c.section("cluster", lang.validator.Properties("cluster"), "spec", "cluster")
	c.stores(spec, variables)
	c.defaults()
	c.kinds(spec)
	c.steps(spec)
	if len(c.clashes) > 0 {
		return nil, fmt.Errorf("two fields have one variable: %s; rename one of them", strings.Join(c.clashes, "; "))
	}
	return c.list, nil
}

type settings struct {
	lang    *Language
	file    map[string]any
	list    []Setting
	seen    map[string]string // field by variable
	clashes []string
}

func (c *settings) add(s Setting, what string) {
	if other, ok := c.seen[s.Variable]; ok {
		c.clashes = append(c.clashes, fmt.Sprintf("%s and %s are both %s", other, what, s.Variable))
		return
	}
	c.seen[s.Variable] = what
	c.list = append(c.list, s)
}

// variableName joins parts by `__`; inside a part dashes and camel humps become `_`.
func variableName(parts ...string) string {
	names := make([]string, len(parts))
	for i, part := range parts {
		var b strings.Builder
		for at, r := range part {
			switch {
			case r == '-':
				b.WriteByte('_')
				continue
			case unicode.IsUpper(r) && at > 0 && !unicode.IsUpper(rune(part[at-1])):
				b.WriteByte('_')
			}
			b.WriteRune(unicode.ToUpper(r))
		}
		names[i] = b.String()
	}
	return "PLAN_" + strings.Join(names, "__")
}

func (c *settings) section(word string, properties []schema.Property, base ...string) {
	for _, p := range properties {
		if p.Mapping || p.Element {
			continue
		}
		field := strings.Join(slices.Concat([]string{word}, p.Path), ".")
		c.add(Setting{Variable: variableName(slices.Concat([]string{word}, p.Path)...), Field: field, Property: p, Paths: [][]string{slices.Concat(base, p.Path)}}, field)
	}
}

// stores are those of the file, and those that only variables name.
func (c *settings) stores(spec map[string]any, variables []string) {
	known, _ := spec["stores"].(map[string]any)
	names := slices.Collect(maps.Keys(known))
	for _, variable := range variables {
		rest, ok := strings.CutPrefix(variable, "PLAN_STORE__")
		part, _, nested := strings.Cut(rest, "__")
		if !ok || !nested || slices.ContainsFunc(names, func(n string) bool { return variableName(n) == "PLAN_"+part }) {
			continue
		}
		names = append(names, strings.ReplaceAll(strings.ToLower(part), "_", "-"))
	}
	slices.Sort(names)
	for _, name := range names {
		fields, _ := known[name].(map[string]any)
		for _, p := range c.lang.validator.Properties("store") {
			if p.Mapping || p.Element || len(fields) > 0 && fields[p.Path[0]] == nil {
				continue // another type of store
			}
			field := "stores." + name + "." + p.Name()
			c.add(Setting{
				Variable: variableName(slices.Concat([]string{"store", name}, p.Path)...), Field: field, Property: p,
				Paths: [][]string{slices.Concat([]string{"spec", "stores", name}, p.Path)},
			}, field)
		}
	}
}

func (c *settings) defaults() {
	var properties []schema.Property
	for _, p := range c.lang.validator.Properties("") {
		if len(p.Path) > 2 && p.Path[0] == "spec" && p.Path[1] == "defaults" {
			p.Path = p.Path[2:]
			properties = append(properties, p)
		}
	}
	c.section("defaults", properties, "spec", "defaults")
}

// stepProperties are the fields of with, then those of the step itself that a variable may replace.
func (c *settings) stepProperties(kind string) (with, own []schema.Property) {
	taken := map[string]bool{}
	for _, p := range c.lang.validator.Properties("kind." + kind) {
		taken[p.Path[0]] = true
		if !p.Mapping && !p.Element {
			with = append(with, p)
		}
	}
	for _, p := range c.lang.validator.Properties("step") {
		fits := p.Name() != "retry.exitCodes" || c.lang.kinds[kind].ExitCodes
		if fits && !p.Mapping && !p.Element && slices.Contains([]string{"timeout", "deadline", "retry"}, p.Path[0]) && !taken[p.Path[0]] {
			own = append(own, p)
		}
	}
	return with, own
}

// placed is a step's place in the file.
type placed struct {
	id, uses string
	path     []string
}

func placedSteps(spec map[string]any) (list []placed) {
	for _, section := range []string{"steps", "finally"} {
		items, _ := spec[section].([]any)
		for i, item := range items {
			step, _ := item.(map[string]any)
			id, _ := step["id"].(string)
			uses, _ := step["uses"].(string)
			list = append(list, placed{id, uses, []string{"spec", section, strconv.Itoa(i)}})
		}
	}
	return list
}

func (c *settings) kinds(spec map[string]any) {
	paths := map[string][][]string{}
	for _, s := range placedSteps(spec) {
		paths[s.uses] = append(paths[s.uses], s.path)
	}
	for _, kind := range slices.Sorted(maps.Keys(paths)) {
		c.each(kind, func(p schema.Property, below []string) {
			s := Setting{Variable: variableName(slices.Concat([]string{"kind", kind}, p.Path)...), Every: kind + "." + p.Name(), Property: p}
			for _, base := range paths[kind] {
				s.Paths = append(s.Paths, slices.Concat(base, below))
			}
			c.add(s, "every "+kind+"'s "+p.Name())
		})
	}
}

func (c *settings) steps(spec map[string]any) {
	for _, step := range placedSteps(spec) {
		if step.id == "" {
			continue
		}
		c.each(step.uses, func(p schema.Property, below []string) {
			field := "steps." + step.id + "." + p.Name()
			c.add(Setting{
				Variable: variableName(slices.Concat([]string{"step", step.id}, p.Path)...), Field: field, Property: p,
				Paths: [][]string{slices.Concat(step.path, below)},
			}, field)
		})
	}
}

// each visits the settings of a kind with their place below a step.
func (c *settings) each(kind string, visit func(p schema.Property, below []string)) {
	with, own := c.stepProperties(kind)
	for _, p := range with {
		visit(p, slices.Concat([]string{"with"}, p.Path))
	}
	for _, p := range own {
		visit(p, p.Path)
	}
}

// value reads text by the field's type.
func (s Setting) value(text string) (any, error) {
	p := s.Property
	if p.Secret {
		return map[string]any{"from": map[string]any{"env": s.Variable}}, nil
	}
	types := p.Types
	if len(types) == 0 {
		types = []string{"string"}
	}
	var first error
	for _, t := range types {
		v, err := readAs(t, text)
		if err == nil {
			return v, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func readAs(jsonType, text string) (any, error) {
	switch jsonType {
	case "integer":
		return parse("integer", text)
	case "number":
		return parse("number", text)
	case "boolean":
		return parse("boolean", text)
	case "array":
		return parse("list", text)
	case "object":
		var m map[string]any
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return nil, fmt.Errorf(`it is not a JSON object such as {"a": "b"}`)
		}
		return m, nil
	}
	return text, nil
}

// shown is the text as people may see it.
func (s Setting) shown(text string) string {
	if s.Property.Hidden {
		return "(set)"
	}
	return text
}
