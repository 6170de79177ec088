package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"plan/engine"
	"plan/schema"
)

// TestTheSearchForProblemsEnds: a plan with very many faults is not looked at to its end, and says so.
func TestTheSearchForProblemsEnds(t *testing.T) {
	steps := func(n int, format string) string {
		var b strings.Builder
		b.WriteString("  params: {ls: {type: list, default: [" + strings.Repeat("1, ", 100) + "]}}\n  steps:\n")
		for i := range n {
			fmt.Fprintf(&b, "    - {id: s%d, uses: work, needs: [], "+format+"}\n", i, i)
		}
		return b.String()
	}
	long := " + ''" + strings.Repeat(" + 'abc'", 400)
	cases := map[string]struct {
		spec        string
		least, most int
		stopped     bool
	}{
		"some unknown steps":       {steps(150, "if: steps.x%d.outcome == ''"), 100, 150, true}, // to read as many takes long
		"few unknown steps":        {steps(30, "if: steps.x%d.outcome == ''"), 30, 30, false},
		"many unknown steps":       {steps(3000, "if: steps.x%d.outcome == ''"), 50, 200, true},
		"long expressions":         {steps(100, "if: \"params.x%d"+long+" == ''\""), 4, 10, true},
		"fields of steps":          {steps(3000, "zz: %d"), 200, 200, true},
		"evaluation":               {steps(300, "with: {prefix: \"${{ string(params.ls.all(x, params.ls.all(y, x + y + %d >= 0))) }}\"}"), 1, 1, true},
		"some that cost little":    {steps(300, "with: {prefix: \"${{ string(params.ls.all(x, x + %d >= 0)) }}\"}"), 0, 0, false},
		"as many fields as are ok": {steps(199, "zz: %d"), 199, 199, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := language(t).Load(engine.Source{File: "p", Data: []byte(header + tc.spec)}, engine.LoadOptions{})
			problems, _ := engine.AsProblems(err)
			found := 0
			for _, p := range problems {
				if !p.More {
					found++
				}
			}
			if found < tc.least || found > tc.most || problems.Stopped() != tc.stopped || found > schema.MaxProblems {
				t.Errorf("%d problems, stopped %v: %.400v", found, problems.Stopped(), err)
			}
			if tc.stopped && !problems[len(problems)-1].More {
				t.Error("what stands for more is not the last")
			}
		})
	}
}
