package engine

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"plan/schema"
)

// expression is a compiled CEL expression.
type expression struct {
	source  string
	program func() (cel.Program, error) // made at the first evaluation
	typ     *cel.Type
	refs    references
}

// values are the variables of one evaluation.
type values struct {
	params, env map[string]any
	matrix      map[string]any // of the instance
	vars        *Vars
	spent       *uint64 // of maxLoadCost, while the plan is loaded; nil in a run
}

func (v values) activation(refs references) map[string]any {
	a := map[string]any{"params": v.params, "env": v.env}
	if refs.matrix != "" {
		a[matricesVar] = map[string]any{refs.matrix: v.matrix}
	}
	if v.vars == nil {
		return a
	}
	r := v.vars.Run
	a["run"] = map[string]any{"id": r.ID, "name": r.Name, "outcome": string(r.Outcome), "exitCode": int64(r.ExitCode)}
	a[successVar], a[failureVar], a[cancelledVar] = v.vars.Success, v.vars.Failure, v.vars.Cancelled
	steps := make(map[string]any, len(refs.steps))
	for _, id := range refs.steps {
		s, ok := v.vars.Steps[id]
		if !ok {
			continue
		}
		fields := map[string]any{"outcome": string(s.Outcome), "verdict": string(s.Verdict)}
		switch {
		case s.List != nil:
			fields["outputs"] = s.List
		case slices.Contains(refs.lists, id): // it has none: not even an empty list
		case s.Outputs == nil:
			fields["outputs"] = map[string]any{}
		default:
			fields["outputs"] = s.Outputs
		}
		steps[id] = fields
	}
	a["steps"] = steps
	return a
}

// errSpent ends the loading of a plan: what comes behind it would not be evaluated either.
var errSpent = fmt.Errorf("the expressions of this plan cost too much together (over %d steps of evaluation); compute less before the run", maxLoadCost)

// eval gives a JSON-like value or a time.Duration.
func (e *expression) eval(v values) (any, error) {
	program, err := e.program()
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", e.text(), err)
	}
	if v.spent != nil && *v.spent > maxLoadCost {
		return nil, fmt.Errorf("evaluate %q: %w", e.text(), errSpent)
	}
	out, details, err := program.Eval(v.activation(e.refs))
	if cost := details.ActualCost(); v.spent != nil && cost != nil {
		*v.spent += *cost
	}
	if err != nil {
		return nil, e.explain(err, v)
	}
	result, err := bounded(out)
	if err != nil {
		return nil, fmt.Errorf("evaluate %q: %w", e.text(), err)
	}
	return result, nil
}

// explain says why a value could not be read, which is what most evaluation errors come to.
func (e *expression) explain(err error, v values) error {
	if strings.Contains(err.Error(), "cost limit exceeded") {
		return fmt.Errorf("evaluate %q: the expression costs too much (over %d steps of evaluation)", e.text(), maxCost)
	}
	if !strings.Contains(err.Error(), "no such key") {
		return fmt.Errorf("evaluate %q: %w", e.text(), err)
	}
	for _, name := range e.refs.outside {
		root, field, _ := strings.Cut(name, ".")
		if _, ok := v.params[field]; root == "params" && !ok {
			return fmt.Errorf("evaluate %q: the parameter %s has no value; give it one with --set %[2]s=VALUE or a default, or guard it: params.?%[2]s.orValue(…)", e.text(), field)
		}
		if _, ok := v.env[field]; root == "env" && !ok {
			return fmt.Errorf("evaluate %q: the variable %s is not set; set it, or guard it: env.?%[2]s.orValue('')", e.text(), field)
		}
		if _, ok := v.matrix[field]; root == matrixRef && field != "" && !ok {
			return fmt.Errorf("evaluate %q: this combination of the matrix has no %s; guard it: matrix.?%[2]s.orValue('')", e.text(), field)
		}
	}
	for _, id := range e.refs.steps {
		if v.vars == nil {
			break
		}
		s, ok := v.vars.Steps[id]
		switch list := slices.Contains(e.refs.lists, id); {
		case ok && list && s.List == nil:
			return fmt.Errorf("evaluate %q: step %s is %s and has no outputs; guard it, as in steps.%[2]s.?outputs.orValue([])", e.text(), id, s.Outcome)
		case ok && !list && len(s.Outputs) == 0:
			return fmt.Errorf("evaluate %q: step %s is %s and has no outputs; guard it, as in steps.%[2]s.outputs.?name.orValue('')", e.text(), id, s.Outcome)
		}
	}
	return fmt.Errorf("evaluate %q: %w", e.text(), err)
}

// text is the source without the blanks around it, cut short.
func (e *expression) text() string {
	s := strings.TrimSpace(e.source)
	if runes := []rune(s); len(runes) > 200 {
		s = string(runes[:200]) + "…"
	}
	return s
}

// native turns a CEL value into a JSON-like one. Durations stay durations.
func native(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.String:
		return string(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if uint64(v) > 1<<63-1 {
			return nil, errors.New("the number is too large")
		}
		return int64(v), nil
	case types.Double:
		return float64(v), nil
	case types.Bool:
		return bool(v), nil
	case types.Null:
		return nil, nil
	case types.Duration:
		return v.Duration, nil
	case *types.Optional:
		if !v.HasValue() {
			return nil, errors.New("the optional value is absent; add .orValue(…)")
		}
		return native(v.GetValue())
	case *types.Err:
		return nil, v
	}
	return nativeAny(v.Value())
}

// nativeAny converts what lists and maps hold, which may be CEL's values or Go's own. Durations become text there.
func nativeAny(v any) (any, error) {
	switch v := v.(type) {
	case ref.Val:
		return inner(native(v))
	case []ref.Val:
		return nativeList(v)
	case []any:
		return nativeList(v)
	case []string:
		return nativeList(v)
	case map[ref.Val]ref.Val:
		m := make(map[string]any, len(v))
		for key, value := range v {
			name, ok := key.(types.String)
			if !ok {
				return nil, errors.New("the keys of a map must be strings")
			}
			item, err := nativeAny(value)
			if err != nil {
				return nil, err
			}
			m[string(name)] = item
		}
		return m, nil
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, value := range v {
			item, err := nativeAny(value)
			if err != nil {
				return nil, err
			}
			m[key] = item
		}
		return m, nil
	case time.Duration:
		return schema.FormatDuration(v), nil
	case string, int64, float64, bool, nil:
		return v, nil
	case int:
		return int64(v), nil
	}
	return nil, fmt.Errorf("a value of type %T cannot leave an expression", v)
}

func inner(v any, err error) (any, error) {
	if d, ok := v.(time.Duration); ok {
		return schema.FormatDuration(d), err
	}
	return v, err
}

func nativeList[T any](items []T) (any, error) {
	list := make([]any, len(items))
	for i := range items {
		item, err := nativeAny(items[i])
		if err != nil {
			return nil, err
		}
		list[i] = item
	}
	return list, nil
}

// text is a value inside a longer string.
func text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case time.Duration:
		return schema.FormatDuration(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case int64, bool:
		return fmt.Sprint(v), nil
	}
	return "", errors.New("a list, map or null cannot stand inside a string")
}

func (e *expression) isStatic() bool { return !e.refs.run && !e.refs.status && len(e.refs.steps) == 0 }

// known tells whether the expression can be evaluated when the plan is loaded.
func (e *expression) known(missing map[string]bool) bool {
	return e.isStatic() && !slices.ContainsFunc(e.refs.outside, func(name string) bool { return missing[name] })
}
