package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var canaries = map[string]string{
	"plain":      "canary-S3cr3t",
	"symbols":    `can"ary\ /?&=+<%>é` + "\t~",
	"multi-line": "-----BEGIN-----\ncanaryLineOne\ncanaryLineTwo\n-----END-----",
	"blanks":     "  canary with blanks  ",
	"digits":     "0123",
}

// turns are the ways a value gets into a text.
var turns = map[string]func(string) string{
	"raw":                func(v string) string { return v },
	"trimmed":            strings.TrimSpace,
	"base64":             func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v)) },
	"base64, raw":        func(v string) string { return base64.RawStdEncoding.EncodeToString([]byte(v)) },
	"base64, url":        func(v string) string { return base64.URLEncoding.EncodeToString([]byte(v)) },
	"base64, raw url":    func(v string) string { return base64.RawURLEncoding.EncodeToString([]byte(v)) },
	"base64 of the file": func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v + "\n")) },
	"hex":                func(v string) string { return hex.EncodeToString([]byte(v)) },
	"HEX":                func(v string) string { return strings.ToUpper(hex.EncodeToString([]byte(v))) },
	"query":              url.QueryEscape,
	"path":               url.PathEscape,
	"lower-case percent": func(v string) string { return percent.ReplaceAllStringFunc(url.QueryEscape(v), strings.ToLower) },
	"JSON":               func(v string) string { b, _ := json.Marshal(v); return string(b) },
	"%q":                 func(v string) string { return fmt.Sprintf("%q", v) },
	"%+q":                func(v string) string { return fmt.Sprintf("%+q", v) },
	"URL error": func(v string) string {
		return (&url.Error{Op: "Post", URL: "https://h/?t=" + url.QueryEscape(v), Err: errors.New("x")}).Error()
	},
}

func TestMaskerHidesEveryForm(t *testing.T) {
	for name, value := range canaries {
		m := NewMasker(value)
		for form, turn := range turns {
			shown := turn(value)
			got := m.Mask("before " + shown + " after")
			if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") || !strings.Contains(got, Mask) {
				t.Errorf("%s as %s: %q", name, form, got)
			}
			if strings.Contains(got, strings.TrimSpace(shown)) || strings.Contains(got, "canary") {
				t.Errorf("%s as %s is still there: %q", name, form, got)
			}
		}
	}
}

// Every form, cut in two at each byte and fed byte by byte, gives what Mask gives for the whole.
func TestMaskWriterAcrossBoundaries(t *testing.T) {
	var values []string
	for _, v := range canaries {
		values = append(values, v)
	}
	m := NewMasker(values...)
	for name, value := range canaries {
		for form, turn := range turns {
			text := "before " + turn(value) + " after"
			want := m.Mask(text)
			for cut := range len(text) {
				if got := written(t, m, text[:cut], text[cut:]); got != want {
					t.Fatalf("%s as %s, cut at %d: %q, want %q", name, form, cut, got, want)
				}
			}
			if got := written(t, m, strings.Split(text, "")...); got != want {
				t.Errorf("%s as %s, by characters: %q, want %q", name, form, got, want)
			}
		}
	}
}

func written(t *testing.T, m *Masker, parts ...string) string {
	var out bytes.Buffer
	w := m.Writer(&out)
	for _, p := range parts {
		if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatalf("Flush: %v", err)
	}
	return out.String()
}

// Any values over a small alphabet, so that they overlap, against any text in any pieces.
func TestMaskWriterProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		word := rapid.StringMatching(`[ab\n]{0,7}`)
		values := rapid.SliceOfN(word, 0, 4).Draw(rt, "values")
		parts := rapid.SliceOfN(word, 0, 12).Draw(rt, "parts")
		m := NewMasker(values...)
		text := strings.Join(parts, "")
		want := m.Mask(text)
		if got := written(t, m, parts...); got != want {
			rt.Fatalf("%q masked %q, in pieces %q", text, want, got)
		}
		for _, v := range values {
			if len(v) >= minMasked && strings.Contains(want, v) {
				rt.Fatalf("%q is in %q", v, want)
			}
		}
	})
}

func TestMask(t *testing.T) {
	tests := map[string]struct {
		values     []string
		text, want string
	}{
		"nothing known":         {nil, "text", "text"},
		"short values are left": {[]string{"abc"}, "abc YWJj", "abc YWJj"},
		"longest wins":          {[]string{"secret", "secret-long"}, "secret-long secret", "*** ***"},
		"overlapping":           {[]string{"abcdef", "defghi"}, "<abcdefghi>", "<***>"},
		"side by side":          {[]string{"abcd"}, "abcdabcd", "******"},
		"beginning only":        {[]string{"abcdef"}, "abcde", "abcde"},
		"inside a word":         {[]string{"abcd"}, "xabcdx", "x***x"},
	}
	for name, tc := range tests {
		if got := NewMasker(tc.values...).Mask(tc.text); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestMaskWriterHoldsBackOnlyWhatMayBeAValue(t *testing.T) {
	var out bytes.Buffer
	w := NewMasker("secret").Writer(&out)
	_, _ = w.Write([]byte("progress 5 %"))
	if got := out.String(); got != "progress 5 %" {
		t.Errorf("%q", got)
	}
	_, _ = w.Write([]byte(" sec"))
	if got := out.String(); got != "progress 5 % " {
		t.Errorf("%q", got)
	}
	_, _ = w.Write([]byte("ond"))
	if got := out.String(); got != "progress 5 % second" {
		t.Errorf("%q", got)
	}
}

func TestMaskerLearnsWhileWriting(t *testing.T) {
	var out bytes.Buffer
	m := NewMasker()
	w := m.Writer(&out)
	_, _ = w.Write([]byte("secret "))
	m.Add("secret")
	_, _ = w.Write([]byte("secret"))
	if got := out.String(); got != "secret ***" {
		t.Errorf("%q", got)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestMaskWriterTellsErrors(t *testing.T) {
	if _, err := NewMasker("secret").Writer(broken{}).Write([]byte("x")); err == nil {
		t.Error("no error")
	}
}

func BenchmarkMask(b *testing.B) {
	m := NewMasker("canary-S3cr3t", strings.Repeat("k", 64), "0.11111111-1111-4111-8111-111111111111.vector:AAEC==")
	text := strings.Repeat("2024-05-01T12:00:00Z pvs: listed 500 of 20000 persistentvolumes\n", 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		m.Mask(text)
	}
}
