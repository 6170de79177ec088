package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"plan/schema"
)

func TestParseRefusesCharacters(t *testing.T) {
	cases := map[string]struct{ in, want string }{
		"NUL":                   {"a: b\x00c\n", "f:1:5: the control character U+0000 is not allowed; remove it"},
		"escape":                {"a: b\n# \x1b[31m\n", "f:2:3: the control character U+001B is not allowed; remove it"},
		"bidi in a comment":     {"a: b # \u202e\n", "f:1:8: the character U+202E changes the direction of text and hides what is written; remove it"},
		"bidi after multi-byte": {"a: äö\u2066\n", "f:1:6: the character U+2066 changes the direction of text and hides what is written; remove it"},
		"not UTF-8":             {"a: b\nc: ä\xff\n", "f:2:5: the byte 0xFF is not UTF-8; save the file as UTF-8"},
		"UTF-16":                {"\xff\xfea\x00", "f:1:1: the byte 0xFF is not UTF-8; save the file as UTF-8"},
		"lone return":           {"a: b\rc: d\n", "f:1:5: a carriage return without a line feed; end lines with a line feed"},
		"next line":             {"a: b\u0085c\n", "f:1:5: the character U+0085 ends a line to some YAML readers and not to others; remove it"},
		"line separator":        {"a: b\u2028c\n", "f:1:5: the character U+2028 ends a line to some YAML readers and not to others; remove it"},
		"mark inside":           {"a: \ufeffb\n", "f:1:4: a byte order mark (U+FEFF) inside the file; remove it"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, problems := schema.Parse("f", []byte(tc.in))
			if len(problems) == 0 || problems[0].Headline() != tc.want {
				t.Errorf("got %v, want %s", problems, tc.want)
			}
			if strings.ContainsAny(problems.Error(), "\x00\x1b\r\u202e\u2066") {
				t.Errorf("the message itself holds the character: %q", problems.Error())
			}
		})
	}
}

func TestParseTakes(t *testing.T) {
	cases := map[string]string{
		"CRLF":                 "a: b\r\nc:\r\n  - d\r\n",
		"mark at the start":    "\ufeffa: b\n",
		"tabs after text":      "a:\tb\t# c\n",
		"a document's marks":   "---\na: b\n...\n",
		"quoted words":         "'yes': \"no\"\nb: 'on'\n",
		"true in three cases":  "a: [true, True, TRUE, false, null, ~]\n",
		"a hundred thousandth": "a: 1.00001\n",
		"no final newline":     "a: b",
	}
	for name, in := range cases {
		if _, problems := schema.Parse("f", []byte(in)); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

func TestCRLFDoesNotMoveTheCaret(t *testing.T) {
	_, problems := schema.Parse("f", []byte("a: b\r\nc:   yes\r\n"))
	want := "f:2:6: c: yes is a boolean to some YAML readers and a string to others; write true or false, or quote it\n  c:   yes\n       ^"
	if problems.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", problems, want)
	}
}

func TestParseBounds(t *testing.T) {
	cases := map[string]struct{ in, want string }{
		"a million lines": {strings.Repeat("a: b\n", 1000000)[:schema.MaxSize+1], "f: the file is larger than 1 MiB; split it into several plans"},
		"a long list":     {"a: [" + strings.Repeat("1,", 10001) + "]", "f:1:4: a: more than 10000 entries"},
		"a long mapping":  {longMapping(10001), "f:1:1: more than 10000 entries"},
		"deep":            {"a: " + strings.Repeat("[", 20000), "f:1:1: not YAML: exceeded max depth of 10000"},
		"wide nesting":    {"a: " + strings.Repeat("{b: ", 70) + "1" + strings.Repeat("}", 70), "nested more than 64 levels deep"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, problems := schema.Parse("f", []byte(tc.in))
			if len(problems) != 1 || !strings.Contains(problems[0].Headline(), tc.want) {
				t.Errorf("got %.300v, want %s", problems, tc.want)
			}
		})
	}
}

func longMapping(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

func TestManyProblemsArePrintedShort(t *testing.T) {
	_, problems := schema.Parse("f", []byte("a:\n"+strings.Repeat("  - yes\n", 2000)))
	text := problems.Error()
	if lines := strings.Count(text, "\n"); len(problems) < 100 || lines > 200 || !strings.Contains(text, "… and ") {
		t.Errorf("%d problems, %d lines", len(problems), lines)
	}
}

func TestSuggest(t *testing.T) {
	names := []string{"keep", "needs", "continueOnError", "backup-pvs", "integer", "b"}
	cases := map[string]string{"kep": "keep", "nedes": "needs", "continue-on-error": "continueOnError", "backup_pvs": "backup-pvs", "int": "integer", "zzz": "", "a": "", "": "",
		strings.Repeat("k", 100): ""}
	for word, want := range cases {
		if got := schema.Suggest(word, names); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", word, got, want)
		}
	}
}

// FuzzParse: whatever the bytes, Parse neither panics nor prints what a terminal would obey, and every place it names is in the file.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "a: b\n", "a: [1, {b: c}]\n", "a: &x b\nc: *x\n", "a: |\n  b\n c\n", "? [a]\n: b\n", "%YAML 1.1\n---\na: b\n", "a: \"\\u202e\"\n",
		"if: !a() && b\n", "a: {b: ${{ c }}}\n", "---\n---\n", "a: 'b\n", "\t", "a: !!binary x\n", "<<: {}\n", "a: b: c", "#\n#\n", "- - - -\n", "a: >2\n   b\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, problems := schema.Parse("f", data)
		if (doc == nil) == (len(problems) == 0) {
			t.Fatalf("document %v, problems %v", doc, problems)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines || p.Line > 0 && p.Col < 1 {
				t.Fatalf("a problem at %d:%d of %d lines", p.Line, p.Col, lines)
			}
		}
		if strings.ContainsFunc(problems.Error(), func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }) {
			t.Fatalf("the message has control characters: %q", problems.Error())
		}
		if doc != nil {
			schema.Value(doc.Root)
		}
	})
}
