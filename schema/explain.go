package schema

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// explainer finds which rules a document breaks, in the order of the file. It finds what the library does, without its schemas having to be
// compiled and without its errors, which cost much where a plan has thousands of faults.
type explainer struct {
	v      *Validator
	doc    *Document
	faults []*fault
	unsure bool       // a rule is broken that it has no words for
	ended  *yaml.Node // where it stopped looking
}

// explain looks at a node that the rules refuse.
func (v *Validator) explain(r *rules, d *Document, root *yaml.Node, path string) *explainer {
	x := &explainer{v: v, doc: d}
	x.walk(r, root, path)
	if x.ended != nil && (d.unseen == 0 || x.ended.Line < d.unseen) {
		d.unseen = x.ended.Line
	}
	return x
}

// sure tells whether the faults are those that the library would find.
func (x *explainer) sure() bool { return x.doc.open != nil || !x.unsure && len(x.faults) > 0 }

// problems are what the faults come to.
func (x *explainer) problems() Problems {
	return tell(x.doc, withoutEchoes(x.faults), x.ended != nil)
}

func (x *explainer) add(s map[string]any, keyword string, n *yaml.Node, path string) {
	if x.doc.open[n] && keyword != "additionalProperties" {
		return
	}
	x.faults = append(x.faults, &fault{v: x.v, doc: x.doc, node: n, path: path, keyword: keyword, value: s[keyword], parent: s})
}

func (x *explainer) walk(r *rules, n *yaml.Node, path string) {
	switch {
	case r == nil || x.ended != nil || n == x.doc.last:
		return
	case len(x.faults) >= maxFaults:
		x.ended = n
		return
	case r.never:
		x.unsure = true
		return
	case r.types != nil && !r.typed(n):
		x.add(r.source, "type", n, path)
		return
	case r.constants != nil && !slices.ContainsFunc(r.constants, func(c any) bool { return is(n, c) }):
		keyword := "const"
		if _, ok := r.source[keyword]; !ok {
			keyword = "enum"
		}
		x.add(r.source, keyword, n, path)
	}
	switch n.Kind {
	case yaml.MappingNode:
		x.mapping(r, n, path)
	case yaml.SequenceNode:
		x.list(r, n, path)
	default:
		x.scalar(r, n, path)
	}
	x.joined(r, n, path)
}

// joined looks at the schemas that hold for the same node.
func (x *explainer) joined(r *rules, n *yaml.Node, path string) {
	x.walk(r.ref, n, path)
	if r.not != nil && r.not.accepts(n) {
		x.add(r.source, "not", n, path)
	}
	for _, each := range r.all {
		x.walk(each, n, path)
	}
	switch {
	case r.condition == nil:
	case r.condition.accepts(n):
		x.walk(r.then, n, path)
	default:
		x.walk(r.otherwise, n, path)
	}
}

// bound looks at two limits, which the schema calls least and most.
func (x *explainer) bound(r *rules, l limits, size float64, n *yaml.Node, path, least, most string) {
	if l.least != nil && size < *l.least {
		x.add(r.source, least, n, path)
	}
	if l.most != nil && size > *l.most {
		x.add(r.source, most, n, path)
	}
}

func (x *explainer) mapping(r *rules, n *yaml.Node, path string) {
	x.bound(r, r.fields, float64(len(n.Content)/2), n, path, "minProperties", "maxProperties")
	if slices.ContainsFunc(r.required, func(name string) bool { return Field(n, name) == nil }) {
		x.add(r.source, "required", n, path)
	}
	x.dependent(r, n, path)
	unknown := false
	for i := 0; i+1 < len(n.Content) && x.ended == nil; i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		below, known := r.properties[key.Value]
		if !known {
			below = r.additional
		}
		if !known && below != nil && below.never {
			unknown = true
		} else if !below.accepts(value) {
			x.walk(below, value, Join(path, key.Value))
		}
		if !r.names.accepts(key) {
			x.walk(r.names, key, Join(path, key.Value))
		}
	}
	if unknown {
		x.add(r.source, "additionalProperties", n, path)
	}
}

// dependent looks for fields that mean nothing without others. See fault.dependent for how such a fault is written.
func (x *explainer) dependent(r *rules, n *yaml.Node, path string) {
	rule, _ := r.source["dependentRequired"].(map[string]any)
	for _, name := range keys(r.source["dependentRequired"]) {
		if Field(n, name) == nil {
			continue
		}
		for _, other := range r.needs[name] {
			if !x.doc.open[n] && Field(n, other) == nil {
				x.faults = append(x.faults, &fault{v: x.v, doc: x.doc, node: n, path: path, keyword: name, value: other, parent: rule})
			}
		}
	}
}

func (x *explainer) list(r *rules, n *yaml.Node, path string) {
	x.bound(r, r.entries, float64(len(n.Content)), n, path, "minItems", "maxItems")
	if r.unique && !differ(n.Content) {
		x.add(r.source, "uniqueItems", n, path)
	}
	for i, item := range n.Content {
		if x.ended != nil {
			return
		}
		below := r.items
		if i < len(r.prefix) {
			below = r.prefix[i]
		}
		if !below.accepts(item) {
			x.walk(below, item, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

// longText is what no pattern need be held against when the text is too long already.
const longText = 4096 // bytes

func (x *explainer) scalar(r *rules, n *yaml.Node, path string) {
	switch jsonType(n) {
	case "string":
		length := 0.0
		if r.length != (limits{}) {
			length = float64(utf8.RuneCountInString(n.Value))
			x.bound(r, r.length, length, n, path, "minLength", "maxLength")
		}
		tooLong := len(n.Value) > longText && !r.length.hold(length)
		if !tooLong && !r.fits(n.Value) {
			x.add(r.source, "pattern", n, path)
		}
	case "integer", "number":
		if size, err := number(n); err == nil {
			x.bound(r, r.value, size, n, path, "minimum", "maximum")
		}
	}
}
