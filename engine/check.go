package engine

import (
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

// checkKnown looks at every sound step once more with what is known before the run: values against the schema, stores, the kind's own
// checks.
func (l *loader) checkKnown() {
	faulty := map[string]bool{}
	for _, p := range l.problems {
		faulty[region(p.Path)] = true
	}
	if len(l.problems) >= maxProblems {
		return
	}
	storesKnown := !faulty["spec.stores"] && !faulty["spec"] && !faulty[""]
	for _, d := range l.decls {
		if len(l.problems) >= maxProblems {
			return
		}
		if !faulty[d.path] {
			l.checkInstances(d, storesKnown)
		}
	}
}

// checkInstances looks at a step, or at each instance of one whose fields read its matrix, up to the first with a problem.
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
	if l.opts.Check == nil {
		return
	}
	for _, fault := range l.opts.Check(d.step, with) {
		l.fail(schema.At(n, fault.Path), schema.Join(d.path+".with", fault.Path), "%s", fault.Message)
	}
}

// store settles which store a step works on: its own, the default one, the only one.
func (l *loader) store(d *decl, n *yaml.Node, with map[string]any) {
	if l.lang.validator.TypesAt(d.step.Uses, "store") == nil {
		return
	}
	field := schema.Field(n, "store")
	name, _ := with["store"].(string)
	switch {
	case field != nil && !d.with.fields["store"].isStatic():
		l.fail(field, d.path+".with.store", "which store is meant must be known before the run; only params and env may stand here")
	case field != nil && name == "":
		if d.with.fields["store"].isKnown(nil) {
			l.fail(field, d.path+".with.store", "a store has a name")
		}
	case name != "":
		l.knownStore(field, d.path+".with.store", name)
	case l.plan.DefaultStore != "":
		name = l.plan.DefaultStore
	case len(l.plan.Stores) == 1:
		for only := range l.plan.Stores {
			name = only
		}
	case len(l.plan.Stores) > 1:
		l.fail(n, d.path+".with", "the plan has several stores; name one with store, or set spec.defaults.store")
	}
	d.step.Store, d.step.UsesStore = name, true
	if name != "" {
		with["store"] = name
	}
}

// isStatic tells whether params and env alone decide the value.
func (t *template) isStatic() bool {
	static := true
	t.expressions(func(_ *template, e *expression) { static = static && e.isStatic() && e.refs.matrix == "" })
	return static
}
