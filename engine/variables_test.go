package engine_test

import (
	"testing"

	"plan/engine"
)

const overridable = header + `  params: {keep: {type: integer, default: 3}}
  stores: {main: {dir: {path: ./b}}}
  steps:
    - {id: a, uses: work, with: {store: main, count: 1}}
    - {id: b-c, uses: quiet}
`

// FuzzVariables: whatever a variable is called and says, loading neither panics nor takes one that fits nothing without a word.
func FuzzVariables(f *testing.F) {
	for _, s := range [][2]string{
		{"PLAN_STEP__A__COUNT", "7"}, {"PLAN_STEP__A__KEEP__LAST", "x"}, {"PLAN_PARAM__KEEP", "4"}, {"PLAN_STORE__MAIN__DIR__PATH", "/x"}, {"PLAN_STORE__NEW__DIR__PATH", "/x"},
		{"PLAN_STORE__", ""}, {"PLAN_STORE____", ""}, {"PLAN_CLUSTER__NAME", "home"}, {"PLAN_DEFAULTS__RETRY__ATTEMPTS", "-1"}, {"PLAN_KIND__WORK__LABELS", `["a"]`}, {"PLAN_STEP__B_C__TIMEOUT", "5m"},
		{"PLAN_STEP__A__ANY", `{"a": 1}`}, {"PLAN_STEP__\x00", "\xff"}, {"PLAN___", "${{ 1 }}"}, {"PLAN_STORE__ä__DIR__PATH", "x"},
	} {
		f.Add(s[0], s[1])
	}
	lang := language(f)
	f.Fuzz(func(t *testing.T, name, value string) {
		p, err := lang.Load(engine.Source{File: "p", Data: []byte(overridable)}, engine.LoadOptions{Variables: map[string]string{name: value}})
		if err != nil {
			return
		}
		for _, o := range p.Overrides {
			if o.Origin == name {
				return
			}
		}
		if name != "PLAN_PARAM__KEEP" {
			t.Fatalf("%q = %q was taken without a word", name, value)
		}
	})
}
