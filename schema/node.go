package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Value converts a node of a parsed document to string, bool, int64, float64, nil, []any or map[string]any. Dates stay strings.
func Value(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = Value(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = Value(item)
		}
		return list
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int":
		i, _ := strconv.ParseInt(n.Value, 10, 64) // Parse has checked it
		return i
	case "!!float":
		f, _ := strconv.ParseFloat(n.Value, 64)
		return f
	}
	return n.Value
}

// Node is the inverse of Value, for values that do not come from the file: from `--set`, a variable or an expression. It panics on what
// is not JSON-like.
func Node(v any) *yaml.Node {
	switch v := v.(type) {
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v, Style: yaml.DoubleQuotedStyle}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(v)}
	case int64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v, 10)}
	case float64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: strconv.FormatFloat(v, 'g', -1, 64)}
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range v {
			n.Content = append(n.Content, Node(item))
		}
		return n
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, Node(key), Node(v[key]))
		}
		return n
	}
	panic(fmt.Sprintf("a value of type %T is not JSON-like", v))
}

// Derived gives fresh and all below it the place and origin of the node it was computed from, for messages.
func (d *Document) Derived(fresh, from *yaml.Node) {
	fresh.Line, fresh.Column = from.Line, from.Column
	if origin, ok := d.origins[from]; ok {
		d.origins[fresh] = origin
	}
	for _, child := range fresh.Content {
		d.Derived(child, from)
	}
}

// Field gives the value of a key, or nil.
func Field(n *yaml.Node, key string) *yaml.Node {
	_, value := entry(n, key)
	return value
}

func entry(n *yaml.Node, key string) (k, v *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// Get gives the node at a path of keys and indices below the root, or nil.
func (d *Document) Get(path []string) *yaml.Node {
	n := d.Root
	for _, key := range path {
		if n = child(n, key); n == nil {
			return nil
		}
	}
	return n
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n != nil && n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
		return nil
	}
	return Field(n, key)
}

// Set puts a value from outside the file at a path of keys and indices below the root, making mappings on the way, and remembers its
// origin for messages. It returns what stood there before, or nil.
func (d *Document) Set(path []string, value any, origin string) (before *yaml.Node) {
	n := d.Root
	for _, key := range path[:len(path)-1] {
		next := child(n, key)
		if next == nil {
			next = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			d.mark(next, origin)
			d.add(n, key, next, origin)
		}
		n = next
	}
	fresh := Node(value)
	current := child(n, path[len(path)-1])
	if current == nil {
		d.mark(fresh, origin)
		d.add(n, path[len(path)-1], fresh, origin)
		return nil
	}
	before = &yaml.Node{}
	*before = *current
	*current = *fresh
	d.mark(current, origin)
	return before
}

func (d *Document) add(n *yaml.Node, key string, value *yaml.Node, origin string) {
	if n.Kind != yaml.MappingNode { // wrong in the file already, which the schema reports
		return
	}
	k := Node(key)
	d.mark(k, origin)
	n.Content = append(n.Content, k, value)
}

func (d *Document) mark(n *yaml.Node, origin string) {
	d.origins[n] = origin
	for _, child := range n.Content {
		d.mark(child, origin)
	}
}

// Origin tells where a value came from when it is not from the file.
func (d *Document) Origin(n *yaml.Node) string { return d.origins[n] }

// finder follows JSON pointers. It remembers the keys of large mappings, so that many pointers into one cost no more than the mapping.
type finder map[*yaml.Node]map[string]*yaml.Node

// lookup follows a JSON pointer (RFC 6901) and gives the node with its path as people write it, or the last node on the way.
func (f finder) lookup(root *yaml.Node, pointer string) (*yaml.Node, string) {
	n, path := root, ""
	for _, token := range pointerTokens(pointer) {
		switch n.Kind {
		case yaml.MappingNode:
			child := f.field(n, token)
			if child == nil {
				return n, path
			}
			n, path = child, Join(path, token)
		case yaml.SequenceNode:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(n.Content) {
				return n, path
			}
			n, path = n.Content[i], path+"["+token+"]"
		default:
			return n, path
		}
	}
	return n, path
}

func (f finder) field(n *yaml.Node, key string) *yaml.Node {
	if len(n.Content) < 64 {
		return Field(n, key)
	}
	fields, ok := f[n]
	if !ok {
		fields = make(map[string]*yaml.Node, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			fields[n.Content[i].Value] = n.Content[i+1]
		}
		f[n] = fields
	}
	return fields[key]
}

func pointerTokens(pointer string) []string {
	pointer = strings.TrimPrefix(pointer, "#")
	if pointer == "" {
		return nil
	}
	tokens := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, t := range tokens {
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
	}
	return tokens
}

// At gives the node at a path such as keep.last or headers[0].name, or the nearest one above it.
func At(n *yaml.Node, path string) *yaml.Node {
	if path == "" {
		return n
	}
	found, _ := finder{}.lookup(n, "/"+strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(path))
	return found
}
