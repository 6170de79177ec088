package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/common/types"
	"gopkg.in/yaml.v3"

	"plan/schema"
)

// static is where only params and env are known.
var static = place{static: true}

// compile turns the declarations into steps that can run.
func (l *loader) compile(spec *yaml.Node) {
	l.plan.Cluster = l.section(spec, "cluster")
	l.plan.Stores = l.section(spec, "stores")
	l.plan.Secrets = l.section(spec, "secrets")
	store := schema.Field(schema.Field(spec, "defaults"), "store")
	l.plan.DefaultStore = str(store)
	if l.plan.DefaultStore != "" {
		l.knownStore(store, "spec.defaults.store", l.plan.DefaultStore)
	}
	unfit, looked := map[string]bool{}, 0 // regions with problems, of the first that many
	note := func() {
		for ; looked < len(l.problems); looked++ {
			unfit[region(l.problems[looked].Path)] = true
		}
	}
	note()
	storesKnown := !unfit["spec.stores"] && !unfit["spec"] && !unfit[""]
	for _, d := range l.decls {
		if l.full() {
			return
		}
		l.step(d)
		if note(); !unfit[d.path] && !l.full() {
			l.checkInstances(d, storesKnown)
		}
		if d.final {
			l.plan.Finally = append(l.plan.Finally, d.step)
		} else {
			l.plan.Steps = append(l.plan.Steps, d.step)
		}
	}
}

// section evaluates a part of spec that is known before the run, and holds the outcome against the schema once more.
func (l *loader) section(spec *yaml.Node, name string) map[string]any {
	n := schema.Field(spec, name)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	before := len(l.problems)
	t := l.template(n, "spec."+name, static)
	known, _ := t.knownPart(l.values, l.missing, l.failEval)
	if len(l.problems) == before {
		l.recheck(name, t)
	}
	m, _ := known.(map[string]any)
	return m
}

// recheck holds computed values against the schema.
func (l *loader) recheck(name string, t *template) {
	switch name {
	case "cluster":
		l.problems = append(l.problems, l.lang.validator.Def(l.doc, "cluster", l.substituted(t), t.path)...)
	case "stores":
		for _, key := range slices.Sorted(maps.Keys(t.fields)) {
			store := t.fields[key]
			l.problems = append(l.problems, l.lang.validator.Def(l.doc, "store", l.substituted(store), store.path)...)
		}
	}
}

func (l *loader) failEval(t *template, err error) {
	var at *evalError
	if errors.As(err, &at) {
		t, err = at.at, at.err
	}
	l.failed(t.node, t.path, err)
}

// failed reports an evaluation that went wrong.
func (l *loader) failed(n *yaml.Node, path string, err error) {
	l.fail(n, path, "%s", err)
	l.spent = l.spent || errors.Is(err, errSpent)
}

// knownStore reports a store that the plan has not.
func (l *loader) knownStore(n *yaml.Node, path, name string) {
	if _, ok := l.plan.Stores[name]; ok {
		return
	}
	p := l.doc.Problem(n, path, fmt.Sprintf("there is no store %q under spec.stores", name))
	p.Suggestion = l.compiler.names.suggest(name, slices.Sorted(maps.Keys(l.plan.Stores)))
	l.report(p)
}

func (l *loader) step(d *decl) {
	kind := l.lang.kinds[d.step.Uses]
	if n := schema.Field(d.node, "name"); strings.Contains(str(n), "${{") {
		l.fail(n, d.path+".name", "${{ }} means nothing in a name")
	}
	d.step.Retry = l.retry(schema.Field(d.node, "retry"), kind)
	if n := schema.Field(d.node, "if"); n != nil {
		d.step.If = l.condition(d, n)
	}
	timeout := l.limit(d, "timeout", orDefault(l.defaults.timeout, orDefault(kind.Timeout, defaultTimeout)))
	deadline := l.limit(d, "deadline", l.defaults.deadline)
	d.with = &template{fields: map[string]*template{}}
	if n := schema.Field(d.node, "with"); n != nil && n.Kind == yaml.MappingNode {
		d.with = l.template(n, d.path+".with", l.place(d, false))
		l.types(d)
	}
	known := l.values
	d.step.Preview = l.preview(d, timeout)
	d.step.Inputs = func(vars *Vars) (Inputs, error) {
		v := values{params: known.params, env: known.env, matrix: vars.Matrix, vars: vars}
		fields, err := d.with.eval(v)
		if err != nil {
			return Inputs{}, err
		}
		in := Inputs{With: fields.(map[string]any)}
		for section, name := range d.step.Stores {
			if part, ok := in.With[section].(map[string]any); ok {
				part["store"] = name
			} else if section == "" {
				in.With["store"] = name
			}
		}
		if in.Timeout, err = timeout(v); err != nil {
			return Inputs{}, err
		}
		in.Deadline, err = deadline(v)
		return in, err
	}
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// conditionSource gives the text of an if, or "" for what is reported here or by the schema.
func (l *loader) conditionSource(n *yaml.Node, path string) string {
	switch {
	case n.Kind != yaml.ScalarNode:
		return ""
	case n.Tag == "!!bool":
		return strings.ToLower(n.Value)
	case n.Tag != "!!str":
		return ""
	case strings.TrimSpace(n.Value) == "":
		l.fail(n, path, "an empty condition; write one, or remove the if")
		return ""
	}
	if before, _, found := strings.Cut(n.Value, "${{"); found {
		l.failAt(n, len([]rune(before)), path, issue{message: "an if is a bare expression; remove the ${{ }}"})
		return ""
	}
	return n.Value
}

// condition compiles an if. Without a status function it is joined to the default condition of its list.
func (l *loader) condition(d *decl, n *yaml.Node) func(*Vars) (bool, error) {
	path := d.path + ".if"
	source := l.conditionSource(n, path)
	if source == "" {
		return nil
	}
	d.step.Condition = source
	e, issues := l.compiler.compile(source, l.place(d, true))
	for _, found := range issues {
		l.failAt(n, 0, path, found)
	}
	if e == nil {
		return nil
	}
	if kind := e.typ.Kind(); kind != types.BoolKind && kind != types.DynKind {
		l.fail(n, path, "an if is true or false; this is of type %s", e.typ)
		return nil
	}
	known, final := l.values, d.final
	if e.known(l.missing) {
		result, err := e.condition(known)
		if err != nil {
			l.failed(n, path, err)
		}
		d.step.Never = err == nil && !result
	}
	return func(vars *Vars) (bool, error) {
		if !e.refs.status && !final && !vars.Success {
			return false, nil
		}
		result, err := e.condition(values{params: known.params, env: known.env, vars: vars})
		if err != nil {
			return false, fmt.Errorf("if: %w", err)
		}
		return result, nil
	}
}

// condition evaluates an expression that must be true or false.
func (e *expression) condition(v values) (bool, error) {
	result, err := e.eval(v)
	if err != nil {
		return false, err
	}
	yes, ok := result.(bool)
	if !ok {
		return false, fmt.Errorf("%q is neither true nor false but %v", e.text(), result)
	}
	return yes, nil
}
