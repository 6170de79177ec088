package source

import (
	"strings"
	"testing"
)

// Whatever an ignore file holds, it is read and matched without a panic, and what its lines say does not depend on how they end.
func FuzzIgnoreFile(f *testing.F) {
	f.Add("*.o\n!/a/**/b\r\n", "a/x/b")
	f.Add("[[:alpha:]-z\\]\n\\#\n", "]")
	f.Add("a**b/**/c**\n!**/x/\n[!]a-]?\\", "x/y")
	f.Add("\xef\xbb\xbf#\n\x00 \\ \n[[:x:]]", "\xff")
	f.Fuzz(func(t *testing.T, text, name string) {
		name = strings.Trim(name, "/")
		if name == "" || strings.Contains(name, "//") {
			return
		}
		unix, err := parseIgnore(gitIgnore, []byte(text))
		dos, other := parseIgnore(gitIgnore, []byte(strings.ReplaceAll(strings.ReplaceAll(text, "\r", ""), "\n", "\r\n")))
		if err != nil {
			return
		}
		for _, p := range unix.list {
			if !p.plain && !p.isTail && p.re == nil && p.match(name, true) {
				t.Errorf("%q has no end and matches", p.text)
			}
			p.reaches(name, true)
			if p.reaches(name, true) && !p.reaches(name, false) {
				t.Errorf("%q leads below %q only if it is spelled", p.text, name)
			}
		}
		if strings.Contains(text, "\r") || other != nil {
			return
		}
		one, another := unix.last(name, true), dos.last(name, true)
		if (one == nil) != (another == nil) || one != nil && one.text != another.text {
			t.Errorf("%q: %+v with LF, %+v with CR LF", name, one, another)
		}
	})
}
