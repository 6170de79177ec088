package schema

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// walker checks every node of a document against the rules of strict YAML.
type walker struct {
	doc      *Document
	problems Problems
}

func (w *walker) add(n *yaml.Node, path, format string, args ...any) {
	w.problems = append(w.problems, w.doc.Problem(n, path, fmt.Sprintf(format, args...)))
}

func (w *walker) walk(n *yaml.Node, path string, depth int) {
	switch {
	case len(w.problems) > 10*shown:
		return
	case depth > maxDepth:
		w.add(n, path, "nested more than %d levels deep", maxDepth)
		return
	case n.Kind == yaml.AliasNode:
		w.add(n, path, "aliases are not allowed; write the value out")
		return
	case n.Anchor != "":
		w.add(n, path, "anchors are not allowed; write the value out where it is needed")
	case n.Style&yaml.TaggedStyle != 0 && strings.HasSuffix(path, ".if"):
		w.add(n, path, ifTagMessage)
		return
	case n.Style&yaml.TaggedStyle != 0:
		w.add(n, path, "explicit tags are not allowed (%s); remove it, or quote the value", n.Tag)
		return
	}
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		if entries := len(n.Content); entries > maxEntries && (n.Kind == yaml.SequenceNode || entries > 2*maxEntries) {
			w.add(n, path, "more than %d entries", maxEntries)
			return
		}
	}
	switch n.Kind {
	case yaml.MappingNode:
		w.mapping(n, path, depth)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			w.walk(item, fmt.Sprintf("%s[%d]", path, i), depth+1)
		}
	case yaml.ScalarNode:
		w.scalar(n, path)
	}
}

func (w *walker) mapping(n *yaml.Node, path string, depth int) {
	seen := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			w.add(key, path, "a key is a word, not a list or mapping")
			continue
		case key.Tag == "!!merge":
			w.add(key, path, "merge keys (<<) are not allowed; write the fields out")
			continue
		case key.Tag != "!!str":
			w.add(key, path, "the key %s is not a string; quote it", key.Value)
			continue
		}
		w.walk(key, Join(path, key.Value), depth)
		if strings.Contains(key.Value, "${{") {
			w.add(key, path, "${{ }} stands in values, never in a key")
		}
		if first, ok := seen[key.Value]; ok {
			w.add(key, Join(path, key.Value), "duplicate key; it stands on line %d already", first.Line)
			continue
		}
		seen[key.Value] = key
		w.walk(value, Join(path, key.Value), depth+1)
	}
}

// wordBooleans are booleans to YAML 1.1 readers and strings to YAML 1.2 readers.
var wordBooleans = regexp.MustCompile(`(?i)^(y|yes|n|no|on|off)$`)

var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

func (w *walker) scalar(n *yaml.Node, path string) {
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		if i := strings.IndexFunc(n.Value, func(r rune) bool { return r == 0 || isBidi(r) }); i >= 0 {
			r, _ := utf8.DecodeRuneInString(n.Value[i:])
			w.add(n, path, "the character U+%04X is not allowed, written as an escape either", r)
		}
		return
	}
	switch {
	case wordBooleans.MatchString(n.Value):
		w.add(n, path, "%s is a boolean to some YAML readers and a string to others; write true or false, or quote it", n.Value)
	case n.Tag == "!!int" && !decimal.MatchString(n.Value), n.Tag == "!!float" && strings.Contains(n.Value, "_"):
		w.add(n, path, "%s is not a plain decimal number: readers of YAML differ on octal, hexadecimal, signs and underscores; write it in decimal, or quote it", n.Value)
	case n.Tag == "!!int":
		if _, err := strconv.ParseInt(n.Value, 10, 64); err != nil {
			w.add(n, path, "%s is too large for a 64-bit integer", n.Value)
		}
	case n.Tag == "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			w.add(n, path, "%s is not a finite number; quote it if it is meant as text", n.Value)
		} else if f == math.Trunc(f) && decimal.MatchString(n.Value) {
			w.add(n, path, "%s is too large for a 64-bit integer", n.Value)
		}
	}
}

// Join adds a field to a path.
func Join(path, field string) string {
	if path == "" || field == "" {
		return path + field
	}
	return path + "." + field
}
