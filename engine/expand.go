package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"gopkg.in/yaml.v3"

	"plan/schema"
)

// The limits of matrices beside maxSteps.
const (
	maxMatrixNames = 32      // axes, and what include adds
	maxMatrixCells = 100000  // combinations times names, of all matrices of a plan
	maxCombining   = 1000000 // entries of include and exclude, times combinations, of all matrices of a plan
)

var axisText = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)

// axis is one axis of a matrix with its values.
type axis struct {
	name   string
	key    *yaml.Node
	values []any // string, int64 or bool
}

// matrixNames are the fields of `matrix` in the expressions of one step.
type matrixNames struct {
	axes   map[string]*cel.Type
	unsure bool // it could not be built: any name may be one
}

// matrixRoom is what matrices may still take up.
type matrixRoom struct{ instances, comparisons, cells int }

// matrices builds the matrices of all steps. No more is built than a plan may have.
func (l *loader) matrices(*yaml.Node) {
	l.missing[matrixRef] = true // until an instance is looked at
	room := &matrixRoom{maxSteps - len(l.decls), maxCombining, maxMatrixCells}
	for _, d := range l.decls {
		n := schema.Field(d.node, "matrix")
		if n == nil {
			continue
		}
		if l.full() {
			return
		}
		room.instances++ // its own, as a step without a matrix
		d.step.Matrix = &Matrix{MaxParallel: int(l.integer(schema.Field(d.node, "maxParallel"), 0))}
		d.step.Matrix.FailFast, _ = value(schema.Field(d.node, "failFast")).(bool)
		known := &matrixNames{axes: map[string]*cel.Type{}}
		if l.byID[d.id] == d {
			l.compiler.names.matrices[d.id] = known
		}
		combinations := l.matrix(n, d.path+".matrix", room)
		if known.unsure = combinations == nil; known.unsure {
			continue
		}
		known.axes = settle(combinations)
		d.step.Matrix.Instances = l.instances(n, d.path+".matrix", combinations)
	}
}

// instances are the combinations, which must differ.
func (l *loader) instances(n *yaml.Node, path string, combinations []map[string]any) []*Instance {
	list, seen := make([]*Instance, len(combinations)), make(map[string]bool, len(combinations))
	for i, values := range combinations {
		list[i] = newInstance(values)
		if seen[list[i].Key] {
			l.fail(n, path, "the combination %s is there twice", InstanceID("", list[i].Key))
			break
		}
		seen[list[i].Key] = true
	}
	return list
}

// matrix gives a matrix's combinations, for which there must be room. None means that there is a problem, or that they cannot be known
// yet.
func (l *loader) matrix(n *yaml.Node, path string, room *matrixRoom) []map[string]any {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	var axes []axis
	sound := true
	for i := 0; i+1 < len(n.Content); i += 2 {
		if name := n.Content[i].Value; name != "include" && name != "exclude" {
			values, ok := l.axis(n.Content[i+1], schema.Join(path, name))
			axes = append(axes, axis{name, n.Content[i], values})
			sound = sound && ok
		}
	}
	include, ok := l.entries(schema.Field(n, "include"), path+".include")
	exclude, ok2 := l.entries(schema.Field(n, "exclude"), path+".exclude")
	if !sound || !ok || !ok2 || !l.excludable(schema.Field(n, "exclude"), path+".exclude", exclude, axes) {
		return nil
	}
	size := product(axes)
	comparisons := size * (len(include) + len(exclude))
	switch names := matrixWidth(axes, include); {
	case size > room.instances:
		l.tooMany(n, path, axes, size, room)
		return nil
	case names > maxMatrixNames:
		l.fail(n, path, "the combinations have %d names; at most %d are allowed", names, maxMatrixNames)
		return nil
	case max(size, len(include))*names > room.cells:
		l.fail(n, path, "the combinations have too many values: combinations times names may be at most %d in a plan", maxMatrixCells)
		return nil
	case comparisons > room.comparisons:
		l.fail(n, path, "include and exclude have too many entries for %d combinations: entries times combinations may be at most %d", size, maxCombining)
		return nil
	}
	all := combine(axes, exclude, include)
	room.comparisons -= comparisons
	switch {
	case len(all) > room.instances:
		l.tooMany(n, path, nil, len(all), room)
		return nil
	case len(all) == 0:
		if len(exclude) > 0 {
			l.fail(n, path, "exclude leaves no combination")
		}
		return nil
	}
	room.instances -= max(size, len(all))
	room.cells -= len(all) * matrixWidth(axes, include)
	return all
}

