package engine

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/types"
	"gopkg.in/yaml.v3"

	"plan/schema"
)

// scalars visits every value below t that has expressions.
func (t *template) scalars(visit func(*template)) {
	if t.whole != nil || t.parts != nil {
		visit(t)
	}
	for _, field := range t.fields {
		field.scalars(visit)
	}
	for _, item := range t.list {
		item.scalars(visit)
	}
}

// jsonType gives the type that the value will have, or "" when only the run will tell.
func (t *template) jsonType() string {
	switch {
	case t.parts != nil:
		return "string"
	case t.whole == nil:
		return ""
	}
	switch t.whole.typ.Kind() {
	case types.StringKind, types.DurationKind:
		return "string"
	case types.IntKind, types.UintKind:
		return "integer"
	case types.DoubleKind:
		return "number"
	case types.BoolKind:
		return "boolean"
	case types.ListKind:
		return "array"
	case types.MapKind, types.StructKind:
		return "object"
	}
	return ""
}

// checkInstances looks at a sound step once more with what is known before the run: values against the schema, stores, the kind's own
// checks. One whose fields read its matrix is looked at for each instance, up to the first with a problem.
func (l *loader) checkInstances(d *decl, storesKnown bool) {
	if d.step.Matrix == nil || len(d.limits) == 0 && !d.with.readsMatrix() {
		l.checkStep(d, storesKnown)
		return
	}
	delete(l.missing, matrixRef)
	for _, instance := range d.step.Matrix.Instances {
		before := len(l.problems)
		l.values.matrix = instance.Values
		l.checkStep(d, storesKnown)
		for _, limit := range d.limits {
			limit()
		}
		for i := before; i < len(l.problems); i++ {
			l.problems[i].Message += "; this is " + InstanceID(d.id, instance.Key)
		}
		if len(l.problems) > before {
			break
		}
	}
	l.missing[matrixRef], l.values.matrix = true, nil
}

// region gives the part of the plan that a problem makes unfit for further checks: a step (unless the problem is outside of its kind and
// with), or a section of spec.
func region(path string) string {
	section, below, _ := strings.Cut(path, "].")
	switch {
	case !strings.HasPrefix(path, "spec.steps[") && !strings.HasPrefix(path, "spec.finally["):
		fields := strings.SplitN(path, ".", 3)
		return strings.Join(fields[:min(2, len(fields))], ".")
	case below == "":
		return path
	case below == "uses" || below == "with" || strings.HasPrefix(below, "with."):
		return section + "]"
	}
	return section + "]." + below
}

func (l *loader) checkStep(d *decl, storesKnown bool) {
	n := schema.Field(d.node, "with")
	if n == nil {
		n = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: d.node.Line, Column: d.node.Column}
	} else {
		n = l.substituted(d.with)
		if found := l.lang.validator.Def(l.doc, "kind."+d.step.Uses, n, d.path+".with"); len(found) > 0 {
			l.problems = append(l.problems, found...)
			return
		}
	}
	before := len(l.problems)
	known, _ := d.with.knownPart(l.values, l.missing, l.failEval)
	with, ok := known.(map[string]any)
	if !ok || len(l.problems) > before {
		return
	}
	if storesKnown {
		l.store(d, n, with)
	}
	if l.opts.Check != nil {
		l.faults(d, n, l.opts.Check(d.step, with))
	}
	if l.lang.kinds[d.step.Uses].Renders && len(l.problems) == before {
		l.checkPreview(d, n)
	}
}

// faults reports what was found in the fields of a step.
func (l *loader) faults(d *decl, with *yaml.Node, found []Fault) {
	for _, fault := range found {
		l.fail(schema.At(with, fault.Path), schema.Join(d.path+".with", fault.Path), "%s", fault.Message)
	}
}

// store settles which stores a step works on: in each part of with that has a field for it, the one named there, else the default one, else
// the only one.
func (l *loader) store(d *decl, n *yaml.Node, with map[string]any) {
	sections := l.storeSections(d.step.Uses)
	if len(sections) == 0 {
		return
	}
	d.step.Stores = map[string]string{}
	fallback, ambiguous := l.plan.DefaultStore, false
	switch {
	case fallback != "" || len(l.plan.Stores) == 0:
	case len(l.plan.Stores) == 1:
		for only := range l.plan.Stores {
			fallback = only
		}
	default:
		ambiguous = true
	}
	d.step.Store = fallback
	for _, section := range sections {
		part := storePart{l, d, n, d.with, with, d.path + ".with", section}
		if !part.enter() || !part.wanted() {
			continue
		}
		name := part.name()
		if name == "" && !part.named() {
			if ambiguous {
				l.fail(part.node, part.path, "the plan has several stores; name one with store, or set spec.defaults.store")
			}
			name = fallback
		}
		if section.path == "" {
			d.step.Store = name
		}
		if name != "" {
			d.step.Stores[section.path] = name
			part.with["store"] = name
		}
	}
}

// storeSection is a part of a kind's with that has a field store.
type storeSection struct {
	path string   // "" is with itself
	with []string // fields of it without which it uses no store
}

// storeSections are the parts of a kind's with that have a field store.
func (l *loader) storeSections(kind string) []storeSection {
	sections, known := l.sections[kind]
	if !known {
		for _, p := range l.lang.validator.Named("kind."+kind, "store") {
			sections = append(sections, storeSection{strings.Join(p.Path[:len(p.Path)-1], "."), p.With})
		}
		l.sections[kind] = sections
	}
	return sections
}

// storePart is a part of a step's with that may name a store.
type storePart struct {
	l       *loader
	d       *decl
	node    *yaml.Node
	fields  *template
	with    map[string]any
	path    string
	section storeSection
}

// enter goes to the section; false where the plan does not have it.
func (p *storePart) enter() bool {
	section := p.section.path
	if section == "" {
		return true
	}
	node, fields := schema.Field(p.node, section), p.fields.fields[section]
	with, ok := p.with[section].(map[string]any)
	if node == nil || fields == nil || !ok {
		return false
	}
	p.node, p.fields, p.with, p.path = node, fields, with, p.path+"."+section
	return true
}

// wanted tells whether what the plan writes here uses a store at all.
func (p *storePart) wanted() bool {
	return !slices.ContainsFunc(p.section.with, func(field string) bool { return schema.Field(p.node, field) == nil })
}

// named tells whether the plan names a store here.
func (p *storePart) named() bool { return schema.Field(p.node, "store") != nil }

// name is the store that the plan names here, or "".
func (p *storePart) name() string {
	field := schema.Field(p.node, "store")
	name, _ := p.with["store"].(string)
	switch {
	case field == nil:
	case p.fields.fields["store"] == nil || !p.fields.fields["store"].isStatic():
		p.l.fail(field, p.path+".store", "which store is meant must be known before the run; only params and env may stand here")
	case name == "":
		if p.fields.fields["store"].isKnown(nil) {
			p.l.fail(field, p.path+".store", "a store has a name")
		}
	default:
		p.l.knownStore(field, p.path+".store", name)
	}
	return name
}

// isStatic tells whether params and env alone decide the value.
func (t *template) isStatic() bool {
	static := true
	t.expressions(func(_ *template, e *expression) { static = static && e.isStatic() && e.refs.matrix == "" })
	return static
}
