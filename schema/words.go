package schema

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

var indices = regexp.MustCompile(`\[[0-9]+\]`)

// isLater tells whether a field is one of a later version.
func (v *Validator) isLater(path string) bool { return v.later[indices.ReplaceAllString(path, "[]")] }

// inFull writes a number of a schema with all its digits: 2147483647, where Go would write 2.147483647e+09.
func inFull(value any) string {
	n, ok := value.(float64)
	if !ok {
		return fmt.Sprint(value)
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

func unit(keyword string, n any) string {
	word := map[string]string{"Length": "character", "Items": "entry", "Properties": "field"}[keyword[3:]]
	switch {
	case n == float64(1):
		return word
	case word == "entry":
		return "entries"
	}
	return word + "s"
}

func typeNames(value any) string {
	if list, ok := value.([]any); ok {
		return TypeNames(texts(list)...)
	}
	return typeName(fmt.Sprint(value))
}

// TypeNames gives JSON types as people call them: a list or a string.
func TypeNames(jsonTypes ...string) string {
	names := make([]string, len(jsonTypes))
	for i, name := range jsonTypes {
		names[i] = typeName(name)
	}
	return strings.Join(names, " or ")
}

func typeName(jsonType string) string {
	switch jsonType {
	case "object":
		return "a mapping"
	case "array":
		return "a list"
	case "integer":
		return "an integer"
	}
	return "a " + jsonType
}

// show names a value in a message, cut short.
func show(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!bool", "!!int", "!!float":
		word := map[string]string{"!!bool": "boolean", "!!int": "integer", "!!float": "number"}[n.Tag]
		return "the " + word + " " + n.Value
	}
	if runes := []rune(n.Value); len(runes) > 40 {
		return strconv.Quote(string(runes[:40]) + "…")
	}
	return strconv.Quote(n.Value)
}

func texts(list []any) []string {
	out := make([]string, len(list))
	for i, item := range list {
		out[i] = fmt.Sprint(item)
	}
	return out
}

func keys(v any) []string {
	m, _ := v.(map[string]any)
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	sort.Strings(out)
	return out
}

// hide keeps the lines of a scalar out of every message.
func (d *Document) hide(n *yaml.Node) {
	for line := n.Line; line <= n.Line+strings.Count(n.Value, "\n")+1 && n.Line > 0; line++ {
		if line == n.Line || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			d.hidden[line] = true
		}
	}
}
