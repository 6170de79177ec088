package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// The limits of a plan file.
const (
	MaxSize    = 1 << 20 // bytes
	maxDepth   = 64      // nested mappings and lists
	maxEntries = 10000   // of one mapping or list
	maxMarks   = 250000  // lines, and signs that can begin a value: what the parser's memory grows with
)

// Document is a parsed file that obeys the rules of strict YAML.
type Document struct {
	File    string
	Root    *yaml.Node // a mapping
	data    []byte
	lines   []string
	origins map[*yaml.Node]string // of values that did not come from the file
	hidden  map[int]bool          // lines that hold a secret and are never shown
	unseen  int                   // from this line on secrets were not looked for; 0 is nowhere
	open    map[*yaml.Node]bool   // of the head of a file: what may go on behind it
	last    *yaml.Node            // of the head of a file: the entry of a list that may go on, which is not judged at all
}

// Parse reads one YAML document. It refuses what different readers of YAML read differently: duplicate keys, aliases and merge
// keys, explicit tags, a second document, plain yes/no/on/off, integers that are not plain decimals, control and bidi characters.
// All problems found are returned at once; the document is nil when there is one.
func Parse(file string, data []byte) (*Document, Problems) {
	d, problems := Scan(file, data)
	if len(problems) == 0 {
		problems = d.Parse()
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return d, nil
}

// Scan does what can be done without parsing: it refuses what is too much, and what a reader would not see. The document has no root yet.
func Scan(file string, data []byte) (*Document, Problems) {
	if len(data) > MaxSize {
		return nil, Problems{{File: file, Message: "the file is larger than 1 MiB; split it into several plans"}}
	}
	if marks(data) > maxMarks {
		return nil, Problems{{File: file, Message: fmt.Sprintf("the file has more than %d lines, fields and entries; split it into several plans", maxMarks)}}
	}
	d := newDocument(file, bytes.TrimPrefix(data, []byte("\ufeff"))) // some editors begin files with it
	if ps := d.checkCharacters(d.data); len(ps) > 0 {
		return nil, ps
	}
	if len(data) > crowdedSize {
		if pos, found := findCrowd(d.data, maxEntries); found {
			return nil, Problems{d.problem(pos.Line, pos.Col, "", "more than %d entries", maxEntries)}
		}
	}
	return d, nil
}

// Parse reads what Scan has let through.
func (d *Document) Parse() Problems {
	root, ps := d.decode(d.data)
	if len(ps) > 0 {
		return ps.Sorted()
	}
	if ps := d.strict(root); len(ps) > 0 {
		return ps
	}
	d.Root = root
	return nil
}

func newDocument(file string, data []byte) *Document {
	return &Document{File: file, data: data, lines: strings.Split(string(data), "\n"), origins: map[*yaml.Node]string{}, hidden: map[int]bool{}}
}

// strict holds a document against the rules of strict YAML.
func (d *Document) strict(root *yaml.Node) Problems {
	w := walker{doc: d}
	w.walk(root, 0)
	if root.Kind != yaml.MappingNode {
		w.add(root, "a plan is a mapping that begins with apiVersion and kind, not %s", show(root))
	}
	if w.full() {
		w.problems = append(w.problems, d.Rest())
	}
	return w.problems.Sorted()
}

// marks counts lines, and signs that can begin a value.
func marks(data []byte) (n int) {
	for i, c := range data {
		switch c {
		case '\n', ',', '[', '{', '&', '*', '!':
			n++
		case ':', '-', '?':
			if i+1 == len(data) || data[i+1] <= ' ' {
				n++
			}
		}
	}
	return n
}

// Problem makes a problem at a node.
func (d *Document) Problem(n *yaml.Node, path, message string) Problem {
	if n == nil {
		return Problem{File: d.File, Path: path, Message: message}
	}
	return d.ProblemAt(n, Pos{n.Line, n.Column}, path, message)
}

// ProblemAt makes a problem at a place inside a node.
func (d *Document) ProblemAt(n *yaml.Node, pos Pos, path, message string) Problem {
	p := Problem{File: d.File, Path: path, Message: message}
	if origin, ok := d.origins[n]; ok {
		p.Origin = origin
		return p
	}
	return d.at(pos, p)
}

func (d *Document) at(pos Pos, p Problem) Problem {
	if pos.Line > len(d.lines) { // an empty value at the very end
		pos = Pos{len(d.lines), len([]rune(d.lines[len(d.lines)-1])) + 1}
	}
	p.File, p.Line, p.Col = d.File, pos.Line, pos.Col
	if pos.Line >= 1 && pos.Line <= len(d.lines) && !d.hidden[pos.Line] && (d.unseen == 0 || pos.Line < d.unseen) {
		p.Source = d.lines[pos.Line-1]
	}
	return p
}

// decode gives the first document's root and refuses a second one.
func (d *Document) decode(data []byte) (*yaml.Node, Problems) {
	in := &lineReader{rest: data}
	dec := yaml.NewDecoder(in)
	var doc yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0:
		return nil, Problems{{File: d.File, Message: "the file is empty; a plan begins with apiVersion: plan/v1"}}
	case err != nil:
		return nil, d.syntax(err, in.lines)
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		return nil, Problems{d.at(d.documentStart(second), Problem{Message: "a second document begins here; a file holds one plan"})}
	} else if !errors.Is(err, io.EOF) {
		return nil, d.syntax(err, in.lines)
	}
	return doc.Content[0], nil
}

// documentStart gives the place of the --- before a document, or the document's own when there is none.
func (d *Document) documentStart(doc yaml.Node) Pos {
	for line := min(doc.Line, len(d.lines)); line >= 1; line-- {
		if strings.HasPrefix(d.lines[line-1], "---") {
			return Pos{line, 1}
		}
	}
	return Pos{doc.Line, max(1, doc.Column)}
}

// decodes tells whether data is well-formed YAML.
func decodes(data string) bool {
	dec := yaml.NewDecoder(strings.NewReader(data))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

func (d *Document) problem(line, col int, path, format string, args ...any) Problem {
	return d.at(Pos{line, col}, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}
