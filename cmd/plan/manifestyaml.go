package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/tidwall/gjson"

	"plan/internal/objects"
	"plan/schema"
)

// yamlOf is JSON as YAML that all readers take for the same: keys sorted, texts in quotes wherever somebody could take them for something else.
func yamlOf(data []byte) []byte {
	w := yamlWriter{}
	w.value(gjson.ParseBytes(data), 0)
	return w.b.Bytes()
}

// yamlWriter writes values. Each begins where the last one left the line, and ends it.
type yamlWriter struct{ b bytes.Buffer }

// entry is a field of an object.
type entry struct {
	key   string
	value gjson.Result
}

// entries are the fields of an object by their names.
func entries(object gjson.Result) []entry {
	list := make([]entry, 0, 8) // few have more
	object.ForEach(func(key, value gjson.Result) bool {
		list = append(list, entry{key.String(), value})
		return true
	})
	slices.SortFunc(list, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	return list
}

// value writes what stands in a column: the first line of a mapping or list at once, the others below it.
func (w *yamlWriter) value(v gjson.Result, column int) {
	first := true
	next := func() {
		if !first {
			w.indent(column)
		}
		first = false
	}
	switch {
	case v.IsObject():
		for _, e := range entries(v) {
			next()
			w.key(e.key, column)
			w.below(e.value, column+2)
		}
	case v.IsArray():
		v.ForEach(func(_, item gjson.Result) bool {
			next()
			w.b.WriteString("-")
			w.item(item, column+2)
			return true
		})
	default:
		w.scalar(v, column)
		return
	}
	if first {
		w.b.WriteString(map[bool]string{true: "{}\n", false: "[]\n"}[v.IsObject()])
	}
}

// below writes the value of a key.
func (w *yamlWriter) below(v gjson.Result, column int) {
	if nested(v) {
		w.b.WriteByte('\n')
		w.indent(column)
		w.value(v, column)
		return
	}
	w.item(v, column)
}

// item writes a value on the line that has begun.
func (w *yamlWriter) item(v gjson.Result, column int) {
	w.b.WriteByte(' ')
	w.value(v, column)
}

// nested tells whether a value takes lines of its own.
func nested(v gjson.Result) (has bool) {
	if v.IsObject() || v.IsArray() {
		v.ForEach(func(_, _ gjson.Result) bool { has = true; return false })
	}
	return has
}

func (w *yamlWriter) indent(column int) {
	for range column {
		w.b.WriteByte(' ')
	}
}

// longKey is how long a key may be that stands on its value's line: readers look no further (YAML 1.2, 7.4.2: 1024 characters).
const longKey = 500

func (w *yamlWriter) key(key string, column int) {
	text := key
	if !plain(key) {
		text = quoted(key)
	}
	if len(text) > longKey {
		w.b.WriteString("? " + text + "\n")
		w.indent(column)
		text = ""
	}
	w.b.WriteString(text + ":")
}

func (w *yamlWriter) scalar(v gjson.Result, column int) {
	switch v.Type {
	case gjson.String:
		w.text(v.String(), column)
		return
	case gjson.Number:
		w.b.WriteString(schema.Node(objects.Numbers(json.Number(v.Raw))).Value)
	default:
		w.b.WriteString(v.Raw)
	}
	w.b.WriteByte('\n')
}

// text writes a text: plain where nobody can take it for anything else, a block where it has lines, else in quotes.
func (w *yamlWriter) text(s string, column int) {
	switch {
	case plain(s):
		w.b.WriteString(s + "\n")
	case strings.Contains(s, "\n") && lineText.MatchString(s):
		w.block(s, column)
	default:
		w.b.WriteString(quoted(s) + "\n")
	}
}

// block writes lines as they are. What is left of a final newline is in the mark: none, one, or all.
func (w *yamlWriter) block(s string, column int) {
	body := strings.TrimRight(s, "\n")
	switch len(s) - len(body) {
	case 0:
		w.b.WriteString("|-\n")
	case 1:
		w.b.WriteString("|\n")
	default:
		w.b.WriteString("|+\n")
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
		if line != "" {
			w.indent(column)
		}
		w.b.WriteString(line + "\n")
	}
}

var (
	lineText = regexp.MustCompile(`^[!-~][ -~\n]*$`)
	notTexts = []string{"true", "false", "yes", "no", "on", "off", "y", "n", "null"} // to one reader or another
)

// plain tells whether a text needs no quotes: letters, digits and a few signs, of which not all may begin or end it.
func plain(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		switch {
		case letter, c == '/':
		case i == 0:
			return false
		case c >= '0' && c <= '9', strings.IndexByte("_.@-", c) >= 0:
		case c != ':' || i == len(s)-1:
			return false
		}
	}
	return s != "" && (len(s) > len("false") || !slices.Contains(notTexts, strings.ToLower(s)))
}

// quoted is a text in double quotes, with everything escaped that does not show (YAML 1.2, 5.7).
func quoted(s string) string {
	b := append(make([]byte, 0, len(s)+2), '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case unicode.IsPrint(r):
			b = append(b, string(r)...)
		case r > 0xffff:
			b = fmt.Appendf(b, `\U%08x`, r)
		default:
			b = append(b, `\u`...)
			b = append(b, strconv.FormatInt(int64(r)+0x10000, 16)[1:]...)
		}
	}
	return string(append(b, '"'))
}
