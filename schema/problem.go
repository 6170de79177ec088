package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Problem is one fault of a file.
type Problem struct {
	File       string `json:"file"`
	Line       int    `json:"line,omitempty"` // 0 when the value is not from the file
	Col        int    `json:"column,omitempty"`
	Path       string `json:"path,omitempty"` // spec.steps[2].with.keep
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitempty"` // a name that was probably meant
	Source     string `json:"source,omitempty"`     // the line of the file
	Origin     string `json:"origin,omitempty"`     // where the value came from when not from the file: "variable CLUSTER_NAME"
	More       bool   `json:"more,omitempty"`       // stands for what was not looked for, because so much was found
}

// Pos is the problem's place.
func (p Problem) Pos() Pos { return Pos{p.Line, p.Col} }

// Headline is the problem on one line, `file:line:col: path: message (did you mean "x"?)`.
func (p Problem) Headline() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Col)
	}
	if p.Origin != "" {
		fmt.Fprintf(&b, ": %s", p.Origin)
	}
	if p.Path != "" {
		fmt.Fprintf(&b, ": %s", p.Path)
	}
	fmt.Fprintf(&b, ": %s", p.Message)
	if p.Suggestion != "" {
		fmt.Fprintf(&b, " (did you mean %q?)", p.Suggestion)
	}
	return strings.Map(visible, b.String())
}

// visible shows what a terminal would obey, or a reader not see, as U+FFFD. Values and keys of the file stand in messages.
func visible(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case r < ' ' || r >= 0x7f && r < 0xa0 || isBidi(r):
		return '\ufffd'
	}
	return r
}

// Error is the headline, then the source line with a caret under the place.
func (p Problem) Error() string {
	if p.Source == "" || p.Line == 0 {
		return p.Headline()
	}
	line, col := window(p.Source, p.Col)
	return p.Headline() + "\n  " + line + "\n  " + strings.Repeat(" ", col-1) + "^"
}

// window cuts a long line to what surrounds the column and makes it safe to print: tabs become blanks, control characters are shown as U+FFFD.
func window(source string, col int) (string, int) {
	const width = 120
	source = strings.TrimRight(source, "\r\n")
	col = max(1, min(col, utf8.RuneCountInString(source[:min(len(source), utf8.UTFMax*max(0, col))])+1))
	start := 0
	if col > width*3/4 {
		start = col - width/2
	}
	return strings.Map(visible, runes(source, start, width)), col - start
}

// runes gives n characters of a text, or fewer at its end, without unfolding all of it.
func runes(s string, start, n int) string {
	from, at := len(s), 0
	for i := range s {
		if at == start {
			from = i
		}
		if at == start+n {
			return s[from:i]
		}
		at++
	}
	return s[from:]
}

// Problems are all the faults of a file. As an error it prints them all.
type Problems []Problem

// MaxProblems is how many problems of a file end the search for more. A generated file can have thousands, and nobody reads them.
const MaxProblems = 200

// shown is how many problems are printed.
const shown = 50

// Rest stands for the problems that were not looked for.
func (d *Document) Rest() Problem {
	return Problem{File: d.File, Message: "the problems found are many; what else is wrong was not looked for", More: true}
}

// Stopped tells whether the search for problems ended early.
func (ps Problems) Stopped() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return p.More })
}

func (ps Problems) Error() string {
	var b strings.Builder
	told, left, rest := 0, 0, Problem{}
	for _, p := range ps {
		switch {
		case p.More:
			rest = p
		case told == shown:
			left++
		default:
			b.WriteString(p.Error() + "\n")
			told++
		}
	}
	switch {
	case left > 0 && rest.More:
		fmt.Fprintf(&b, "… and at least %d more", left)
	case left > 0:
		fmt.Fprintf(&b, "… and %d more", left)
	case rest.More:
		b.WriteString(rest.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Sorted gives the problems in file order, each once, and last what stands for more.
func (ps Problems) Sorted() Problems {
	out := slices.Clone(ps)
	slices.SortStableFunc(out, func(a, b Problem) int {
		if a.More != b.More {
			if a.More {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(out)
}
