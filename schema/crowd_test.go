package schema

import (
	"testing"

	"gopkg.in/yaml.v3"
)

// FuzzCrowd: what is called a crowd is one, at that place, or the text is no YAML at all.
func FuzzCrowd(f *testing.F) {
	for _, s := range []string{
		"a: 1\nb: 2\nc: 3\nd: 4\n", "a:\n- 1\n- 2\n- 3\n- 4\n", "a:\n  - {b: 1, c: 2}\n  - x\n  - y\n  - [1, 2, 3, 4, 5]\n", "a: [1,2,3,4,5]\n", "a: |\n  b: 1\n  c: 2\n  d: 3\n  e: 4\n",
		"a: b\n  c\n  d\n", "a: 'x\n  b: 1\n  c: 1\n  d: 1\n  e: 1'\n", "a: {b: \"},,,,\", c: ']'}\n", "a:\n- b:\n  c: 1\n  d: 1\n  e: 1\n  f: 1\n", "- - 1\n- 2\n- 3\n- 4\n", "a: 1\n---\nb: 1\nc: 1\nd: 1\n",
		"a:\n  - 1\n  # x\n  - 2\n\n  - 3\n  - 4\nb: 1\n", "a: [,,,,,]\n", "- a\n- b\n  - c\n- d\n- e\n", "a: x\nb: y\n c: z\nd: 1\ne: 1\n", "a: > # x\n b\n c\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 3
		d := newDocument("f", data)
		if len(d.checkCharacters(data)) > 0 {
			return
		}
		pos, found := findCrowd(data, limit)
		if !found {
			return
		}
		root, problems := d.decode(data)
		if len(problems) == 0 && !crowdAt(root, pos, limit) {
			t.Errorf("%v is called a crowd in %q", pos, data)
		}
	})
}

func crowdAt(n *yaml.Node, pos Pos, limit int) bool {
	entries := len(n.Content)
	if n.Kind == yaml.MappingNode {
		entries /= 2
	}
	if n.Line == pos.Line && n.Column == pos.Col && entries > limit {
		return true
	}
	for _, child := range n.Content {
		if crowdAt(child, pos, limit) {
			return true
		}
	}
	return false
}
