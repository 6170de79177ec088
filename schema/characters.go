package schema

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// isBidi tells whether a character changes the direction of the text around it, so that people read something else than machines.
func isBidi(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c
}

// checkCharacters finds what must not stand anywhere in a file, comments included: a reader would not see it.
func (d *Document) checkCharacters(data []byte) (ps Problems) {
	line, col, from := 1, 1, 0 // col is that of data[from]
	for i := 0; i < len(data); {
		c := data[i]
		if c == '\n' {
			line, col, from = line+1, 1, i+1
		}
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\t' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		if message := forbidden(r, size, data[i:]); message != "" {
			col, from = col+utf8.RuneCount(data[from:i]), i
			if ps = append(ps, d.at(Pos{line, col}, Problem{Message: message})); len(ps) == MaxProblems {
				return append(ps, d.Rest())
			}
		}
		i += size
	}
	return ps
}

// forbidden says what is wrong with the character that rest begins with, or "".
func forbidden(r rune, size int, rest []byte) string {
	switch {
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf("the byte 0x%02X is not UTF-8; save the file as UTF-8", rest[0])
	case isBidi(r):
		return fmt.Sprintf("the character U+%04X changes the direction of text and hides what is written; remove it", r)
	case r == '\r' && !bytes.HasPrefix(rest, []byte("\r\n")):
		return "a carriage return without a line feed; end lines with a line feed"
	case r == 0x85, r == 0x2028, r == 0x2029:
		return fmt.Sprintf("the character U+%04X ends a line to some YAML readers and not to others; remove it", r)
	case r == 0xfeff:
		return "a byte order mark (U+FEFF) inside the file; remove it"
	case r < ' ' && r != '\n' && r != '\t' && r != '\r' || r >= 0x7f && r < 0xa0:
		return fmt.Sprintf("the control character U+%04X is not allowed; remove it", r)
	}
	return ""
}
