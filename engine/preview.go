package engine

import (
	"cmp"
	"strings"
	"time"

	"plan/schema"
)

// waits tells whether only a run can know the expression's value.
func (e *expression) waits() bool { return len(e.refs.steps) > 0 || e.refs.status || e.refs.outcome }

// unknown stands for the value of an expression that waits for the run.
func (e *expression) unknown() string {
	return "UNKNOWN(" + strings.Join(strings.Fields(e.text()), " ") + ")"
}

// preview gives how the step's fields are evaluated without a run.
func (l *loader) preview(d *decl, timeout func(values) (time.Duration, error)) func(*Vars) (Inputs, error) {
	known := l.values
	return func(vars *Vars) (Inputs, error) {
		v := values{params: known.params, env: known.env, matrix: vars.Matrix, vars: vars}
		waiting := map[string]*template{}
		fields, err := d.with.preview(v, waiting)
		if err != nil {
			return Inputs{}, err
		}
		in := Inputs{With: fields.(map[string]any)}
		var problems schema.Problems
		if len(waiting) > 0 {
			problems = l.cannotWait(d, in.With, waiting)
		}
		if in.Timeout, err = timeout(v); err != nil {
			n := cmp.Or(schema.Field(d.node, "timeout"), d.node)
			problems = append(problems, l.doc.Problem(n, d.path+".timeout", "it has to be known before the run: "+err.Error()))
		}
		if len(problems) > 0 {
			return Inputs{}, problems.Sorted()
		}
		return in, nil
	}
}

// cannotWait finds the waiting values that stand in fields which cannot be any string: numbers, names, words of a list.
func (l *loader) cannotWait(d *decl, with map[string]any, waiting map[string]*template) (problems schema.Problems) {
	for _, p := range l.lang.validator.Def(l.doc, "kind."+d.step.Uses, schema.Node(with), d.path+".with") {
		if t := waiting[p.Path]; t != nil {
			what := "the expression"
			if t.whole != nil {
				what = t.whole.text()
			}
			p = l.doc.Problem(t.node, t.path, "only a run can know "+what+", and this field has to be known before: it is a number, a name or one of several words")
		}
		problems = append(problems, p)
	}
	return problems
}

// preview gives the value as far as it is known, and notes the templates in which something waits, by their paths.
func (t *template) preview(v values, waiting map[string]*template) (any, error) {
	switch {
	case t.fields != nil:
		m := make(map[string]any, len(t.fields))
		for key, field := range t.fields {
			value, err := field.preview(v, waiting)
			if err != nil {
				return nil, err
			}
			m[key] = value
		}
		return m, nil
	case t.list != nil:
		list := make([]any, len(t.list))
		for i, item := range t.list {
			value, err := item.preview(v, waiting)
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	case t.whole != nil && t.whole.waits():
		waiting[t.path] = t
		return t.whole.unknown(), nil
	case t.parts != nil:
		return t.joinKnown(v, waiting)
	}
	return t.eval(v)
}

// joinKnown is join with what waits as its placeholder.
func (t *template) joinKnown(v values, waiting map[string]*template) (any, error) {
	known := &template{path: t.path, node: t.node, parts: make([]part, len(t.parts))}
	for i, p := range t.parts {
		if p.expr != nil && p.expr.waits() {
			waiting[t.path] = t
			p = part{text: p.expr.unknown()}
		}
		known.parts[i] = p
	}
	return known.join(v)
}
