package schema

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// rules are a schema in the form that nodes are held against quickly: they tell whether a node is valid and nothing more. The library
// says what is wrong with one that is not.
type rules struct {
	source     map[string]any // the schema
	never      bool           // the schema false
	ref        *rules
	types      []string
	integer    bool // 8.0 is none; see extra
	duration   bool
	constants  []any // const and enum
	pattern    func(string) bool
	length     limits
	value      limits
	entries    limits // of a list
	fields     limits // of a mapping
	unique     bool
	required   []string
	needs      map[string][]string
	properties map[string]*rules
	additional *rules
	names      *rules
	prefix     []*rules
	items      *rules
	all        []*rules
	not        *rules
	condition  *rules
	then       *rules
	otherwise  *rules
}

// limits are bounds, both included; nil is none.
type limits struct{ least, most *float64 }

func (l limits) hold(x float64) bool {
	return (l.least == nil || x >= *l.least) && (l.most == nil || x <= *l.most)
}

// accepts tells whether a node is valid.
func (r *rules) accepts(n *yaml.Node) bool {
	switch {
	case r == nil:
		return true
	case r.never, r.ref != nil && !r.ref.accepts(n), r.not != nil && r.not.accepts(n):
		return false
	case r.types != nil && !r.typed(n), r.constants != nil && !slices.ContainsFunc(r.constants, func(c any) bool { return is(n, c) }):
		return false
	}
	for _, each := range r.all {
		if !each.accepts(n) {
			return false
		}
	}
	if r.condition != nil {
		branch := r.otherwise
		if r.condition.accepts(n) {
			branch = r.then
		}
		if !branch.accepts(n) {
			return false
		}
	}
	switch n.Kind {
	case yaml.MappingNode:
		return r.acceptsMapping(n)
	case yaml.SequenceNode:
		return r.acceptsList(n)
	}
	return r.acceptsScalar(n)
}

func (r *rules) acceptsMapping(n *yaml.Node) bool {
	if !r.fields.hold(float64(len(n.Content) / 2)) {
		return false
	}
	for _, name := range r.required {
		if Field(n, name) == nil {
			return false
		}
	}
	for name, others := range r.needs {
		if Field(n, name) != nil && slices.ContainsFunc(others, func(other string) bool { return Field(n, other) == nil }) {
			return false
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		below, known := r.properties[n.Content[i].Value]
		if !known {
			below = r.additional
		}
		if !r.names.accepts(n.Content[i]) || !below.accepts(n.Content[i+1]) {
			return false
		}
	}
	return true
}

func (r *rules) acceptsList(n *yaml.Node) bool {
	if !r.entries.hold(float64(len(n.Content))) || r.unique && !differ(n.Content) {
		return false
	}
	for i, item := range n.Content {
		below := r.items
		if i < len(r.prefix) {
			below = r.prefix[i]
		}
		if !below.accepts(item) {
			return false
		}
	}
	return true
}

func (r *rules) acceptsScalar(n *yaml.Node) bool {
	switch jsonType(n) {
	case "string":
		return (r.length == limits{} || r.length.hold(float64(utf8.RuneCountInString(n.Value)))) && r.fits(n.Value)
	case "integer", "number":
		if r.integer && n.Tag == "!!float" {
			return false
		}
		if r.value == (limits{}) {
			return true
		}
		x, err := number(n)
		return err == nil && r.value.hold(x)
	}
	return true
}

// fits tells whether a text has the form asked for.
func (r *rules) fits(text string) bool {
	if r.duration {
		if _, err := ParseDuration(text); err != nil {
			return false
		}
	}
	return r.pattern == nil || r.pattern(text)
}

func number(n *yaml.Node) (float64, error) { return strconv.ParseFloat(n.Value, 64) }

// jsonType is the JSON type of a node, with integer for numbers that are written as one.
func jsonType(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "object"
	case n.Kind == yaml.SequenceNode:
		return "array"
	}
	switch n.Tag {
	case "!!null":
		return "null"
	case "!!bool":
		return "boolean"
	case "!!int":
		return "integer"
	case "!!float":
		return "number"
	}
	return "string"
}

func (r *rules) typed(n *yaml.Node) bool {
	name := jsonType(n)
	return slices.Contains(r.types, name) || name == "integer" && slices.Contains(r.types, "number")
}

// is tells whether a node has a value. The compiler of rules lets only strings and booleans be such.
func is(n *yaml.Node, value any) bool {
	if text, ok := value.(string); ok {
		return n.Value == text && jsonType(n) == "string"
	}
	return jsonType(n) == "boolean" && strings.EqualFold(n.Value, "true") == value
}

// differ tells whether no entry of a list stands twice. 1 and 1.0 are the same.
func differ(list []*yaml.Node) bool {
	texts := make(map[string]bool, len(list))
	var others []any
	for _, n := range list {
		v := Value(n)
		text, ok := v.(string)
		if i, whole := v.(int64); whole {
			v = float64(i)
		}
		switch {
		case ok && texts[text], !ok && slices.ContainsFunc(others, func(other any) bool { return reflect.DeepEqual(v, other) }):
			return false
		case ok:
			texts[text] = true
		default:
			others = append(others, v)
		}
	}
	return true
}
