package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/engine"
)

const previewed = `apiVersion: plan/v1
kind: Plan
metadata: {name: previewed}
spec:
  params: {many: {type: integer, default: 3}}
  steps:
    - {id: first, uses: work}
    - id: second
      uses: work
      timeout: "${{ params.many }}m"
      matrix: {region: [eu, us]}
      with:
`

// preview gives what is known of the step second, in its instance eu, before the run.
func preview(t *testing.T, with string) (engine.Inputs, error) {
	t.Helper()
	text := previewed + "        " + strings.ReplaceAll(with, "\n", "\n        ")
	plan, err := language(t).Load(engine.Source{File: "p.yaml", Data: []byte(text)}, engine.LoadOptions{})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return plan.Steps[1].Preview(&engine.Vars{Run: engine.RunVars{ID: "render", Name: plan.Name}, Matrix: map[string]any{"region": "eu"}})
}

func TestAPreviewShowsWhatOnlyARunCanKnow(t *testing.T) {
	for with, want := range map[string]map[string]any{
		`prefix: "${{ steps.first.outputs.key }}"`:                                           {"prefix": "UNKNOWN(steps.first.outputs.key)"},
		`prefix: "a/${{ steps.first.outputs.size }}/${{ matrix.region }}"`:                   {"prefix": "a/UNKNOWN(steps.first.outputs.size)/eu"},
		`prefix: "${{ steps.first.outputs.key == '' ? 'a' : 'b' }}"`:                         {"prefix": "UNKNOWN(steps.first.outputs.key == '' ? 'a' : 'b')"},
		`prefix: "${{ run.id }}-${{ run.name }}-${{ run.outcome }}"`:                         {"prefix": "render-previewed-UNKNOWN(run.outcome)"},
		`prefix: "${{ steps.first.outcome }}"`:                                               {"prefix": "UNKNOWN(steps.first.outcome)"},
		"labels: [\"${{ steps.first.outputs.key }}\", plain]\ncount: \"${{ params.many }}\"": {"labels": []any{"UNKNOWN(steps.first.outputs.key)", "plain"}, "count": int64(3)},
		"prefix: >-\n  ${{ steps.first.outputs.key\n  + 'x' }}":                              {"prefix": "UNKNOWN(steps.first.outputs.key + 'x')"},
		`any: {deep: "${{ steps.first.outputs.pruned }}"}`:                                   {"any": map[string]any{"deep": []any{"UNKNOWN(steps.first.outputs.pruned)"}}},
		`labels: "${{ steps.first.outputs.pruned }}"`:                                        {"labels": []any{"UNKNOWN(steps.first.outputs.pruned)"}},
	} {
		in, err := preview(t, with)
		if err != nil {
			t.Errorf("%s: %v", with, err)
			continue
		}
		if diff := cmp.Diff(want, in.With); diff != "" || in.Timeout != 3*time.Minute {
			t.Errorf("%s: timeout %s%s", with, in.Timeout, diff)
		}
	}
}

func TestWhatCannotWaitForTheRunIsAProblemOfThePlan(t *testing.T) {
	for with, says := range map[string]string{
		`count: "${{ steps.first.outputs.size }}"`:                                            `p.yaml:13:16: spec.steps[1].with.count: only a run can know steps.first.outputs.size`,
		`flag: "${{ steps.first.outputs.ok }}"`:                                               `with.flag: only a run can know steps.first.outputs.ok`,
		`mode: "${{ steps.first.outputs.key }}"`:                                              `with.mode: only a run can know steps.first.outputs.key`,
		`minAge: "${{ steps.first.outputs.age }}"`:                                            `with.minAge: only a run can know steps.first.outputs.age`,
		`minAge: "${{ steps.first.outputs.size }}d"`:                                          `with.minAge: only a run can know`,
		`ids: "${{ steps.first.outputs.pruned }}"`:                                            `with.ids: only a run can know steps.first.outputs.pruned`,
		`keep: {last: "${{ steps.first.outputs.size }}"}`:                                     `with.keep.last: only a run can know steps.first.outputs.size`,
		"count: \"${{ steps.first.outputs.size }}\"\nflag: \"${{ steps.first.outputs.ok }}\"": `with.flag: only a run can know steps.first.outputs.ok`,
	} {
		_, err := preview(t, with)
		if _, ok := engine.AsProblems(err); !ok || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", with, err)
		}
	}
}

