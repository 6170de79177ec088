package schema

import (
	"bytes"
	"unicode/utf8"
)

// crowdedSize is from which size on a file is looked through for crowds before it is parsed.
const crowdedSize = 256 << 10

// crowd looks for a list or mapping with too many entries in the text of a file, which takes a fraction of the time that parsing does: by
// lines of one indentation, and by commas between brackets. It must not find what is none. At the first line that can mean something
// else it gives up, and the entries are counted once the file is parsed.
type crowd struct {
	data  []byte
	limit int
	at    int // where the next line begins
	line  int
	open  []block
	above int        // lines indented further are a text; -1 is none
	opens bool       // the last line may have entries below it
	flow  []brackets // that are open
}

// block is a list, or mapping, of which each entry begins a line.
type block struct {
	indent        int
	fields, items int // since the last line of the other sort
	first         Pos
}

type brackets struct{ at, commas int }

// findCrowd gives the place of a list or mapping that surely has more than limit entries.
func findCrowd(data []byte, limit int) (pos Pos, found bool) {
	c := crowd{data: data, limit: limit, above: -1, opens: true}
	for sure := true; sure && !found && c.at < len(data); {
		pos, found, sure = c.next()
	}
	return pos, found
}

// next looks at a line, and at what is in brackets that open there.
func (c *crowd) next() (pos Pos, found, sure bool) {
	start, text := c.at, c.data[c.at:]
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		text = text[:end]
	}
	c.at, c.line = start+len(text)+1, c.line+1
	body := bytes.TrimLeft(text, " ")
	indent := len(text) - len(body)
	body = bytes.TrimRight(body, " \r")
	if len(body) == 0 || body[0] == '#' || c.above >= 0 && indent > c.above {
		return Pos{}, false, true
	}
	c.above = -1
	item, value := body[0] == '-' && (len(body) == 1 || body[1] == ' '), body
	if item {
		value = bytes.TrimLeft(body[1:], " ")
	}
	key := keyEnd(value)
	if key < 0 && !item {
		return Pos{}, false, false
	}
	if pos, found, sure = c.entry(indent, item); found || !sure {
		return pos, found, sure
	}
	if key >= 0 {
		if item { // a mapping begins behind the dash
			at := indent + len(body) - len(value)
			c.open = append(c.open, block{indent: at, fields: 1, first: Pos{c.line, at + 1}})
		}
		value = bytes.TrimLeft(value[key+1:], " ")
	}
	c.opens = len(value) == 0
	switch {
	case len(value) == 0:
	case value[0] == '[' || value[0] == '{':
		return c.brackets(start+indent+bytes.Index(body, value), start)
	case value[0] == '|' || value[0] == '>':
		c.above = indent
	case bytes.ContainsAny(value, `"'`):
		return Pos{}, false, false
	}
	return Pos{}, false, true
}

// keyEnd is where the colon behind a plain key is, or -1.
func keyEnd(text []byte) int {
	for i, b := range text {
		switch {
		case b == ':' && (i+1 == len(text) || text[i+1] == ' '):
			return i
		case b != '_' && b != '-' && b != '.' && b != '/' && (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'z'):
			return -1
		}
	}
	return -1
}

// entry counts a line as an entry of the block that it belongs to.
func (c *crowd) entry(indent int, item bool) (pos Pos, found, sure bool) {
	for len(c.open) > 0 && c.open[len(c.open)-1].indent > indent {
		c.open = c.open[:len(c.open)-1]
	}
	if len(c.open) == 0 || c.open[len(c.open)-1].indent < indent {
		if !c.opens {
			return Pos{}, false, false
		}
		c.open = append(c.open, block{indent: indent, first: Pos{c.line, indent + 1}})
	}
	b := &c.open[len(c.open)-1]
	if item {
		if b.items++; b.items == 1 && b.fields > 0 { // the list of the field above may stand no deeper than it
			b.first = Pos{c.line, indent + 1}
		}
	} else {
		b.fields, b.items = b.fields+1, 0
	}
	return b.first, max(b.fields, b.items) > c.limit, true
}

// brackets counts commas up to where all brackets are closed.
func (c *crowd) brackets(at, start int) (pos Pos, found, sure bool) {
	c.flow = c.flow[:0]
	before := byte('[')
	for ; at < len(c.data); at++ {
		b := c.data[at]
		switch b {
		case '[', '{':
			c.flow = append(c.flow, brackets{at: at})
		case ']', '}':
			if c.flow = c.flow[:len(c.flow)-1]; len(c.flow) == 0 {
				return Pos{}, false, c.lineEnds(at + 1)
			}
		case ',':
			top := &c.flow[len(c.flow)-1]
			if top.commas++; top.commas > c.limit {
				return Pos{c.line, utf8.RuneCount(c.data[start:top.at]) + 1}, true, true
			}
		case '"', '\'':
			if !bytes.ContainsRune([]byte("[{,:"), rune(before)) {
				return Pos{}, false, false
			}
			end := quoteEnd(c.data[at:])
			if end < 0 {
				return Pos{}, false, false
			}
			at += end
		case '#', '\n': // a comment, or more lines
			return Pos{}, false, false
		}
		if b != ' ' {
			before = b
		}
	}
	return Pos{}, false, false
}

// lineEnds tells whether nothing more stands on the line.
func (c *crowd) lineEnds(at int) bool {
	rest := c.data[at:min(c.at, len(c.data))]
	return len(bytes.TrimSpace(rest)) == 0
}

// quoteEnd is where the quote that text begins with is closed on its line, or -1.
func quoteEnd(text []byte) int {
	for i := 1; i < len(text) && text[i] != '\n'; i++ {
		switch {
		case text[0] == '"' && text[i] == '\\':
			i++
		case text[i] != text[0]:
		case text[0] == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
		default:
			return i
		}
	}
	return -1
}
