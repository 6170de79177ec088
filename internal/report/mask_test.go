package report_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"plan/internal/report"
)

// What is hidden in JSON is hidden however it is written there, and leaves JSON.
func TestMaskedIsJSONStill(t *testing.T) {
	for name, tc := range map[string]struct{ secret, in, want string }{
		"in a string":          {"vault-77", `{"key": "vault-77/x", "n": 1}`, `{"key": "***/x", "n": 1}`},
		"in a key":             {"vault-77", `{"vault-77": true}`, `{"***": true}`},
		"quoted in it":         {`a"b\c`, `{"k": "a\"b\\c"}`, `{"k": "***"}`},
		"escaped in it":        {"käse", `["k\u00e4se"]`, `["***"]`},
		"a number":             {"2048", `{"size": 2048, "more": [12048.5e3]}`, `{"size": "***", "more": ["1***.5e3"]}`},
		"a word of JSON":       {"true", `{"a": true, "b": "true"}`, `{"a": true, "b": "***"}`},
		"behind an escape":     {"n123", `{"a": "\n123"}`, `{"a": "\n123"}`},
		"JSON's own signs":     {`", "`, `["a", "b"]`, `["a", "b"]`},
		"beside what is shown": {"vault-77", `["é\u202e vault-77"]`, `["é\u202e ***"]`},
		"nothing":              {"vault-77", "{}\n", "{}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			w := report.Masked(&out, func(s string) string { return strings.ReplaceAll(s, tc.secret, "***") })
			if n, err := w.Write([]byte(tc.in)); n != len(tc.in) || err != nil {
				t.Fatal(n, err)
			}
			if out.String() != tc.want || !json.Valid(out.Bytes()) {
				t.Errorf("%s, want %s", out.String(), tc.want)
			}
		})
	}
}

func FuzzMaskedIsJSONStill(f *testing.F) {
	f.Add(`{"a": [1, "x\u0041y", true]}`, "Ay")
	f.Fuzz(func(t *testing.T, document, secret string) {
		if !json.Valid([]byte(document)) || len(secret) < 4 || strings.Contains("***", secret) {
			return // not what it is for
		}
		var out bytes.Buffer
		w := report.Masked(&out, func(s string) string { return strings.ReplaceAll(s, secret, "***") })
		if _, err := w.Write([]byte(document)); err != nil || !json.Valid(out.Bytes()) {
			t.Errorf("%q became %q: %v", document, out.String(), err)
		}
	})
}
