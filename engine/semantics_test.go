package engine_test

import (
	"errors"
	"fmt"
	"maps"
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

func TestLimitsAndRetry(t *testing.T) {
	p := load(t, `  timeout: 3h
  finallyTimeout: 2m
  maxParallel: 3
  failFast: true
  defaults: {timeout: 7m, deadline: 1h, retry: {attempts: 4, delay: 1s, when: [timeout]}}
  params: {t: {type: duration, default: 90s}}
  steps:
    - {id: a, uses: work}
    - {id: b, uses: work, timeout: 1m, deadline: 2m, retry: {attempts: 1, backoff: 1.5, maxDelay: 0s, when: [failure, transient]}}
    - {id: c, uses: work, timeout: "${{ params.t }}", deadline: "${{ 2 * 3 }}m", continueOnError: true, name: C}
`, engine.LoadOptions{})
	if p.Timeout != 3*time.Hour || p.FinallyTimeout != 2*time.Minute || p.MaxParallel != 3 || !p.FailFast {
		t.Errorf("%+v", p)
	}
	want := []engine.Inputs{{Timeout: 7 * time.Minute, Deadline: time.Hour}, {Timeout: time.Minute, Deadline: 2 * time.Minute}, {Timeout: 90 * time.Second, Deadline: 6 * time.Minute}}
	for i, s := range p.Steps {
		in, err := s.Inputs(&engine.Vars{})
		if err != nil || in.Timeout != want[i].Timeout || in.Deadline != want[i].Deadline {
			t.Errorf("%s: %+v, %v", s.ID, in, err)
		}
	}
	retries := map[string]engine.Retry{
		"a": {Attempts: 4, Delay: time.Second, Backoff: 2, MaxDelay: time.Minute, When: []engine.RetryWhen{"timeout"}},
		"b": {Attempts: 1, Delay: time.Second, Backoff: 1.5, MaxDelay: 0, When: []engine.RetryWhen{"failure", "transient"}},
	}
	for _, s := range p.Steps[:2] {
		if diff := cmp.Diff(retries[s.ID], s.Retry); diff != "" {
			t.Errorf("%s: %s", s.ID, diff)
		}
	}
	if c := p.Steps[2]; !c.ContinueOnError || c.Name != "C" {
		t.Errorf("%+v", c)
	}
	p = load(t, "  steps: [{id: a, uses: work}, {id: b, uses: notify, with: {url: {from: {env: A}}}}]\n", engine.LoadOptions{})
	in, _ := p.Steps[0].Inputs(&engine.Vars{})
	if p.Timeout != 24*time.Hour || p.FinallyTimeout != time.Minute || p.MaxParallel != 8 || in.Timeout != 10*time.Minute || in.Deadline != 0 {
		t.Errorf("defaults: %+v %+v", p, in)
	}
	if p.Steps[0].Retry.Attempts != 3 || p.Steps[1].Retry.Attempts != 5 {
		t.Error("a kind has its own number of attempts, else 3")
	}
}

func TestStores(t *testing.T) {
	two := "  stores: {main: {dir: {path: a}}, other: {dir: {path: b}}}\n"
	cases := map[string]struct{ spec, with, want string }{
		"none":            {"", "", ""},
		"the only one":    {"  stores: {main: {dir: {path: a}}}\n", "", "main"},
		"the default":     {two + "  defaults: {store: other}\n", "", "other"},
		"its own":         {two + "  defaults: {store: other}\n", ", with: {store: main}", "main"},
		"from parameters": {two + "  params: {s: {type: string, default: other}}\n", `, with: {store: "${{ params.s }}"}`, "other"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := load(t, tc.spec+"  steps: [{id: a, uses: work"+tc.with+"}, {id: q, uses: quiet}]\n", engine.LoadOptions{})
			in, err := p.Steps[0].Inputs(&engine.Vars{})
			if err != nil || p.Steps[0].Store != tc.want || !p.Steps[0].UsesStore {
				t.Errorf("store %q, %v", p.Steps[0].Store, err)
			}
			if got, _ := in.With["store"].(string); got != tc.want {
				t.Errorf("with.store is %q", got)
			}
			if q := p.Steps[1]; q.UsesStore || q.Store != "" {
				t.Error("a kind without store has none")
			}
		})
	}
}

