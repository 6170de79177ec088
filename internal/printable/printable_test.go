package printable

import "testing"

func TestString(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"plain text stays":              {"pv-backups/home: “ok” 日本", "pv-backups/home: “ok” 日本"},
		"escape sequences are shown":    {"a\x1b[2Jb", `a\x1b[2Jb`},
		"a new line cannot be forged":   {"a\n::error::b\r", `a\n::error::b\r`},
		"bidi overrides are shown":      {"a\u202eb", `a\u202eb`},
		"C1 controls are shown":         {"a\u009bb", `a\u009bb`},
		"bytes that are not UTF-8":      {"a\xffb", `a\xffb`},
		"quotes are left as they stand": {"a \"b\"\x00", `a "b"\x00`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := String(tc.in); got != tc.want {
				t.Errorf("String(%q) = %s, want %s", tc.in, got, tc.want)
			}
		})
	}
}
