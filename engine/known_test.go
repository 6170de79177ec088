package engine_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/engine"
)

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

// TestExitCodesAreThoseOfKindsThatHaveThem: among the defaults they hold for such kinds alone; a step's own replace them.
func TestExitCodesAreThoseOfKindsThatHaveThem(t *testing.T) {
	p := load(t, `  defaults: {retry: {exitCodes: [3, 4]}}
  steps: [{id: a, uses: job}, {id: b, uses: job, retry: {attempts: 2, exitCodes: [75]}}, {id: c, uses: work}]
`, engine.LoadOptions{})
	want := [][]int{{3, 4}, {75}, nil}
	for i, s := range p.Steps {
		if diff := cmp.Diff(want[i], s.Retry.ExitCodes); diff != "" {
			t.Errorf("%s: %s", s.ID, diff)
		}
	}
	in, err := p.Steps[0].Inputs(&engine.Vars{})
	if err != nil || in.Timeout != time.Hour || p.Steps[0].Retry.Attempts != 1 || p.Steps[1].Retry.Attempts != 2 {
		t.Errorf("a kind's own defaults: %+v, %+v, %v", in, p.Steps[0].Retry, err)
	}
	variables := func(name string) engine.LoadOptions {
		return engine.LoadOptions{Variables: map[string]string{name: "[1, 2]"}}
	}
	spec := "  steps: [{id: a, uses: job}, {id: c, uses: work}]\n"
	if got := load(t, spec, variables("PLAN_STEP__A__RETRY__EXIT_CODES")).Steps[0].Retry.ExitCodes; len(got) != 2 {
		t.Errorf("by a variable: %v", got)
	}
	_, err = language(t).Load(engine.Source{File: "p", Data: []byte(header + spec)}, variables("PLAN_STEP__C__RETRY__EXIT_CODES"))
	if err == nil || !strings.Contains(err.Error(), "fits nothing") {
		t.Errorf("of a kind without: %v", err)
	}
}

// TestDeclaredOutputsAreRead: what a step declares in its with, as it stands after overrides, is an output of that step alone.
func TestDeclaredOutputsAreRead(t *testing.T) {
	p := load(t, `  steps:
    - {id: a, uses: job, with: {outputs: {rows: integer, ratio: number}}}
    - {id: b, uses: work, if: steps.a.outputs.rows > 3, with: {count: "${{ steps.a.outputs.rows + 1 }}", ratio: "${{ steps.a.outputs.ratio * 2.0 }}", prefix: "${{ steps.a.outputs.uid }}"}}
`, engine.LoadOptions{})
	vars := &engine.Vars{Success: true, Steps: map[string]engine.StepVars{"a": {Outcome: engine.Succeeded, Outputs: map[string]any{"rows": int64(4), "ratio": 2.0, "uid": "u"}}}}
	in, err := p.Steps[1].Inputs(vars)
	if diff := cmp.Diff(map[string]any{"count": int64(5), "ratio": 4.0, "prefix": "u"}, in.With); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if run, err := p.Steps[1].If(vars); !run || err != nil {
		t.Errorf("%t, %v", run, err)
	}
	load(t, `  steps: [{id: a, uses: job}, {id: b, uses: work, with: {prefix: "${{ steps.a.outputs.file }}"}}]
`, engine.LoadOptions{Variables: map[string]string{"PLAN_STEP__A__OUTPUTS": `{"file": "string"}`}})
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
			if err != nil || p.Steps[0].Store != tc.want || p.Steps[0].Stores == nil {
				t.Errorf("store %q, %v", p.Steps[0].Store, err)
			}
			if got, _ := in.With["store"].(string); got != tc.want {
				t.Errorf("with.store is %q", got)
			}
			if q := p.Steps[1]; q.Stores != nil || q.Store != "" {
				t.Error("a kind without store has none")
			}
		})
	}
}

// TestAStoreIsAskedForOnlyWhereOneIsUsed: of two stores none is the obvious one, and a step that uses none need not choose.
func TestAStoreIsAskedForOnlyWhereOneIsUsed(t *testing.T) {
	two := "  stores: {main: {dir: {path: a}}, other: {dir: {path: b}}}\n"
	compare := engine.Kind{Name: "compare", Schema: []byte(`{"type": "object", "additionalProperties": false, "dependentRequired": {"store": ["prefix"]},
		"properties": {"store": {"type": "string"}, "prefix": {"type": "string"}}}`)}
	for name, tc := range map[string]struct{ with, store, problem string }{
		"none is used":      {"{}", "", ""},
		"one is used":       {"{prefix: x/}", "", "the plan has several stores"},
		"one is named":      {"{prefix: x/, store: other}", "other", ""},
		"named for nothing": {"{store: other}", "", "prefix"},
	} {
		t.Run(name, func(t *testing.T) {
			text := header + two + "  steps: [{id: a, uses: compare, with: " + tc.with + "}]\n"
			p, err := language(t, compare).Load(engine.Source{File: "plan.yaml", Dir: "/plans", Data: []byte(text)}, engine.LoadOptions{})
			if tc.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tc.problem) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if in, err := p.Steps[0].Inputs(&engine.Vars{}); err != nil || p.Steps[0].Store != tc.store || in.With["store"] != nil && in.With["store"] != tc.store {
				t.Errorf("%q, %v, %v", p.Steps[0].Store, in.With, err)
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