func TestCheckSeesWhatIsKnown(t *testing.T) {
	seen := map[string]map[string]any{}
	o := engine.LoadOptions{Set: map[string]string{"keep": "7"}, Check: func(s *engine.Step, with map[string]any) []engine.Fault {
		seen[s.ID] = maps.Clone(with)
		return nil
	}}
	spec := `  params: {keep: {type: integer, default: 3}}
  stores: {m: {dir: {path: "${{ params.keep }}-x"}}}
  steps:
    - {id: a, uses: work}
    - {id: b, uses: work, with: {prefix: "${{ steps.a.outputs.key }}", count: "${{ params.keep }}", keep: {last: "${{ params.keep + 1 }}", daily: "${{ steps.a.outputs.size }}"}, labels: ["${{ run.id }}"]}}
`
	p := load(t, spec, o)
	want := map[string]map[string]any{"a": {"store": "m"}, "b": {"store": "m", "count": int64(7), "keep": map[string]any{"last": int64(8)}}}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"m": map[string]any{"dir": map[string]any{"path": "7-x"}}}, p.Stores); diff != "" {
		t.Error(diff)
	}
	o.Check = func(s *engine.Step, _ map[string]any) []engine.Fault {
		return []engine.Fault{{Path: "keep.last", Message: "too few"}}
	}
	_, err := language(t).Load(engine.Source{File: "p", Data: []byte(header + spec)}, o)
	if problems, ok := engine.AsProblems(err); !ok || len(problems) != 2 || problems[1].Path != "spec.steps[1].with.keep.last" || problems[1].Col != 114 {
		t.Errorf("%v", err)
	}
}

func TestOverrides(t *testing.T) {
	spec := "  cluster: {context: home}\n  steps: [{id: a, uses: work, with: {prefix: old}}, {id: b, uses: work}]\n"
	apply := func(overrides ...engine.Override) (*engine.Plan, error) {
		return language(t).Load(engine.Source{File: "p.yaml", Data: []byte(header + spec)}, engine.LoadOptions{
			Overrides: func(file map[string]any) ([]engine.Override, error) {
				if file["kind"] != "Plan" {
					t.Error("the file's values are not handed over")
				}
				return overrides, nil
			}})
	}
	p, err := apply(
		engine.Override{Path: []string{"spec", "cluster", "context"}, Value: "lab", Origin: "--context", Shown: "lab"},
		engine.Override{Path: []string{"spec", "cluster", "namespace"}, Value: "ns", Origin: "NS", Shown: "ns", FillOnly: true},
		engine.Override{Path: []string{"spec", "cluster", "context"}, Value: "lab", Origin: "K8S_CONTEXT", Shown: "lab", FillOnly: true},
		engine.Override{Path: []string{"spec", "steps", "0", "with", "prefix"}, Value: "dflt", Origin: "D", Default: true},
		engine.Override{Path: []string{"spec", "steps", "1", "with", "count"}, Value: int64(4), Origin: "COUNT", Shown: "4"},
		engine.Override{Path: []string{"spec", "steps", "1", "with", "prefix"}, Value: "dflt", Origin: "D", Shown: "dflt", Default: true},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := []engine.Applied{
		{Field: "cluster.context", Value: "lab", Origin: "--context", Over: "p.yaml:5"},
		{Field: "cluster.namespace", Value: "ns", Origin: "NS"},
		{Field: "steps.1.with.count", Value: "4", Origin: "COUNT"},
		{Field: "steps.1.with.prefix", Value: "dflt", Origin: "D"},
	}
	if diff := cmp.Diff(want, p.Overrides); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"context": "lab", "namespace": "ns"}, p.Cluster); diff != "" {
		t.Error(diff)
	}
	in, _ := p.Steps[1].Inputs(&engine.Vars{})
	if diff := cmp.Diff(map[string]any{"count": int64(4), "prefix": "dflt"}, in.With); diff != "" {
		t.Error(diff)
	}
	refused := map[string]engine.Override{
		"the file says home and the variable K8S_CONTEXT says lab": {Path: []string{"spec", "cluster", "context"}, Value: "lab", Origin: "K8S_CONTEXT", Shown: "lab", FillOnly: true},
		"variable COUNT: spec.steps[1].with.count: expected an":    {Path: []string{"spec", "steps", "1", "with", "count"}, Value: "x", Origin: "COUNT", Shown: "x"},
		"flag --x: spec.steps[1].with.cuont: unknown field":        {Path: []string{"spec", "steps", "1", "with", "cuont"}, Value: "x", Origin: "--x", Shown: "x"},
		"variable COUNT: spec.steps[1].with.count: must be at":     {Path: []string{"spec", "steps", "1", "with", "count"}, Value: "${{ 1 - 1 }}", Origin: "COUNT", Shown: "x"},
	}
	for want, override := range refused {
		if _, err := apply(override); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	boom := errors.New("boom")
	_, err = language(t).Load(engine.Source{Data: []byte(header + spec)}, engine.LoadOptions{Overrides: func(map[string]any) ([]engine.Override, error) { return nil, boom }})
	if !errors.Is(err, boom) {
		t.Error(err)
	}
}

