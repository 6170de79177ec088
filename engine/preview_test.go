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
		`any: {deep: "${{ steps.first.outputs.pruned }}"}`:                                   {"any": map[string]any{"deep": "UNKNOWN(steps.first.outputs.pruned)"}},
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
		`labels: "${{ steps.first.outputs.pruned }}"`:                                         `with.labels: only a run can know steps.first.outputs.pruned`,
		`keep: {last: "${{ steps.first.outputs.size }}"}`:                                     `with.keep.last: only a run can know steps.first.outputs.size`,
		"count: \"${{ steps.first.outputs.size }}\"\nflag: \"${{ steps.first.outputs.ok }}\"": `with.flag: only a run can know steps.first.outputs.ok`,
	} {
		_, err := preview(t, with)
		if _, ok := engine.AsProblems(err); !ok || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", with, err)
		}
	}
}