// rendering is the kind work as one whose objects are shown before the run.
func rendering() engine.Kind {
	return engine.Kind{Name: "rendering", Schema: []byte(workSchema), Renders: true}
}

// loadRendering loads a plan with a step of it.
func loadRendering(t *testing.T, step string, o engine.LoadOptions) error {
	t.Helper()
	text := "apiVersion: plan/v1\nkind: Plan\nmetadata: {name: p}\nspec:\n  params: {given: {type: integer, required: true}, m: {type: integer, default: 1}}\n  steps:\n    - {id: first, uses: work}\n    - " + step + "\n"
	_, err := language(t, rendering()).Load(engine.Source{File: "p.yaml", Data: []byte(text)}, o)
	return err
}

// TestWhatIsShownBeforeTheRunCannotWaitForIt: numbers and names of a kind that renders are problems when the plan is loaded.
func TestWhatIsShownBeforeTheRunCannotWaitForIt(t *testing.T) {
	for step, says := range map[string]string{
		`{id: a, uses: work, with: {count: "${{ steps.first.outputs.size }}"}}`:                                                                     "",
		`{id: a, uses: rendering, with: {count: "${{ params.m }}", prefix: "${{ steps.first.outputs.key }}"}}`:                                      "",
		`{id: a, uses: rendering, with: {labels: "${{ steps.first.outputs.pruned }}", prefix: "${{ run.id }}"}}`:                                    "",
		`{id: a, uses: rendering, with: {prefix: "${{ run.id.split('-')[7] }} ${{ steps.first.outputs.key }}"}}`:                                    "",
		`{id: a, uses: rendering, timeout: "${{ params.given }}m", with: {prefix: "${{ steps.first.outputs.key }}", count: "${{ params.given }}"}}`: "",
		`{id: a, uses: rendering, deadline: "${{ steps.first.outputs.age }}"}`:                                                                      "",
		`{id: a, uses: rendering, with: {count: "${{ steps.first.outputs.size }}"}}`:                                                                "p.yaml:8:46: spec.steps[1].with.count: only a run can know steps.first.outputs.size, and this field has to be known before",
		`{id: a, uses: rendering, with: {count: "${{ steps.first.outputs.size + params.given }}"}}`:                                                 "with.count: only a run can know",
		`{id: a, uses: rendering, with: {prefix: "${{ string(params.given) }}", mode: "${{ steps.first.outcome }}"}}`:                               "with.mode: only a run can know steps.first.outcome",
		`{id: a, uses: rendering, timeout: "${{ steps.first.outputs.age }}"}`:                                                                       "spec.steps[1].timeout: only a run can know steps.first.outputs.age",
		`{id: a, uses: rendering, matrix: {k: [a, b]}, with: {prefix: "${{ matrix.k }}", keep: {last: "${{ steps.first.outputs.size }}"}}}`:         "with.keep.last: only a run can know steps.first.outputs.size",
		`{id: a, uses: rendering, if: steps.first.outputs.ok, with: {prefix: "${{ steps.first.outputs.key }}", flag: "${{ run.exitCode == 0 }}"}}`:  "with.flag: only a run can know",
	} {
		err := loadRendering(t, step, engine.LoadOptions{Offline: true})
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v", step, err)
		}
	}
}

// TestOfWhatWaitsTheKindIsAsked with placeholders, where all else is known.
func TestOfWhatWaitsTheKindIsAsked(t *testing.T) {
	var asked []map[string]any
	o := engine.LoadOptions{Offline: true, CheckPreview: func(step *engine.Step, with map[string]any) []engine.Fault {
		asked = append(asked, with)
		return []engine.Fault{{Path: "prefix", Message: "no"}}
	}}
	for step, says := range map[string]string{
		`{id: a, uses: rendering, with: {prefix: "${{ steps.first.outputs.key }}", count: 2}}`:                     "spec.steps[1].with.prefix: no",
		`{id: a, uses: rendering, with: {prefix: "${{ steps.first.outputs.key }}", count: "${{ params.given }}"}}`: "",
		`{id: a, uses: rendering, with: {count: "${{ params.m }}"}}`:                                               "",
		`{id: a, uses: work, with: {prefix: "${{ steps.first.outputs.key }}"}}`:                                    "",
	} {
		err := loadRendering(t, step, o)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v", step, err)
		}
	}
	if diff := cmp.Diff([]map[string]any{{"prefix": "UNKNOWN(steps.first.outputs.key)", "count": int64(2)}}, asked); diff != "" {
		t.Error(diff)
	}
}
