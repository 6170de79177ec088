package engine

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"plan/schema"
)

// InForce is a setting of a plan with the value that a run would use.
type InForce struct {
	Variable string `json:"variable"`
	Field    string `json:"field,omitempty"`  // empty for the variables of kinds, which stand for several
	Every    string `json:"every,omitempty"`  // of the variables of kinds: prune.keep.last, of every step that uses prune
	Value    any    `json:"value,omitempty"`  // "(set)" for a secret
	Source   string `json:"source,omitempty"` // "nightly.yaml:15", a variable or flag, "default"; empty when nothing gives it
	Set      bool   `json:"set"`              // the variable itself is set

	Overridden bool `json:"overridden"` // a variable or flag gives the value
}

// Properties lists the fields of a definition of the schema; see schema.Validator.
func (lang *Language) Properties(definition string) []schema.Property {
	return lang.validator.Properties(definition)
}

// Environment lists every variable that may override a field of a valid plan, the lower precedence first, then those of flags, which the
// caller knows, then those of parameters. Errors are those of Load.
func (lang *Language) Environment(src Source, o LoadOptions, flags ...Setting) ([]InForce, error) {
	l, err := lang.load(src, o)
	if err != nil {
		return nil, err
	}
	file, _ := schema.Value(l.doc.Root).(map[string]any)
	settings, err := lang.Settings(file, slices.Collect(maps.Keys(o.Variables)))
	if err != nil {
		return nil, err
	}
	list := make([]InForce, 0, len(settings))
	for _, s := range slices.Concat(settings, flags) {
		list = append(list, l.setting(s))
	}
	params := mapping(schema.Field(schema.Field(l.doc.Root, "spec"), "params"))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		list = append(list, l.paramInForce(name, params[name]))
	}
	return list, nil
}

func (l *loader) setting(s Setting) InForce {
	entry := InForce{Variable: s.Variable, Field: s.Field, Every: s.Every}
	text, set := l.opts.Variables[s.Variable]
	entry.Set = set
	switch {
	case s.Field != "":
		n := l.doc.Get(s.Paths[0])
		if n == nil {
			n = l.doc.Get(inherited(s.Paths[0]))
		}
		entry.Value, entry.Source = l.inForce(s, n)
		entry.Overridden = l.doc.Origin(n) != ""
	case set:
		entry.Value, entry.Source = s.shown(text), origin(s.Variable)
	}
	return entry
}

// inForce is the value of one field: n, which is its own or that of spec.defaults, else the built-in one.
func (l *loader) inForce(s Setting, n *yaml.Node) (value any, source string) {
	switch {
	case n == nil && s.Property.Default == nil:
		return nil, ""
	case n == nil:
		return s.Property.Default, "default"
	case s.Property.Hidden:
		return "(set)", l.source(n)
	}
	return schema.Value(n), l.source(n)
}

// inherited is where spec.defaults has what a step's field says, or a path that leads nowhere.
func inherited(path []string) []string {
	if len(path) < 4 || path[1] != "steps" && path[1] != "finally" {
		return []string{"-"}
	}
	below := path[3:]
	switch {
	case below[0] == "timeout", below[0] == "deadline", below[0] == "retry":
		return slices.Concat([]string{"spec", "defaults"}, below)
	case slices.Equal(below, []string{"with", "store"}):
		return []string{"spec", "defaults", "store"}
	}
	return []string{"-"}
}

func (l *loader) source(n *yaml.Node) string {
	if from := l.doc.Origin(n); from != "" {
		return from
	}
	return fmt.Sprintf("%s:%d", l.doc.File, n.Line)
}

func (l *loader) paramInForce(name string, n *yaml.Node) InForce {
	entry := InForce{Variable: paramVariable(name), Field: "params." + name}
	_, entry.Set = l.opts.Variables[entry.Variable]
	if v, ok := l.values.params[name]; ok {
		if d, ok := v.(time.Duration); ok {
			v = schema.FormatDuration(d)
		}
		entry.Value = v
	}
	fallback := schema.Field(n, "default")
	if _, from := l.lookup(name, n); from != "" {
		entry.Source, entry.Overridden = origin(from), true
	} else if fallback != nil {
		entry.Source = l.source(fallback)
	}
	return entry
}
