package engine

import (
	"maps"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"plan/schema"
)

// waits tells whether only a run can know the expression's value.
func (e *expression) waits() bool { return len(e.refs.steps) > 0 || e.refs.status || e.refs.outcome }

// unknown stands for the value of an expression that waits for the run.
func (e *expression) unknown() string {
	return "UNKNOWN(" + strings.Join(strings.Fields(e.text()), " ") + ")"
}

// waits tells whether something below t waits for the run.
func (t *template) waits() bool {
	waits := false
	t.expressions(func(_ *template, e *expression) { waits = waits || e.waits() })
	return waits
}

// lacks tells whether t reads something that has no value, which is tolerated offline.
func (t *template) lacks(missing map[string]bool) bool {
	lacks := false
	t.expressions(func(_ *template, e *expression) {
		lacks = lacks || slices.ContainsFunc(e.refs.outside, func(name string) bool { return missing[name] })
	})
	return lacks
}

// previewing evaluates fields without a run.
type previewing struct {
	values
	missing map[string]bool      // what has no value; what reads it stays as it is written
	waiting map[string]*template // what waits for the run, by its path
}

// preview gives how the step's fields are evaluated without a run.
func (l *loader) preview(d *decl, timeout func(values) (time.Duration, error)) func(*Vars) (Inputs, error) {
	known := l.values
	return func(vars *Vars) (Inputs, error) {
		missing := maps.Clone(l.missing)
		delete(missing, matrixRef) // Vars has it
		p := &previewing{values: values{params: known.params, env: known.env, matrix: vars.Matrix, vars: vars}, missing: missing, waiting: map[string]*template{}}
		with, err := l.previewed(d, p)
		if err != nil {
			return Inputs{}, err
		}
		in := Inputs{With: with}
		if in.Timeout, err = timeout(p.values); err != nil {
			return Inputs{}, schema.Problems{l.doc.Problem(d.timeout.node, d.path+".timeout", "it has to be known before the run: "+err.Error())}
		}
		return in, nil
	}
}

// previewed are the step's fields. The error is a schema.Problems where something waits for the run that cannot.
func (l *loader) previewed(d *decl, p *previewing) (map[string]any, error) {
	fields, err := d.with.preview(p)
	if err != nil {
		return nil, err
	}
	with := fields.(map[string]any)
	var problems schema.Problems
	if len(p.waiting) > 0 {
		problems = l.cannotWait(d, with, p.waiting)
	}
	if d.timeout != nil && d.timeout.waits() {
		problems = append(problems, l.doc.Problem(d.timeout.node, d.timeout.path, onlyARun(d.timeout)+": pods get it as their deadline"))
	}
	if len(problems) > 0 {
		return nil, problems.Sorted()
	}
	return with, nil
}

// checkPreview finds what a step of a kind that renders has no right to leave to the run. n is its with as far as it is known.
func (l *loader) checkPreview(d *decl, n *yaml.Node) {
	if !d.with.waits() && (d.timeout == nil || !d.timeout.waits()) {
		return
	}
	v := l.values
	v.vars = &Vars{Run: RunVars{ID: "render", Name: l.plan.Name}}
	with, err := l.previewed(d, &previewing{values: v, missing: l.missing, waiting: map[string]*template{}})
	problems, _ := AsProblems(err)
	for _, p := range problems {
		l.report(p)
	}
	// An error that is none of these is of what reads the run's id, and may not be one in another run.
	if err == nil && l.opts.CheckPreview != nil && !d.with.lacks(l.missing) {
		l.faults(d, n, l.opts.CheckPreview(d.step, with))
	}
}

// cannotWait finds the waiting values that stand in fields which cannot be any string: numbers, names, words of a list.
func (l *loader) cannotWait(d *decl, with map[string]any, waiting map[string]*template) (problems schema.Problems) {
	for _, p := range l.lang.validator.Def(l.doc, "kind."+d.step.Uses, schema.Node(with), d.path+".with") {
		if t := waiting[p.Path]; t != nil {
			p = l.doc.Problem(t.node, t.path, onlyARun(t)+": it is a number, a name or one of several words")
		}
		problems = append(problems, p)
	}
	return problems
}

// onlyARun begins what is said of a template that waits and cannot.
func onlyARun(t *template) string {
	what := "the expression"
	if t.whole != nil {
		what = t.whole.text()
	}
	return "only a run can know " + what + ", and this field has to be known before"
}

// preview gives the value as far as it is known, and notes what waits.
func (t *template) preview(p *previewing) (any, error) {
	switch {
	case t.fields != nil:
		m := make(map[string]any, len(t.fields))
		for key, field := range t.fields {
			value, err := field.preview(p)
			if err != nil {
				return nil, err
			}
			m[key] = value
		}
		return m, nil
	case t.list != nil:
		list := make([]any, len(t.list))
		for i, item := range t.list {
			value, err := item.preview(p)
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	case t.whole != nil && t.whole.waits():
		p.waiting[t.path] = t
		if t.jsonType() == "array" {
			p.waiting[t.path+"[0]"] = t
			return []any{t.whole.unknown()}, nil
		}
		return t.whole.unknown(), nil
	case (t.whole != nil || t.parts != nil) && t.lacks(p.missing):
		return t.node.Value, nil
	case t.parts != nil:
		return t.joinKnown(p)
	}
	return t.eval(p.values)
}

// joinKnown is join with what waits as its placeholder.
func (t *template) joinKnown(p *previewing) (any, error) {
	known := &template{path: t.path, node: t.node, parts: make([]part, len(t.parts))}
	for i, piece := range t.parts {
		if piece.expr != nil && piece.expr.waits() {
			p.waiting[t.path] = t
			piece = part{text: piece.expr.unknown()}
		}
		known.parts[i] = piece
	}
	return known.join(p.values)
}
