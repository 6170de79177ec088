// Package printable makes text from outside safe to print: names, keys, messages and logs that somebody else wrote.
package printable

import (
	"strconv"
	"strings"
	"unicode"
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
