package source

import (
	"fmt"
	"regexp"
	"strings"
)

// glob translates a pattern of git's wildmatch into a regular expression over Latin-1 text, so that it works on bytes, as git does, and
// in linear time whatever the pattern, which a matcher that backtracks does not. Where the text is a path, `*`, `?` and brackets stop
// at slashes and `**` between slashes does not. False means that nothing can match: a bracket or a backslash without its end.
func glob(pattern string, isPath bool) (*regexp.Regexp, bool) {
	g := globber{in: pattern, isPath: isPath}
	g.out.WriteString(`\A(?s:`)
	for g.at < len(g.in) {
		if !g.next() {
			return nil, false
		}
	}
	g.out.WriteString(`)\z`)
	re, err := regexp.Compile(g.out.String())
	return re, err == nil
}

type globber struct {
	in     string
	at     int
	isPath bool
	out    strings.Builder
}

func (g *globber) next() bool {
	c := g.in[g.at]
	g.at++
	switch c {
	case '*':
		g.stars()
	case '?':
		g.any("")
	case '[':
		return g.bracket()
	case '\\':
		if g.at == len(g.in) {
			return false
		}
		g.literal(g.in[g.at])
		g.at++
	default:
		g.literal(c)
	}
	return true
}

func (g *globber) literal(c byte) { fmt.Fprintf(&g.out, `\x%02x`, c) }

// any is one byte, or as many as the repetition says.
func (g *globber) any(repetition string) {
	if g.isPath {
		g.out.WriteString(`[^/]` + repetition)
	} else {
		g.out.WriteString(`.` + repetition)
	}
}

// stars is at the byte after the first.
func (g *globber) stars() {
	start := g.at - 1
	for g.at < len(g.in) && g.in[g.at] == '*' {
		g.at++
	}
	rest := g.in[g.at:]
	alone := (start == 0 || g.in[start-1] == '/') && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, `\/`))
	switch {
	case g.at-start == 1 || !g.isPath || !alone:
		g.any("*")
	case strings.HasPrefix(rest, "/"): // also no folder at all
		g.out.WriteString(`(?:.*/)?`)
		g.at++
	default:
		g.out.WriteString(`.*`)
	}
}

// bracket is at the byte after the opening one.
func (g *globber) bracket() bool {
	set, negated, ok := g.set()
	if !ok {
		return false
	}
	if negated {
		for c := range set {
			set[c] = !set[c]
		}
	}
	if g.isPath {
		set['/'] = false
	}
	var class strings.Builder
	for c, in := range set {
		if in {
			fmt.Fprintf(&class, `\x%02x`, c)
		}
	}
	if class.Len() == 0 {
		return false
	}
	g.out.WriteString("[" + class.String() + "]")
	return true
}

// set reads a bracket up to its end. A `]` at its start stands for itself.
func (g *globber) set() (set [256]bool, negated, ok bool) {
	if g.at < len(g.in) && (g.in[g.at] == '!' || g.in[g.at] == '^') {
		negated = true
		g.at++
	}
	low := -1 // of a range that may follow
	for first := true; ; first = false {
		if g.at == len(g.in) {
			return set, negated, false
		}
		c := g.in[g.at]
		g.at++
		switch {
		case c == ']' && !first:
			return set, negated, true
		case c == '-' && low >= 0 && g.at < len(g.in) && g.in[g.at] != ']':
			high, ok := g.escaped(g.in[g.at], 1)
			if !ok {
				return set, negated, false
			}
			for b := low; b <= int(high); b++ {
				set[b] = true
			}
			low = -1
		case c == '[' && g.at < len(g.in) && g.in[g.at] == ':':
			closed, ok := g.class(&set)
			if !ok {
				return set, negated, false
			}
			low = -1
			if !closed {
				set['['], low = true, '['
			}
		default:
			b, ok := g.escaped(c, 0)
			if !ok {
				return set, negated, false
			}
			set[b], low = true, int(b)
		}
	}
}

// escaped is the byte c after which the next skip bytes are read, or the one after it if c is a backslash.
func (g *globber) escaped(c byte, skip int) (byte, bool) {
	g.at += skip
	if c != '\\' {
		return c, true
	}
	if g.at == len(g.in) {
		return 0, false
	}
	g.at++
	return g.in[g.at-1], true
}

// class reads `:name:]`. It is not closed, and nothing is read, where the next bracket has no colon before it; then `[` stands for itself.
func (g *globber) class(set *[256]bool) (closed, ok bool) {
	end := strings.IndexByte(g.in[g.at+1:], ']')
	if end < 0 {
		return false, false
	}
	name, found := strings.CutSuffix(g.in[g.at+1:g.at+1+end], ":")
	if !found {
		return false, true
	}
	in, known := classes()[name]
	if !known {
		return false, false
	}
	for c := range set {
		set[c] = set[c] || in(byte(c))
	}
	g.at += end + 2
	return true, true
}

// classes are POSIX's names for sets of bytes, in the C locale.
func classes() map[string]func(byte) bool {
	between := func(low, high byte) func(byte) bool { return func(c byte) bool { return low <= c && c <= high } }
	either := func(sets ...func(byte) bool) func(byte) bool {
		return func(c byte) bool {
			for _, in := range sets {
				if in(c) {
					return true
				}
			}
			return false
		}
	}
	digit, lower, upper, graph := between('0', '9'), between('a', 'z'), between('A', 'Z'), between('!', '~')
	alnum := either(digit, lower, upper)
	return map[string]func(byte) bool{
		"alnum": alnum, "alpha": either(lower, upper), "digit": digit, "lower": lower, "upper": upper, "graph": graph,
		"blank":  func(c byte) bool { return c == ' ' || c == '\t' },
		"cntrl":  either(between(0, 31), between(127, 127)),
		"print":  between(' ', '~'),
		"punct":  func(c byte) bool { return graph(c) && !alnum(c) },
		"space":  either(between('\t', '\r'), between(' ', ' ')),
		"xdigit": either(digit, between('a', 'f'), between('A', 'F')),
	}
}

// latin1 makes a rune of each byte.
func latin1(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0 {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
