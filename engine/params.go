package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"gopkg.in/yaml.v3"

	"plan/schema"
)

// maxComparisons bounds what suggestions may cost in one plan.
const maxComparisons = 200000

// params types the parameters and finds their values: --set, then the parameter's variable, then the default.
func (l *loader) params(spec *yaml.Node) {
	l.values.params, l.values.env = map[string]any{}, map[string]any{}
	declared := map[string]*cel.Type{}
	l.compiler = &compiler{names: &names{params: declared, env: map[string]bool{}, kinds: l.lang.kinds, uses: map[string]string{}, matrices: map[string]*matrixNames{}, declared: map[string][]Output{}, left: maxComparisons}}
	if n := schema.Field(spec, "params"); n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content) && !l.full(); i += 2 {
			name := n.Content[i].Value
			declared[name] = celType(str(schema.Field(n.Content[i+1], "type")))
			if n.Content[i+1].Kind == yaml.MappingNode {
				l.param(n.Content[i], n.Content[i+1], schema.Join("spec.params", name))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.opts.Set)) {
		if _, ok := declared[name]; !ok && !strings.Contains(name, ".") {
			p := schema.Problem{File: l.plan.File, Path: "--set " + name, Message: fmt.Sprintf("the plan has no parameter %q", name)}
			p.Suggestion = schema.Suggest(name, slices.Sorted(maps.Keys(declared)))
			l.problems = append(l.problems, p)
		}
	}
	l.environment(schema.Field(spec, "env"))
}

// environment reads the variables that expressions may see.
func (l *loader) environment(n *yaml.Node) {
	if n == nil || n.Kind != yaml.SequenceNode {
		return
	}
	for _, item := range n.Content {
		l.compiler.names.env[item.Value] = true
		if v, ok := l.opts.Getenv(item.Value); ok {
			l.values.env[item.Value] = v
		} else if l.opts.Offline {
			l.missing["env."+item.Value] = true
		}
	}
}

// param checks one parameter's declaration and finds its value.
func (l *loader) param(key, n *yaml.Node, path string) {
	rules, sound := l.rules(n, path)
	if !sound {
		l.missing["params."+key.Value] = true // nothing that reads it is reported too
		return
	}
	fallback := schema.Field(n, "default")
	if fallback != nil {
		v, err := rules.typed(schema.Value(fallback))
		if err == nil {
			err = rules.check(v)
		}
		switch {
		case strings.Contains(str(fallback), "${{"):
			l.fail(fallback, path+".default", "${{ }} means nothing in a default")
		case err != nil:
			l.fail(fallback, path+".default", "%s", err)
		}
		l.values.params[key.Value] = v
		if err != nil {
			l.missing["params."+key.Value] = true
		}
	}
	if given, from := l.lookup(key.Value, n); from != "" {
		l.given(rules, key.Value, given, from, fallback)
		return
	}
	if required, _ := value(schema.Field(n, "required")).(bool); required && fallback == nil {
		l.missing["params."+key.Value] = true
		if !l.opts.Offline {
			l.fail(key, path, "the parameter is required; give it with --set %s=VALUE", key.Value)
		}
	}
}

// lookup finds a parameter's value outside the file. from is empty when there is none.
func (l *loader) lookup(name string, n *yaml.Node) (given, from string) {
	if v, ok := l.opts.Set[name]; ok {
		return v, "--set"
	}
	if v, ok := l.opts.Variables[paramVariable(name)]; ok {
		return v, paramVariable(name)
	}
	if variable := str(schema.Field(n, "env")); variable != "" {
		if v, ok := l.opts.Getenv(variable); ok && v != "" {
			return v, variable
		}
	}
	return "", ""
}

// paramVariable is the variable that every parameter has.
func paramVariable(name string) string { return variableName("param", name) }

func (l *loader) given(rules paramRules, name, given, from string, fallback *yaml.Node) {
	v, err := parse(rules.kind, given)
	if err == nil {
		err = rules.check(v)
	}
	if err != nil {
		l.missing["params."+name] = true
		l.problems = append(l.problems, schema.Problem{File: l.plan.File, Path: "params." + name, Origin: origin(from), Message: err.Error()})
		return
	}
	l.values.params[name] = v
	applied := Applied{Field: "params." + name, Value: given, Origin: from}
	if fallback != nil {
		applied.Over = fmt.Sprintf("%s:%d", l.plan.File, fallback.Line)
	}
	l.plan.Overrides = append(l.plan.Overrides, applied)
}
