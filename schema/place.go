package schema

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// Place gives where the character stands in the file that is at an offset (in characters) of a scalar's value. Quotes, escapes, folded
// lines and the indentation of blocks lie between the two.
func (d *Document) Place(n *yaml.Node, offset int) Pos {
	if n.Line < 1 || n.Line > len(d.lines) {
		return Pos{n.Line, n.Column}
	}
	c := cursor{lines: d.lines, line: n.Line, value: []rune(n.Value)}
	c.raw = []rune(strings.TrimRight(d.lines[n.Line-1], "\r"))
	c.col = min(max(0, n.Column-1), len(c.raw))
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		c.enterBlock()
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		c.col++
		c.double, c.single = n.Style&yaml.DoubleQuotedStyle != 0, n.Style&yaml.SingleQuotedStyle != 0
	}
	for c.at < min(offset, len(c.value)) {
		if !c.step() {
			return Pos{n.Line, n.Column}
		}
	}
	c.settle()
	return Pos{c.line, c.col + 1}
}

// cursor walks a scalar's text in the file and its value side by side.
type cursor struct {
	lines          []string
	line, col      int // of the text; the column counts from 0
	raw            []rune
	value          []rune
	at             int // in value
	indent         int // of a block
	block          bool
	double, single bool
}

// enterBlock goes from the | or > to the first line with text. The block's indentation is what the line has more than its value.
func (c *cursor) enterBlock() {
	c.block = true
	leading := 0
	for leading < len(c.value) && c.value[leading] == '\n' {
		leading++
	}
	for skipped := -1; skipped < leading; skipped++ {
		if !c.nextLine() {
			return
		}
		if skipped >= 0 {
			c.at++
		}
	}
	kept := 0
	for leading+kept < len(c.value) && c.value[leading+kept] == ' ' {
		kept++
	}
	c.indent = max(0, blanks(c.raw)-kept)
	c.col = c.indent
}

func blanks(line []rune) int {
	n := 0
	for n < len(line) && line[n] == ' ' {
		n++
	}
	return n
}

func (c *cursor) nextLine() bool {
	if c.line >= len(c.lines) {
		return false
	}
	c.line++
	c.raw = []rune(strings.TrimRight(c.lines[c.line-1], "\r"))
	c.col = 0
	return true
}

// step goes over one character of the value.
func (c *cursor) step() bool {
	if c.endOfLine() {
		return c.fold()
	}
	width := 1
	switch {
	case c.double && c.raw[c.col] == '\\':
		width = escapeWidth(c.raw[c.col:])
	case c.single && c.raw[c.col] == '\'':
		width = 2
	}
	c.col = min(c.col+width, len(c.raw))
	c.at++
	return true
}

// endOfLine tells whether only a line break, and the blanks that it swallows, lie ahead.
func (c *cursor) endOfLine() bool {
	if c.block {
		return c.col >= len(c.raw)
	}
	rest := strings.TrimRight(string(c.raw[min(c.col, len(c.raw)):]), " \t")
	return rest == "" || c.double && rest == `\`
}

// fold goes over a line break and what it stands for in the value: itself, a blank, fewer breaks than there are lines, or nothing.
func (c *cursor) fold() bool {
	swallowed := c.double && strings.HasSuffix(strings.TrimRight(string(c.raw), " \t"), `\`)
	breaks := 0
	for {
		if !c.nextLine() {
			return false
		}
		breaks++
		if blanks(c.raw) < len(c.raw) {
			break
		}
	}
	c.col = c.indent
	if !c.block {
		c.col = len(c.raw) - len([]rune(strings.TrimLeft(string(c.raw), " \t")))
	}
	if c.at < len(c.value) && c.value[c.at] == ' ' && !swallowed && breaks == 1 {
		c.at++
		return true
	}
	for c.at < len(c.value) && c.value[c.at] == '\n' && breaks > 0 {
		c.at++
		breaks--
	}
	return true
}

// settle leaves the end of a line for the next one's text, where the next character of the value is.
func (c *cursor) settle() {
	if c.at < len(c.value) && c.value[c.at] != '\n' && c.value[c.at] != ' ' && c.endOfLine() {
		c.fold()
	}
}

// escapeWidth is the length of an escape of double-quoted YAML.
func escapeWidth(raw []rune) int {
	if len(raw) < 2 {
		return 1
	}
	switch raw[1] {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	}
	return 2
}
