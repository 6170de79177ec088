// Package printable makes text from outside safe to print: names, keys, messages and logs that somebody else wrote.
package printable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// String is s where every rune that is not visible is escaped as Go does, so that it cannot steer a terminal, forge a line or hide
// what is written.
func String(s string) string {
	if !strings.ContainsFunc(s, Hidden) {
		return s
	}
	quoted := strconv.QuoteToGraphic(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// Hidden is true for control characters, format characters (bidi overrides among them) and bytes that are not UTF-8.
func Hidden(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsGraphic(r) }

// Line is String for a line of a log, of which it leaves more as it is: tabs, and every backslash. Nowhere in it does a command begin for
// one of the CI systems that look for `##[error]`, `##vso[…]` and their like in the middle of lines too.
func Line(s string) string {
	plain := strings.IndexFunc(s, special)
	if plain < 0 {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:plain])
	for rest := s[plain:]; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, rest[0])
		case r == '#' && strings.HasSuffix(b.String(), "#") && command(rest[1:]):
			b.WriteString(`\x23`)
		case r == '\t' || unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToGraphic(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		rest = rest[size:]
	}
	return b.String()
}

// special is true for runes that Line looks at more closely.
func special(r rune) bool { return r != '\t' && (r < ' ' || r > '~' || r == '#') }

// command tells whether s goes on as a command does after ##.
func command(s string) bool {
	return strings.HasPrefix(strings.TrimLeft(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"), "[")
}
