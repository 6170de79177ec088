package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/engine"
)

const header = "apiVersion: plan/v1\nkind: Plan\nmetadata: {name: x}\nspec:\n"

// load loads a plan that must be sound. spec is what stands below spec.
func load(t testing.TB, spec string, o engine.LoadOptions) *engine.Plan {
	t.Helper()
	p, err := language(t).Load(engine.Source{File: "plan.yaml", Dir: "/plans", Data: []byte(header + spec)}, o)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return p
}

func TestNeeds(t *testing.T) {
	p := load(t, `  steps:
    - {id: a, uses: work}
    - {id: b, uses: work}
    - {id: c, uses: work, needs: []}
    - {id: d, uses: work, needs: [a, c]}
    - {id: e, uses: work}
  finally:
    - {id: f, uses: work}
    - {id: g, uses: work}
    - {id: h, uses: work, needs: [f]}
`, engine.LoadOptions{})
	want := map[string][]string{"a": nil, "b": {"a"}, "c": nil, "d": {"a", "c"}, "e": {"d"}, "f": nil, "g": {"f"}, "h": {"f"}}
	for _, s := range slices.Concat(p.Steps, p.Finally) {
		if !slices.Equal(s.Needs, want[s.ID]) {
			t.Errorf("%s needs %v, want %v", s.ID, s.Needs, want[s.ID])
		}
	}
	if p.Steps[3].Pos.Line != 9 || p.Dir != "/plans" || len(p.Finally) != 3 {
		t.Errorf("position %v, dir %s, %d steps of finally", p.Steps[3].Pos, p.Dir, len(p.Finally))
	}
}

func TestConditions(t *testing.T) {
	ok, failed, cancelled := engine.Vars{Success: true}, engine.Vars{Failure: true}, engine.Vars{Cancelled: true}
	cases := map[string]struct {
		condition                         string
		final                             bool
		inSuccess, inFailure, inCancelled bool
		never                             bool
		reason                            string
	}{
		"bare":              {"params.keep > 1", false, true, false, false, false, "a bare condition is joined to success()"},
		"bare false":        {"params.keep > 99", false, false, false, false, true, "parameters alone decide"},
		"bare in finally":   {"params.keep > 1", true, true, true, true, false, "there the default is always()"},
		"always":            {"always()", false, true, true, true, false, ""},
		"failure":           {"failure()", false, false, true, false, false, "a status function replaces the default"},
		"failure and more":  {"failure() && params.keep > 1", false, false, true, false, false, ""},
		"not cancelled":     {"'!cancelled()'", false, true, true, false, false, ""},
		"success":           {"success()", false, true, false, false, false, ""},
		"success, finally":  {"success()", true, true, false, false, false, ""},
		"boolean":           {"true", false, true, false, false, false, "a YAML boolean is an expression"},
		"boolean false":     {"False", false, false, false, false, true, ""},
		"never by status":   {"failure() && false", false, false, false, false, false, "a status function keeps it open"},
		"inside a function": {"'[1, 2].exists(x, x == 2 && failure())'", false, false, true, false, false, "status functions are found everywhere"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			list := "steps"
			if tc.final {
				list = "finally"
			}
			spec := "  params: {keep: {type: integer, default: 3}}\n"
			if tc.final {
				spec += "  steps: [{id: a, uses: work}]\n"
			}
			p := load(t, fmt.Sprintf("%s  %s:\n    - id: b\n      uses: work\n      if: %s\n", spec, list, tc.condition), engine.LoadOptions{})
			step := slices.Concat(p.Finally, p.Steps)[0]
			var got [3]bool
			for i, vars := range []engine.Vars{ok, failed, cancelled} {
				var err error
				if got[i], err = step.If(&vars); err != nil {
					t.Fatal(err)
				}
			}
			if want := [3]bool{tc.inSuccess, tc.inFailure, tc.inCancelled}; got != want || step.Never != tc.never {
				t.Errorf("got %v (never %t), want %v (%t): %s", got, step.Never, want, tc.never, tc.reason)
			}
		})
	}
	if p := load(t, "  steps: [{id: a, uses: work}]\n", engine.LoadOptions{}); p.Steps[0].If != nil {
		t.Error("a step without if has the default condition, which is nil")
	}
}

