package engine

import (
	"fmt"
	"slices"
	"testing"
)

func TestConditionsLookAtNeedsAllTheWayUp(t *testing.T) {
	fails := testStep{id: "a", do: failsWith(errPlain)}
	checkConditions(t, map[string]conditionCase{
		"failure runs after a failed need": {
			[]testStep{fails, {id: "b", needs: []string{"a"}, cond: failure}}, "a=failed b=succeeded", 1,
		},
		"failure is false after success: its own if": {
			[]testStep{{id: "a"}, {id: "b", needs: []string{"a"}, cond: failure}, {id: "c", needs: []string{"b"}}},
			"a=succeeded b=skipped(own) c=succeeded", 0,
		},
		"a failure behind an always is seen by success": {
			[]testStep{fails, {id: "b", needs: []string{"a"}, cond: always}, {id: "c", needs: []string{"b"}}},
			"a=failed b=succeeded c=skipped(a)", 1,
		},
		"and by failure": {
			[]testStep{fails, {id: "b", needs: []string{"a"}, cond: always}, {id: "c", needs: []string{"b"}, cond: failure}},
			"a=failed b=succeeded c=succeeded", 1,
		},
		"a skipped need is not met": {
			[]testStep{fails, {id: "b", needs: []string{"a"}}, {id: "c", needs: []string{"b"}}, {id: "d", needs: []string{"c"}, cond: failure}},
			"a=failed b=skipped(a) c=skipped(b) d=succeeded", 1,
		},
	})
}

func TestASkipIsBlamedOnTheNeedsOnlyWhereTheyCausedIt(t *testing.T) {
	fails := testStep{id: "a", do: failsWith(errPlain)}
	checkConditions(t, map[string]conditionCase{
		"a condition false by itself after a failure is its own if": {
			[]testStep{fails, {id: "b", needs: []string{"a"}, cond: never}, {id: "c", needs: []string{"b"}}},
			"a=failed b=skipped(own) c=skipped(a)", 1,
		},
		"a condition that asks success blames the need": {
			[]testStep{fails, {id: "b", needs: []string{"a"}, cond: success}}, "a=failed b=skipped(a)", 1,
		},
		"ignored is met and no failure": {
			[]testStep{{id: "a", do: failsWith(errPlain), coe: true}, {id: "b", needs: []string{"a"}, cond: failure}},
			"a=ignored b=skipped(own)", 0,
		},
		"all unmet needs are named": {
			[]testStep{fails, {id: "b", do: finds(Fail)}, {id: "c"}, {id: "d", needs: []string{"c", "b", "a"}}},
			"a=failed b=failed/fail c=succeeded d=skipped(b,a)", 1,
		},
		"a failed condition whose second look fails too blames the need": {
			[]testStep{fails, {id: "b", needs: []string{"a"}, cond: func(v *Vars) (bool, error) {
				if v.Success {
					return false, errPlain
				}
				return false, nil
			}}}, "a=failed b=skipped(a)", 1,
		},
		"a need that does not exist": {
			[]testStep{{id: "a", needs: []string{"x"}}, {id: "b", needs: []string{"a"}}, {id: "c"}}, "a=failed b=failed c=succeeded", 1,
		},
		"needs in a circle": {
			[]testStep{{id: "a", needs: []string{"b"}}, {id: "b", needs: []string{"a"}}, {id: "c"}}, "a=failed b=failed c=succeeded", 1,
		},
	})
}

type conditionCase struct {
	steps []testStep
	want  string
	exit  int
}

func checkConditions(t *testing.T, cases map[string]conditionCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			res := run(t, c.steps, nil)
			if got := outcomes(res); got != c.want || res.ExitCode != c.exit {
				t.Errorf("got  %s, exit %d\nwant %s, exit %d", got, res.ExitCode, c.want, c.exit)
			}
		})
	}
}

func TestTenThousandStepsBehindAFailureAreEachToldWhatTheyNeeded(t *testing.T) {
	steps := []testStep{{id: "s0", do: failsWith(errPlain)}}
	for i := range 9999 {
		steps = append(steps, testStep{id: fmt.Sprintf("s%d", i+1), needs: []string{steps[i].id}})
	}
	res := run(t, steps, nil)
	for i, s := range res.Steps[1:] {
		if s.Outcome != Skipped || s.OwnIf || !slices.Equal(s.Cause, []string{steps[i].id}) {
			t.Fatalf("%+v", s)
		}
	}
}