func (l *loader) tooMany(n *yaml.Node, path string, axes []axis, size int, room *matrixRoom) {
	count := strconv.Itoa(size)
	if size == overSize {
		count = "more than a million"
	}
	if len(axes) > 0 {
		count += " combinations before exclude"
	} else {
		count += " combinations"
	}
	if others := maxSteps - room.instances; others > 0 {
		l.fail(n, path, "the matrix has %s, and the plan %d other step instances; at most %d are allowed in all", count, others, maxSteps)
		return
	}
	l.fail(n, path, "the matrix has %s; at most %d step instances are allowed", count, maxSteps)
}

// axis gives an axis's values: a literal list, or one expression of type list over parameters.
func (l *loader) axis(n *yaml.Node, path string) ([]any, bool) {
	if n.Kind == yaml.ScalarNode {
		return l.computedAxis(n, path)
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 { // the schema has said so
		return nil, false
	}
	values, seen := make([]any, len(n.Content)), make(map[string]bool, len(n.Content))
	for i, item := range n.Content {
		v, ok := axisValue(schema.Value(item))
		if !ok || item.Kind != yaml.ScalarNode {
			return nil, false
		}
		said := fmt.Sprint(v)
		if seen[said] {
			l.fail(item, fmt.Sprintf("%s[%d]", path, i), "%s stands twice in the axis", said)
			return nil, false
		}
		values[i], seen[said] = v, true
	}
	return values, true
}

func (l *loader) computedAxis(n *yaml.Node, path string) ([]any, bool) {
	at := static
	at.params = true
	t := l.template(n, path, at)
	if t.whole == nil {
		return nil, false
	}
	if kind := t.whole.typ.Kind(); kind != types.ListKind && kind != types.DynKind {
		l.fail(n, path, "expected a list, but %s is of type %s", t.whole.text(), t.whole.typ)
		return nil, false
	}
	if !t.isKnown(l.missing) {
		return nil, false
	}
	v, err := t.eval(l.values)
	if err != nil {
		l.failEval(t, err)
		return nil, false
	}
	list, ok := v.([]any)
	switch {
	case !ok:
		l.fail(n, path, "expected a list, but %s is none", t.whole.text())
	case len(list) == 0:
		l.fail(n, path, "%s is empty, so the matrix has no combination", t.whole.text())
	}
	seen := map[string]bool{}
	for _, item := range list {
		v, fits := axisValue(item)
		switch said := fmt.Sprint(v); {
		case !fits:
			l.fail(n, path, "%s has the value %s, which no matrix can have: values are 1 to 40 letters, digits, dots, dashes and underscores, integers or booleans", t.whole.text(), named(item))
			return nil, false
		case seen[said]:
			l.fail(n, path, "%s has %s twice", t.whole.text(), said)
			return nil, false
		default:
			seen[said] = true
		}
	}
	return list, len(list) > 0
}

// named is a value in a message, cut short.
func named(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("of type %T", v)
	}
	if runes := []rune(string(data)); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return string(data)
}

// axisValue tells whether a value may stand in a matrix.
func axisValue(v any) (any, bool) {
	switch v := v.(type) {
	case string:
		return v, axisText.MatchString(v)
	case int64, bool:
		return v, true
	}
	return v, false
}

// entries reads include or exclude.
func (l *loader) entries(n *yaml.Node, path string) (list []map[string]any, sound bool) {
	if n == nil {
		return nil, true
	}
	if n.Kind != yaml.SequenceNode {
		return nil, false
	}
	for _, item := range n.Content {
		entry, ok := schema.Value(item).(map[string]any)
		for _, v := range entry {
			_, fits := axisValue(v)
			ok = ok && fits
		}
		if !ok || len(entry) == 0 { // the schema has said so
			return nil, false
		}
		list = append(list, entry)
	}
	return list, true
}

// excludable reports entries of exclude that name no axis: they would leave out nothing.
func (l *loader) excludable(n *yaml.Node, path string, entries []map[string]any, axes []axis) bool {
	names := make([]string, len(axes))
	for i, a := range axes {
		names[i] = a.name
	}
	for i, entry := range entries {
		for _, name := range slices.Sorted(maps.Keys(entry)) {
			if slices.Contains(names, name) {
				continue
			}
			at := fmt.Sprintf("%s[%d].%s", path, i, name)
			p := l.doc.Problem(schema.Field(n.Content[i], name), at, fmt.Sprintf("the matrix has no axis %q", name))
			p.Suggestion = l.compiler.names.suggest(name, names)
			l.report(p)
			return false
		}
	}
	return true
}