func TestInputs(t *testing.T) {
	vars := &engine.Vars{Success: true, Run: engine.RunVars{ID: "r1", Name: "x", Outcome: engine.RunFailed, ExitCode: 3},
		Steps: map[string]engine.StepVars{
			"pvs": {Outcome: engine.Succeeded, Verdict: "pass", Outputs: map[string]any{
				"key": "a/b", "size": int64(5), "ok": true, "age": 36 * time.Hour, "pruned": []any{"k1", "k2"}}},
			"failed": {Outcome: engine.Failed},
		}}
	cases := map[string]struct {
		field, expr string
		want        any
	}{
		"whole integer":      {"count", "${{ steps.pvs.outputs.size + 1 }}", int64(6)},
		"whole boolean":      {"flag", "${{ !steps.pvs.outputs.ok }}", false},
		"whole list":         {"labels", "${{ steps.pvs.outputs.pruned }}", []any{"k1", "k2"}},
		"list and more":      {"labels", "${{ steps.pvs.outputs.pruned + ['x'] + params.list.map(i, string(i + 1)) }}", []any{"k1", "k2", "x", "2", "3"}},
		"list of durations":  {"any", "${{ [params.age, duration('1h')] }}", []any{"1d12h", "1h"}},
		"map":                {"any", "${{ {'a': [1, 2.5], 'b': {'c': null}} }}", map[string]any{"a": []any{int64(1), 2.5}, "b": map[string]any{"c": nil}}},
		"split":              {"any", "${{ steps.pvs.outputs.key.split('/') }}", []any{"a", "b"}},
		"element":            {"prefix", "${{ string(steps.pvs.outputs.pruned[0]) }}", "k1"},
		"whole null":         {"any", "${{ null }}", nil},
		"number":             {"ratio", "${{ params.ratio * 2.0 }}", 5.0},
		"mixed numbers":      {"flag", "${{ params.ratio > 2 }}", true},
		"text":               {"prefix", "a${{ steps.pvs.outputs.size }}-${{ run.exitCode }}/${{ params.age }}:${{ params.ratio }}${{ true }}", "a5-3/1d12h:2.5true"},
		"duration out":       {"minAge", "${{ params.age }}", "1d12h"},
		"duration output":    {"minAge", "${{ steps.pvs.outputs.age }}", "1d12h"},
		"duration compared":  {"flag", "${{ params.age > duration('24h') }}", true},
		"run":                {"prefix", "${{ run.name + run.id + run.outcome }}", "xr1failed"},
		"outcome, verdict":   {"prefix", "${{ steps.pvs.outcome }}/${{ steps.pvs.verdict }}", "succeeded/pass"},
		"guarded":            {"prefix", "${{ steps.failed.outputs.?key.orValue('none') }}", "none"},
		"guarded by index":   {"prefix", "${{ steps['failed'].outputs[?'key'].orValue('none') }}", "none"},
		"guarded by has":     {"prefix", "${{ has(steps.failed.outputs.key) ? steps.failed.outputs.key : 'none' }}", "none"},
		"guard with a value": {"prefix", "${{ steps.pvs.outputs.?key.orValue('none') }}", "a/b"},
		"literal index":      {"prefix", "${{ steps['pvs'].outputs['key'] }}${{ params['name'] }}${{ env['HOME'] }}", "a/bn/root"},
		"env":                {"prefix", "${{ env.HOME }}${{ env.?UNSET.orValue('-') }}", "/root-"},
		"braces and quotes":  {"prefix", "${{ {'a}}': '}}'}['a}}'] }}${{ '${{' }}", "}}${{"},
		"one pass":           {"prefix", "${{ '${{ ' + 'run.id }}' }}", "${{ run.id }}"},
		"lines":              {"prefix", "${{ run.id\n  + run.name }}", "r1x"},
		"strings":            {"prefix", "${{ run.name.upperAscii() }}", "X"},
		"nothing given":      {"prefix", "${{ params.?unset.orValue('d') }}", "d"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := load(t, fmt.Sprintf(`  env: [HOME, UNSET]
  params: {age: {type: duration, default: 1d12h}, ratio: {type: number, default: 2.5}, list: {type: list, default: [1, 2]}, name: {type: string, default: "n"}, unset: {type: string}}
  steps:
    - {id: pvs, uses: work}
    - {id: failed, uses: work}
    - {id: b, uses: work, with: {%s: %q}}
`, tc.field, tc.expr), engine.LoadOptions{Getenv: func(name string) (string, bool) { return "/root", name == "HOME" }})
			in, err := p.Steps[2].Inputs(vars)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, in.With[tc.field]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInputsRefuse(t *testing.T) {
	vars := &engine.Vars{Steps: map[string]engine.StepVars{"pvs": {Outcome: engine.Failed}}}
	cases := map[string]struct{ step, want string }{
		"an output of a failed step": {`with: {prefix: "${{ steps.pvs.outputs.key }}"}`, "step pvs is failed and has no outputs; guard it"},
		"an absent optional":         {`with: {prefix: "${{ steps.pvs.outputs.?key }}"}`, "absent; add .orValue"},
		"a duration that is none":    {`timeout: "${{ steps.pvs.outcome }}"`, `"failed" is not a duration`},
		"no time at all":             {`deadline: "${{ string(run.exitCode) }}s"`, "must be longer than nothing"},
		"a cost without end": {`with: {flag: "${{ [run.id, '', '', '', '', '', '', '', '', ''].map(a, [a,a,a,a,a,a,a,a,a,a]).all(x, x.all(y, ` +
			`x.all(z, x.all(w, x.all(v, x.all(u, size(u) >= 0)))))) }}"}`, "costs too much"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := load(t, "  steps:\n    - {id: pvs, uses: work}\n    - id: b\n      uses: work\n      "+tc.step+"\n", engine.LoadOptions{})
			_, err := p.Steps[1].Inputs(vars)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
