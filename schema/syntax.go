package schema

import (
	"bytes"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	ifTagMessage    = "quote it: YAML reads ! as a tag"
	ifColonMessage  = `a ": " ends a YAML key; quote the whole condition`
	unquotedMessage = `${{ }} inside { } or [ ] must be quoted: "${{ … }}"`
)

var (
	yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)
	ifTag     = regexp.MustCompile(`^(\s*(?:-\s+)?(?:\{(?:.*[{,\s])?)?if:\s+)!`)
	ifLine    = regexp.MustCompile(`^(\s*(?:-\s+)?if:\s+)([^"'|>\s].*)$`)
)

// syntax turns the parser's error into problems, with own words for the mistakes that expressions invite. Where one of them broke the
// file, all of them are reported: they come in numbers. read is how many lines the parser had seen.
func (d *Document) syntax(err error, read int) Problems {
	line := d.brokenLine(err, read)
	if _, ok := d.invited(line); ok {
		var ps Problems
		for i := range d.lines {
			if p, ok := d.invited(i + 1); ok {
				ps = append(ps, p)
			}
			if len(ps) == MaxProblems {
				return append(ps, d.Rest())
			}
		}
		return ps
	}
	message := err.Error()
	if m := yamlError.FindStringSubmatch(message); m != nil {
		message = m[2]
	}
	text := d.lines[line-1]
	col := len(text) - len(strings.TrimLeft(text, " ")) + 1
	return Problems{d.problem(line, col, "", "not YAML: %s", plainWords(message, text))}
}

// invited finds one of the mistakes that expressions invite on a line.
func (d *Document) invited(number int) (Problem, bool) {
	line := d.lines[number-1]
	if m := ifTag.FindStringSubmatch(line); m != nil {
		return d.problem(number, utf8.RuneCountInString(m[1])+1, "if", ifTagMessage), true
	}
	if m := ifLine.FindStringSubmatch(line); m != nil {
		if before, _, found := strings.Cut(m[2], ": "); found {
			return d.problem(number, len(m[1])+utf8.RuneCountInString(before)+1, "if", ifColonMessage), true
		}
	}
	if col := unquotedExpression(line); col > 0 {
		return d.problem(number, col, "", unquotedMessage), true
	}
	return Problem{}, false
}

// brokenLine gives the line that makes the file no YAML: the first one from which on no beginning of the file can be read. The parser
// itself often names the line where the surrounding mapping began. It has read as far as the line, or further where a bracket or quote is
// open; a large file is not read again to find out.
func (d *Document) brokenLine(err error, read int) int {
	last := max(1, min(read, len(d.lines)))
	if len(strings.Join(d.lines[:last], "\n")) > searchBudget/2 {
		if m := yamlError.FindStringSubmatch(err.Error()); m != nil && m[1] != "" && strings.Contains(m[2], "unexpected end of stream") {
			named, _ := strconv.Atoi(m[1])
			return max(1, min(named, last))
		}
		return last
	}
	return d.search(last)
}

const searchBudget = 512 << 10 // bytes parsed in the search for the line that is broken

// search is brokenLine among the first lines, which cannot be read.
func (d *Document) search(last int) int {
	spent := 0
	valid := func(lines int) bool {
		text := strings.Join(d.lines[:lines], "\n") + "\n"
		spent += len(text)
		return decodes(text)
	}
	if last == 1 || valid(last-1) {
		return last
	}
	good, bad := 0, last-1
	for spent < searchBudget {
		for good+1 < bad && spent < searchBudget {
			if middle := (good + bad) / 2; valid(middle) {
				good = middle
			} else {
				bad = middle
			}
		}
		// A beginning that ends inside brackets or quotes cannot be read, and a longer one can: look on.
		next := bad + 1
		for next < last && spent < searchBudget && !valid(next) {
			next++
		}
		if next >= last || spent >= searchBudget {
			break
		}
		good, bad = next, last
	}
	return bad
}

// lineReader hands out a line at a time and counts them.
type lineReader struct {
	rest  []byte
	lines int
	begun bool // within a line
}

func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	if !r.begun {
		r.lines++
	}
	n := copy(p, r.rest)
	if end := bytes.IndexByte(p[:n], '\n'); end >= 0 {
		n = end + 1
	}
	r.begun = r.rest[n-1] != '\n'
	r.rest = r.rest[n:]
	return n, nil
}

// plainWords says in other words what the parser means.
func plainWords(message, line string) string {
	trimmed := strings.TrimLeft(line, " ")
	switch {
	case strings.HasPrefix(trimmed, "\t"):
		return "a tab cannot indent; use spaces"
	case strings.Contains(message, "mapping values are not allowed"):
		return `a ": " stands inside a value; quote the value`
	case strings.Contains(message, "cannot start any token"):
		return "a value that begins with @, ` or % must be quoted"
	case strings.Contains(message, "unexpected end of stream"):
		return "a quote is opened and not closed"
	case strings.Contains(message, "did not find expected ',' or"):
		return "a [ or { is opened and not closed, or a comma is missing"
	case strings.Contains(message, "did not find expected key"), strings.Contains(message, "did not find expected '-' indicator"):
		return "this line does not fit: look at its indentation, and for a quote or bracket that is not closed"
	case strings.Contains(message, "could not find expected ':'"):
		return "this line is no `key: value`"
	}
	return message
}

// unquotedExpression gives the column of a `${{` that stands unquoted inside a flow mapping or list, or 0.
func unquotedExpression(line string) int {
	depth, quote, before := 0, rune(0), ' '
	for i, r := range line {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case (r == '"' || r == '\'') && strings.ContainsRune(" [{,:", before):
			quote = r
		case r == '#' && before == ' ':
			return 0
		case depth > 0 && strings.HasPrefix(line[i:], "${{"):
			return utf8.RuneCountInString(line[:i]) + 1
		case r == '{' || r == '[':
			depth++
		case r == '}' || r == ']':
			depth--
		}
		before = r
	}
	return 0
}
