package printable

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"plain text stays":                {"a\tb: “ok” 日本 é", "a\tb: “ok” 日本 é"},
		"backslashes stay":                {`C:\temp` + "\x1b[0m", `C:\temp\x1b[0m`},
		"colours are shown":               {"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		"titles are shown":                {"\x1b]0;owned\a", `\x1b]0;owned\a`},
		"links are shown":                 {"\x1b]8;;http://x\x1b\\y", `\x1b]8;;http://x\x1b\y`},
		"8-bit CSI is shown":              {"\u009b2J\u009d", `\u009b2J\u009d`},
		"8-bit CSI as a byte is shown":    {"\x9b2J", `\x9b2J`},
		"progress bars do not go back":    {"10%\r20%\b\b", `10%\r20%\b\b`},
		"bidi is shown":                   {"a\u202eb\u2066c\u200f", `a\u202eb\u2066c\u200f`},
		"what cannot be seen is shown":    {"a\u200bb\ufeff\u2028\x00\x7f", `a\u200bb\ufeff\u2028\x00\x7f`},
		"a replacement character stays":   {"a\ufffdb", "a\ufffdb"},
		"half a rune is shown":            {"a\xe6\x97", `a\xe6\x97`},
		"a surrogate is shown":            {"\xed\xa0\x80", `\xed\xa0\x80`},
		"GitHub, version 1":               {"x ##[error]no", `x #\x23[error]no`},
		"Azure":                           {"x ##vso[task.setvariable variable=a]b", `x #\x23vso[task.setvariable variable=a]b`},
		"TeamCity":                        {"##teamcity[buildStop]", `#\x23teamcity[buildStop]`},
		"three signs":                     {"###[error]", `##\x23[error]`},
		"signs without a command stay":    {"## Title [1] ##", "## Title [1] ##"},
		"a command does not come by half": {"##\x00[error]", `##\x00[error]`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Line(tc.in); got != tc.want {
				t.Errorf("Line(%q) = %s, want %s", tc.in, got, tc.want)
			}
		})
	}
}

// FuzzLine: whatever comes out is visible UTF-8 on one line, holds no command, stays as it is when it is escaped again, and is what came in
// if that was all this.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "plain", "a\tb", "\x1b[2J\x1b]0;t\a", "10%\r20%", "::error::x", "##[error]x", "##vso[x]", "###[", "\u202e", "\x9b", "\xff##[", "a\u2028b", "\ufffd"} {
		f.Add(s)
	}
	commands := regexp.MustCompile(`##[A-Za-z]*\[`)
	good := func(s string) bool {
		hidden := func(r rune) bool { return r != '\t' && !unicode.IsGraphic(r) }
		return utf8.ValidString(s) && !strings.ContainsFunc(s, hidden) && !commands.MatchString(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Line(s)
		if !good(got) {
			t.Fatalf("Line(%q) = %q", s, got)
		}
		if good(s) && got != s {
			t.Fatalf("%q became %q without need", s, got)
		}
		if again := Line(got); again != got {
			t.Fatalf("%q, and escaped again %q", got, again)
		}
		if len(got) > 10*len(s) {
			t.Fatalf("%d bytes became %d", len(s), len(got))
		}
	})
}
