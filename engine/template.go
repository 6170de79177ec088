package engine

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"plan/schema"
)

// template is a value of the plan file in which `${{ }}` may stand. It is one of: a literal, one whole expression, a string with
// expressions in it, a mapping, a list.
type template struct {
	literal any
	whole   *expression
	parts   []part
	fields  map[string]*template
	list    []*template
	path    string
	node    *yaml.Node
}

// evalError is an evaluation that went wrong, with the place it stands at.
type evalError struct {
	at  *template
	err error
}

func (e *evalError) Error() string { return e.at.path + ": " + e.err.Error() }
func (e *evalError) Unwrap() error { return e.err }

// part is a stretch of a string: text, or an expression.
type part struct {
	text string
	expr *expression
}

// scan cuts a string at its `${{ }}`, of which it looks for one more than may be. Offsets are in bytes from the string's start; unclosed is
// that of a `${{` without its `}}`, or -1.
func scan(s string) (texts []string, exprs []string, offsets []int, unclosed int) {
	done := 0
	for {
		start := strings.Index(s, "${{")
		if start < 0 || len(exprs) > maxParts {
			return append(texts, s), exprs, offsets, -1
		}
		end := exprEnd(s[start+3:])
		if end < 0 {
			return nil, nil, nil, done + start
		}
		texts = append(texts, s[:start])
		exprs = append(exprs, s[start+3:start+3+end])
		offsets = append(offsets, done+start+3)
		done += start + 3 + end + 2
		s = s[start+3+end+2:]
	}
}

// exprEnd finds the `}}` that ends an expression: outside of strings and of the expression's own braces.
func exprEnd(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case c == '}' && strings.HasPrefix(s[i:], "}}"):
			return i
		}
	}
	return -1
}

// template compiles a value. Problems go to the loader.
func (l *loader) template(n *yaml.Node, path string, at place) *template {
	t := &template{path: path, node: n}
	switch n.Kind {
	case yaml.MappingNode:
		t.fields = make(map[string]*template, len(n.Content)/2)
		inner := at
		if schema.Field(n, "from") != nil && len(n.Content) == 2 {
			inner.static = true // sources are read before the first step
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			t.fields[key] = l.template(n.Content[i+1], schema.Join(path, key), inner)
		}
	case yaml.SequenceNode:
		t.list = make([]*template, len(n.Content))
		for i, item := range n.Content {
			t.list[i] = l.template(item, fmt.Sprintf("%s[%d]", path, i), at)
		}
	default:
		value := schema.Value(n)
		s, ok := value.(string)
		if !ok || !strings.Contains(s, "${{") || l.doc.Origin(n) != "" { // variables and flags are taken as they are
			t.literal = value
			return t
		}
		l.text(t, n, s, at)
	}
	return t
}

func (l *loader) text(t *template, n *yaml.Node, s string, at place) {
	texts, exprs, offsets, unclosed := scan(s)
	if unclosed >= 0 {
		l.failAt(n, utf8.RuneCountInString(s[:unclosed]), t.path, issue{message: "a ${{ without its }}"})
		return
	}
	if len(exprs) > maxParts {
		l.fail(n, t.path, "the value has more than %d expressions", maxParts)
		return
	}
	compiled := make([]*expression, len(exprs))
	for i, source := range exprs {
		start := utf8.RuneCountInString(s[:offsets[i]])
		if strings.TrimSpace(source) == "" {
			l.failAt(n, start-3, t.path, issue{message: "an empty expression"})
			continue
		}
		e, issues := l.compiler.compile(source, at)
		for _, found := range issues {
			l.failAt(n, start, t.path, found)
		}
		compiled[i] = e
	}
	if len(exprs) == 1 && texts[0] == "" && texts[1] == "" {
		t.whole = compiled[0]
		return
	}
	for i, text := range texts {
		if text != "" {
			t.parts = append(t.parts, part{text: text})
		}
		if i < len(compiled) && compiled[i] != nil {
			t.parts = append(t.parts, part{expr: compiled[i]})
		}
	}
}

// eval gives the JSON-like value. Durations become text in the grammar of durations.
func (t *template) eval(v values) (any, error) {
	switch {
	case t.fields != nil:
		m := make(map[string]any, len(t.fields))
		for key, field := range t.fields {
			value, err := field.eval(v)
			if err != nil {
				return nil, err
			}
			m[key] = value
		}
		return m, nil
	case t.list != nil:
		list := make([]any, len(t.list))
		for i, item := range t.list {
			value, err := item.eval(v)
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	case t.whole != nil:
		value, err := t.whole.eval(v)
		if d, ok := value.(time.Duration); ok {
			value = schema.FormatDuration(d)
		}
		if err != nil {
			return nil, &evalError{t, err}
		}
		return value, nil
	case t.parts != nil:
		return t.join(v)
	}
	return t.literal, nil
}

func (t *template) join(v values) (any, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr == nil {
			b.WriteString(p.text)
			continue
		}
		value, err := p.expr.eval(v)
		if err != nil {
			return nil, &evalError{t, err}
		}
		s, err := text(value)
		if err != nil {
			return nil, &evalError{t, fmt.Errorf("${{ %s }}: %w", p.expr.text(), err)}
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// expressions visits every compiled expression below t with the template it stands in.
func (t *template) expressions(visit func(t *template, e *expression)) {
	if t.whole != nil {
		visit(t, t.whole)
	}
	for _, p := range t.parts {
		if p.expr != nil {
			visit(t, p.expr)
		}
	}
	for _, field := range t.fields {
		field.expressions(visit)
	}
	for _, item := range t.list {
		item.expressions(visit)
	}
}

// readsMatrix tells whether the value differs between the instances of a matrix.
func (t *template) readsMatrix() bool {
	reads := false
	t.expressions(func(_ *template, e *expression) { reads = reads || e.refs.matrix != "" })
	return reads
}

// isKnown tells whether nothing below t waits for the run.
func (t *template) isKnown(missing map[string]bool) bool {
	known := true
	t.expressions(func(_ *template, e *expression) { known = known && e.known(missing) })
	return known
}

// knownPart evaluates what is known already and leaves out what is not: the field keeps its default until the run knows better. What
// cannot be evaluated is handed to fail and left out too.
func (t *template) knownPart(v values, missing map[string]bool, fail func(*template, error)) (value any, ok bool) {
	if t.fields == nil {
		if !t.isKnown(missing) {
			return nil, false
		}
		value, err := t.eval(v)
		if err != nil {
			fail(t, err)
			return nil, false
		}
		return value, true
	}
	m := make(map[string]any, len(t.fields))
	for key, field := range t.fields {
		if value, ok := field.knownPart(v, missing, fail); ok {
			m[key] = value
		}
	}
	return m, true
}

// substituted is the value with every known expression replaced and every other left as its source, for the schema to see.
func (l *loader) substituted(t *template) *yaml.Node {
	n := t.node
	if n.Kind == yaml.ScalarNode {
		if t.whole == nil && t.parts == nil || !t.isKnown(l.missing) {
			return n
		}
		value, err := t.eval(l.values)
		if err != nil {
			return n // reported where the value is used
		}
		fresh := schema.Node(value)
		l.doc.Derived(fresh, n)
		return fresh
	}
	out := *n
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		switch {
		case t.list != nil:
			out.Content[i] = l.substituted(t.list[i])
		case i%2 == 1:
			out.Content[i] = l.substituted(t.fields[n.Content[i-1].Value])
		default:
			out.Content[i] = child
		}
	}
	return &out
}