func TestHash(t *testing.T) {
	spec := "  env: [A]\n  params: {keep: {type: integer, default: 3, env: KEEP}}\n  steps: [{id: a, uses: work}]\n"
	hash := func(spec string, set map[string]string, env map[string]string, overrides ...engine.Override) string {
		return load(t, spec, engine.LoadOptions{Set: set, Getenv: func(n string) (string, bool) { v, ok := env[n]; return v, ok },
			Overrides: func(map[string]any) ([]engine.Override, error) { return overrides, nil }}).Hash
	}
	context := func(origin, value string) engine.Override {
		return engine.Override{Path: []string{"spec", "cluster", "context"}, Value: value, Shown: value, Origin: origin}
	}
	base := hash(spec, nil, nil)
	same := map[string]string{
		"again":                     hash(spec, nil, nil),
		"the default given":         hash(spec, map[string]string{"keep": "3"}, nil),
		"the default in a variable": hash(spec, nil, map[string]string{"KEEP": "3"}),
		"another variable":          hash(spec, nil, map[string]string{"B": "3"}),
	}
	for name, got := range same {
		if got != base {
			t.Errorf("%s changes the hash", name)
		}
	}
	if hash(spec, nil, nil, context("--context", "a")) != hash(spec, nil, nil, context("PLAN_CONTEXT", "a")) {
		t.Error("the origin of a value changes the hash")
	}
	different := map[string]string{
		"a comment":         hash(spec+"# x\n", nil, nil),
		"a parameter":       hash(spec, map[string]string{"keep": "4"}, nil),
		"a variable":        hash(spec, nil, map[string]string{"A": "1"}),
		"another variable":  hash(spec, nil, map[string]string{"A": "2"}),
		"an override":       hash(spec, nil, nil, context("--context", "a")),
		"another override":  hash(spec, nil, nil, context("--context", "b")),
		"nothing":           base,
		"a variable for it": hash(spec, nil, map[string]string{"KEEP": "5"}),
	}
	seen := map[string]string{}
	for name, got := range different {
		if other, ok := seen[got]; ok || len(got) != 64 {
			t.Errorf("%s and %s have the hash %s", name, other, got)
		}
		seen[got] = name
	}
}

func TestOffline(t *testing.T) {
	spec := `  env: [URL]
  params: {keep: {type: integer, required: true}}
  cluster: {name: "${{ env.URL }}"}
  steps: [{id: a, uses: work, if: params.keep > 1, with: {count: "${{ params.keep }}", prefix: "${{ env.URL }}"}, timeout: "${{ string(params.keep) }}s"}]
`
	if p := load(t, spec, engine.LoadOptions{Offline: true}); p.Steps[0].Never {
		t.Error("what is not known yet decides nothing")
	}
	_, err := language(t).Load(engine.Source{Data: []byte(header + spec)}, engine.LoadOptions{})
	if problems, _ := engine.AsProblems(err); len(problems) != 3 {
		t.Errorf("the parameter and the variable are missing, got %v", err)
	}
}

func TestParameterValues(t *testing.T) {
	spec := `  params:
    i: {type: integer, default: 1}
    f: {type: number, env: F}
    b: {type: boolean}
    d: {type: duration}
    l: {type: list, env: L}
    s: {type: string, default: x, env: S}
  steps: [{id: a, uses: work, with: {any: "${{ [params.i, params.f, params.b, params.d, params.l, params.s] }}"}}]
`
	env := map[string]string{"F": "2", "L": "[1]", "S": ""}
	p := load(t, spec, engine.LoadOptions{Set: map[string]string{"i": "-5", "b": "true", "d": "1d", "l": `["a", 1, 1.5, {"b": [2]}]`},
		Getenv: func(n string) (string, bool) { v, ok := env[n]; return v, ok }})
	in, err := p.Steps[0].Inputs(&engine.Vars{})
	if err != nil {
		t.Fatal(err)
	}
	want := []any{int64(-5), 2.0, true, "1d", []any{"a", int64(1), 1.5, map[string]any{"b": []any{int64(2)}}}, "x"}
	if diff := cmp.Diff(want, in.With["any"]); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, a := range p.Overrides {
		got = append(got, a.Field+" "+a.Origin+" "+a.Over)
	}
	if diff := cmp.Diff([]string{"params.i --set plan.yaml:6", "params.f F ", "params.b --set ", "params.d --set ", "params.l --set "}, got); diff != "" {
		t.Error(diff)
	}
}
