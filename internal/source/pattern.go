package source

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// maxPattern bounds one line of an ignore file, and what its regular expression takes.
const maxPattern = 4096

// pattern is one line of gitignore's grammar.
type pattern struct {
	text    string // as written
	line    int    // in its file
	negated bool   // `!`: brings back
	dirOnly bool
	isPath  bool // has a slash inside: matches from the folder of its file on; without one it matches the last name alone
	plain   bool // body has no wildcard
	body    string
	parts   []string       // of body, when isPath
	isTail  bool           // body is a `*` and no other wildcard, and not isPath
	re      *regexp.Regexp // else; nil matches nothing
}

// parsePattern reads a line without its end. Lines that git skips (comments, blank ones) are nil without an error.
func parsePattern(line string) (*pattern, error) {
	text, _, _ := strings.Cut(line, "\x00") // C's end of a string
	text = trimSpaces(text)
	if text == "" || text[0] == '#' {
		return nil, nil
	}
	if len(text) > maxPattern {
		return nil, fmt.Errorf("the pattern is longer than %d bytes", maxPattern)
	}
	p := &pattern{text: text}
	body, negated := strings.CutPrefix(text, "!")
	body, dirOnly := strings.CutSuffix(body, "/")
	p.negated, p.dirOnly, p.isPath = negated, dirOnly, strings.Contains(body, "/")
	p.body = strings.TrimPrefix(body, "/")
	if p.isPath {
		p.parts = strings.Split(p.body, "/")
	}
	p.plain = !wild(p.body)
	tail, star := strings.CutPrefix(p.body, "*")
	p.isTail = star && !wild(tail) && !p.isPath
	if !p.plain && !p.isTail {
		p.re, _ = glob(p.body, p.isPath)
	}
	return p, nil
}

// trimSpaces cuts the spaces at the end, but for those after a backslash.
func trimSpaces(s string) string {
	end := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
			if i == len(s) {
				return s
			}
			end = i + 1
		} else if s[i] != ' ' {
			end = i + 1
		}
	}
	return s[:end]
}

func wild(s string) bool { return strings.ContainsAny(s, `*?[\`) }

// match tells whether the pattern is for a path below the folder of its file, without looking at the folders above that path.
func (p *pattern) match(name string, isDir bool) bool {
	if p.dirOnly && !isDir || p.body == "" {
		return false
	}
	if !p.isPath {
		name = path.Base(name)
	}
	switch {
	case p.plain:
		return name == p.body
	case p.isTail:
		return strings.HasSuffix(name, p.body[1:])
	}
	return p.re != nil && p.re.MatchString(latin1(name))
}

// reaches tells whether the pattern leads below a folder: whether something in it may match. With spelled, only a pattern that has the
// folder's own name in it, without wildcards, does: `build/*.bin` leads below build, `*/x.bin` and `*.bin` do not.
func (p *pattern) reaches(dir string, spelled bool) bool {
	names := strings.Split(dir, "/")
	for i, name := range names {
		switch last := i == len(names)-1; {
		case i >= len(p.parts)-1: // none left for what is below
			return i < len(p.parts) && p.parts[i] == "**" && !spelled
		case p.parts[i] == "**":
			return !spelled
		case strings.ContainsAny(p.parts[i], `*?[]\`):
			if last && spelled {
				return false
			}
		case p.parts[i] != name:
			return false
		}
	}
	return true
}

// names tells whether a pattern says more than "everything": whether its last part has a letter.
func (p *pattern) names() bool {
	return strings.Trim(path.Base(p.body), `*?[]!^-\/`) != ""
}
