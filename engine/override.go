package engine

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"plan/schema"
)

// overrides replaces what variables and flags replace, the lower precedence first.
func (l *loader) overrides() error {
	if l.opts.Overrides != nil {
		file, _ := schema.Value(l.doc.Root).(map[string]any)
		older, err := l.opts.Overrides(file)
		if err != nil {
			return err
		}
		l.override(older)
	}
	l.distinctParams()
	fields := map[string]string{}
	for name, text := range l.opts.Set {
		if strings.Contains(name, ".") {
			fields[name] = text
		}
	}
	if len(l.opts.Variables) == 0 && len(fields) == 0 {
		l.override(l.opts.Flags)
		return nil
	}
	file, _ := schema.Value(l.doc.Root).(map[string]any)
	settings, err := l.lang.Settings(file, slices.Collect(maps.Keys(l.opts.Variables)))
	if err != nil {
		return err
	}
	l.variables(settings)
	l.override(l.opts.Flags)
	l.setFields(settings, fields)
	return nil
}

// variables applies those that are set and reports those that fit nothing.
func (l *loader) variables(settings []Setting) {
	known := make([]string, 0, len(settings))
	for _, s := range settings {
		known = append(known, s.Variable)
		text, ok := l.opts.Variables[s.Variable]
		if !ok {
			continue
		}
		value, err := s.value(text)
		if err != nil {
			l.report(schema.Problem{File: l.doc.File, Origin: origin(s.Variable), Path: s.Field, Message: err.Error()})
			continue
		}
		for _, path := range s.Paths {
			l.override([]Override{{Path: path, Value: value, Origin: s.Variable, Shown: s.shown(text)}})
		}
	}
	for name := range mapping(schema.Field(schema.Field(l.doc.Root, "spec"), "params")) {
		known = append(known, paramVariable(name))
	}
	for _, name := range slices.Sorted(maps.Keys(l.opts.Variables)) {
		if !slices.Contains(known, name) {
			p := schema.Problem{File: l.doc.File, Origin: origin(name), Message: "it fits nothing of this plan; `plan env` lists the variables that do"}
			p.Suggestion = schema.Suggest(name, known)
			l.report(p)
		}
	}
}

// distinctParams reports parameters whose names differ and whose variables do not: aBc and aBC.
func (l *loader) distinctParams() {
	seen := map[string]string{}
	params := mapping(schema.Field(schema.Field(l.doc.Root, "spec"), "params"))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		variable := paramVariable(name)
		if other, ok := seen[variable]; ok {
			l.fail(params[name], schema.Join("spec.params", name), "it and %s have one variable, %s; rename one of them", other, variable)
		}
		seen[variable] = name
	}
}

// mapping gives a mapping's values by key.
func mapping(n *yaml.Node) map[string]*yaml.Node {
	m := map[string]*yaml.Node{}
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		m[n.Content[i].Value] = n.Content[i+1]
	}
	return m
}

// setFields applies --set of fields. A secret cannot be given so: other users of the machine see arguments.
func (l *loader) setFields(settings []Setting, fields map[string]string) {
	names := make([]string, 0, len(settings))
	byField := make(map[string]Setting, len(settings))
	for _, s := range settings {
		if s.Field != "" {
			names, byField[s.Field] = append(names, s.Field), s
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		s, ok := byField[withoutWith(name)]
		p := schema.Problem{File: l.doc.File, Path: "--set " + name}
		switch {
		case !ok:
			p.Message, p.Suggestion = "the plan has no such field", schema.Suggest(name, names)
			l.report(p)
			continue
		case s.Property.Secret:
			p.Message = "a secret never stands on the command line, where other users see it; use the variable " + s.Variable
			l.report(p)
			continue
		}
		value, err := s.value(fields[name])
		if err != nil {
			p.Message = err.Error()
			l.report(p)
			continue
		}
		l.override([]Override{{Path: s.Paths[0], Value: value, Origin: "--set", Shown: fields[name]}})
	}
}

// withoutWith lets steps.pvs.with.keep.last stand for steps.pvs.keep.last.
func withoutWith(name string) string {
	parts := strings.SplitN(name, ".", 4)
	if len(parts) == 4 && parts[0] == "steps" && parts[2] == "with" {
		return strings.Join([]string{parts[0], parts[1], parts[3]}, ".")
	}
	return name
}

// fieldName is a path as people write it: steps by their ids, with left out.
func (l *loader) fieldName(path []string) string {
	if len(path) > 3 && path[0] == "spec" && (path[1] == "steps" || path[1] == "finally") {
		id := str(schema.Field(l.doc.Get(path[:3]), "id"))
		rest := path[3:]
		if rest[0] == "with" && len(rest) > 1 {
			rest = rest[1:]
		}
		return "steps." + id + "." + strings.Join(rest, ".")
	}
	return strings.TrimPrefix(strings.Join(path, "."), "spec.")
}

// override puts values from outside into the document.
func (l *loader) override(overrides []Override) {
	for _, o := range overrides {
		path := strings.Join(o.Path, ".")
		current := l.doc.Get(o.Path)
		if current != nil && o.Default {
			continue
		}
		if current != nil && o.FillOnly {
			if !reflect.DeepEqual(schema.Value(current), schema.Value(schema.Node(o.Value))) {
				l.fail(current, path, "the file says %s and the %s says %s; it fills only what the file leaves open: make them agree, or remove one", shown(current), origin(o.Origin), o.Shown)
			}
			continue
		}
		before := l.doc.Set(o.Path, o.Value, origin(o.Origin))
		applied := Applied{Field: l.fieldName(o.Path), Value: o.Shown, Origin: o.Origin}
		if before != nil && before.Line > 0 {
			applied.Over = fmt.Sprintf("%s:%d", l.doc.File, before.Line)
		}
		l.applied(applied)
	}
}

// applied notes an override. It takes the place of a weaker one of the same field, and is then over what that was over.
func (l *loader) applied(a Applied) {
	l.plan.Overrides = slices.DeleteFunc(l.plan.Overrides, func(weaker Applied) bool {
		if weaker.Field != a.Field {
			return false
		}
		a.Over = weaker.Over
		return true
	})
	l.plan.Overrides = append(l.plan.Overrides, a)
}

// shown is a value of the file in a message.
func shown(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return "something else"
}

// origin names a variable or flag in a message.
func origin(name string) string {
	if strings.HasPrefix(name, "-") {
		return "flag " + name
	}
	return "variable " + name
}
