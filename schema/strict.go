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
	path     []segment // to where it is
}

// segment is a key, or an index where there is none.
type segment struct {
	key   string
	index int
	item  bool // of a list
}

// where is the path as people write it. It is put together for a problem only.
func (w *walker) where() (path string) {
	for _, s := range w.path {
		if s.item {
			path += fmt.Sprintf("[%d]", s.index)
		} else {
			path = Join(path, s.key)
		}
	}
	return path
}

func (w *walker) add(n *yaml.Node, format string, args ...any) {
	if w.doc.open[n] {
		return
	}
	w.problems = append(w.problems, w.doc.Problem(n, w.where(), fmt.Sprintf(format, args...)))
}

func (w *walker) full() bool { return len(w.problems) >= MaxProblems }

// below walks a node at a further segment.
func (w *walker) below(s segment, n *yaml.Node, depth int) {
	w.path = append(w.path, s)
	w.walk(n, depth)
	w.path = w.path[:len(w.path)-1]
}

func (w *walker) walk(n *yaml.Node, depth int) {
	switch {
	case w.full() || n == w.doc.last:
		return
	case depth > maxDepth:
		w.add(n, "nested more than %d levels deep", maxDepth)
		return
	case n.Kind == yaml.AliasNode:
		w.add(n, "aliases are not allowed; write the value out")
		return
	case n.Anchor != "":
		w.add(n, "anchors are not allowed; write the value out where it is needed")
	case n.Style&yaml.TaggedStyle != 0 && len(w.path) > 1 && w.path[len(w.path)-1].key == "if":
		w.add(n, ifTagMessage)
		return
	case n.Style&yaml.TaggedStyle != 0:
		w.add(n, "explicit tags are not allowed (%s); remove it, or quote the value", n.Tag)
		return
	}
	entries := len(n.Content)
	switch n.Kind {
	case yaml.MappingNode:
		entries /= 2
		fallthrough
	case yaml.SequenceNode:
		if entries > maxEntries {
			w.add(n, "more than %d entries", maxEntries)
			return
		}
	}
	switch n.Kind {
	case yaml.MappingNode:
		w.mapping(n, depth)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			w.below(segment{index: i, item: true}, item, depth+1)
		}
	case yaml.ScalarNode:
		w.scalar(n)
	}
}

func (w *walker) mapping(n *yaml.Node, depth int) {
	seen := keySet{content: n.Content}
	for i := 0; i+1 < len(n.Content) && !w.full(); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			w.add(key, "a key is a word, not a list or mapping")
			continue
		case key.Tag == "!!merge":
			w.add(key, "merge keys (<<) are not allowed; write the fields out")
			continue
		case key.Tag != "!!str":
			w.add(key, "the key %s is not a string; quote it", key.Value)
			continue
		}
		w.below(segment{key: key.Value}, key, depth)
		if strings.Contains(key.Value, "${{") {
			w.add(key, "${{ }} stands in values, never in a key")
		}
		if first := seen.add(i); first != nil {
			w.path = append(w.path, segment{key: key.Value})
			w.add(key, "duplicate key; it stands on line %d already", first.Line)
			w.path = w.path[:len(w.path)-1]
			continue
		}
		w.below(segment{key: key.Value}, value, depth+1)
	}
}

// keySet finds keys that stand twice. Most mappings are small, and looking at each key before is then quicker than a map.
type keySet struct {
	content []*yaml.Node
	taken   []int // where the keys are that were added
	large   map[string]int
}

// add gives the key that has the same text as the one at i, or nil.
func (s *keySet) add(i int) *yaml.Node {
	name := s.content[i].Value
	if len(s.content) > 32 {
		if s.large == nil {
			s.large = make(map[string]int, len(s.content)/2)
		}
		if first, ok := s.large[name]; ok {
			return s.content[first]
		}
		s.large[name] = i
		return nil
	}
	for _, first := range s.taken {
		if s.content[first].Value == name {
			return s.content[first]
		}
	}
	s.taken = append(s.taken, i)
	return nil
}

// wordBooleans are booleans to YAML 1.1 readers and strings to YAML 1.2 readers.
var wordBooleans = regexp.MustCompile(`(?i)^(y|yes|n|no|on|off)$`)

// isDecimal tells whether a number is written as JSON writes integers.
func isDecimal(s string) bool {
	s = strings.TrimPrefix(s, "-")
	if s == "" || s[0] == '0' && s != "0" {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func (w *walker) scalar(n *yaml.Node) {
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		if i := strings.IndexFunc(n.Value, func(r rune) bool { return r == 0 || isBidi(r) }); i >= 0 {
			r, _ := utf8.DecodeRuneInString(n.Value[i:])
			w.add(n, "the character U+%04X is not allowed, written as an escape either", r)
		}
		return
	}
	switch {
	case len(n.Value) <= 3 && wordBooleans.MatchString(n.Value):
		w.add(n, "%s is a boolean to some YAML readers and a string to others; write true or false, or quote it", n.Value)
	case n.Tag == "!!int" && !isDecimal(n.Value), n.Tag == "!!float" && strings.Contains(n.Value, "_"):
		w.add(n, "%s is not a plain decimal number: readers of YAML differ on octal, hexadecimal, signs and underscores; write it in decimal, or quote it", n.Value)
	case n.Tag == "!!int":
		if _, err := strconv.ParseInt(n.Value, 10, 64); err != nil {
			w.add(n, "%s is too large for a 64-bit integer", n.Value)
		}
	case n.Tag == "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			w.add(n, "%s is not a finite number; quote it if it is meant as text", n.Value)
		} else if f == math.Trunc(f) && isDecimal(n.Value) {
			w.add(n, "%s is too large for a 64-bit integer", n.Value)
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
