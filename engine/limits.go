package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"plan/schema"
)

const defaultTimeout = 10 * time.Minute

// limit gives how a duration of the step is found: its own, or else the fallback.
func (l *loader) limit(d *decl, name string, fallback time.Duration) func(values) (time.Duration, error) {
	n := schema.Field(d.node, name)
	path := d.path + "." + name
	if !strings.Contains(str(n), "${{") {
		fixed := l.positive(n, path, fallback)
		return func(values) (time.Duration, error) { return fixed, nil }
	}
	t := l.template(n, path, l.place(d, false))
	if name == "timeout" {
		d.timeout = t
	}
	eval := func(v values) (time.Duration, error) {
		result, err := t.eval(v)
		if err != nil {
			return 0, err
		}
		limit, err := bound(result)
		if err != nil {
			return 0, &evalError{t, err}
		}
		return limit, nil
	}
	if got := t.jsonType(); got != "" && got != "string" {
		l.fail(n, path, "expected a duration, but the expression is %s", schema.TypeNames(got))
		return eval
	}
	try := func() {
		if t.isKnown(l.missing) {
			if _, err := eval(l.values); err != nil {
				l.failEval(t, err)
			}
		}
	}
	if t.readsMatrix() {
		d.limits = append(d.limits, try)
	} else if got := t.jsonType(); got != "" {
		try()
	}
	return eval
}

// bound reads a computed duration that bounds something.
func bound(v any) (time.Duration, error) {
	s, ok := v.(string)
	if !ok {
		return 0, fmt.Errorf("%v is not a duration", v)
	}
	d, err := schema.ParseDuration(s)
	if err == nil && d == 0 {
		err = errors.New(tooShort)
	}
	return d, err
}

// retry lays a step's retry over the defaults', field by field.
func (l *loader) retry(own *yaml.Node, kind Kind) Retry {
	r := Retry{Attempts: orDefault(kind.Attempts, 3), Delay: 5 * time.Second, Backoff: 2, MaxDelay: time.Minute, When: []RetryWhen{RetryTransient}}
	for _, n := range []*yaml.Node{l.defaults.retry, own} {
		if n == nil {
			continue
		}
		r.Attempts = int(l.integer(schema.Field(n, "attempts"), int64(r.Attempts)))
		r.Delay = l.duration(schema.Field(n, "delay"), r.Delay)
		r.MaxDelay = l.duration(schema.Field(n, "maxDelay"), r.MaxDelay)
		switch b := value(schema.Field(n, "backoff")).(type) {
		case int64:
			r.Backoff = float64(b)
		case float64:
			r.Backoff = b
		}
		if codes := schema.Field(n, "exitCodes"); codes != nil && codes.Kind == yaml.SequenceNode && kind.ExitCodes {
			r.ExitCodes = nil
			for _, item := range codes.Content {
				r.ExitCodes = append(r.ExitCodes, int(l.integer(item, 0)))
			}
		}
		if when := schema.Field(n, "when"); when != nil && when.Kind == yaml.SequenceNode {
			r.When = nil
			for _, item := range when.Content {
				r.When = append(r.When, RetryWhen(item.Value))
			}
		}
	}
	return r
}

// types holds the expressions against the types that the schema asks for.
func (l *loader) types(d *decl) {
	d.with.scalars(func(t *template) {
		got := t.jsonType()
		want := l.lang.validator.TypesAt(d.step.Uses, strings.TrimPrefix(t.path, d.path+".with."))
		if got == "" || len(want) == 0 || slices.Contains(want, got) || got == "integer" && slices.Contains(want, "number") {
			return
		}
		asked, is := schema.TypeNames(want...), schema.TypeNames(got)
		switch {
		case t.whole == nil && !(strings.HasPrefix(t.node.Value, "${{") && strings.HasSuffix(t.node.Value, "}}")):
			return // the schema has said so
		case t.whole == nil:
			l.fail(t.node, t.path, "expected %s, but text with ${{ }} in it is a string; a value that is one whole ${{ }} keeps its type", asked)
		case slices.Equal(want, []string{"string"}) && got != "array" && got != "object":
			l.fail(t.node, t.path, "expected %s, but %s is %s; write string(%[2]s)", asked, t.whole.text(), is)
		default:
			l.fail(t.node, t.path, "expected %s, but %s is %s", asked, t.whole.text(), is)
		}
	})
}
