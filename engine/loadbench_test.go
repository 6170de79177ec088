package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"plan/engine"
)

// manySteps is a plan of n steps with expressions of their own.
func manySteps(n int) []byte {
	var b strings.Builder
	b.WriteString(header + "  params: {keep: {type: integer, default: 3}}\n  steps:\n    - {id: s0, uses: work}\n")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, "    - {id: s%d, uses: work, if: params.keep > 1, with: {prefix: \"${{ steps.s%d.outputs.key }}\"}}\n", i, i/2)
	}
	return []byte(b.String())
}

// BenchmarkLoad: the time per step should be the same for all sizes.
func BenchmarkLoad(b *testing.B) {
	lang := language(b)
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			data := manySteps(n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := lang.Load(engine.Source{File: "p", Data: data}, engine.LoadOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/step")
		})
	}
}

// BenchmarkLoadWrong loads 1,000 and 10,000 steps of which each has a slip in needs, with and if.
func BenchmarkLoadWrong(b *testing.B) {
	lang := language(b)
	for _, n := range []int{1000, 8000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var text strings.Builder
			text.WriteString(header + "  steps:\n")
			for i := range n {
				fmt.Fprintf(&text, "    - {id: s%d, uses: work, needs: [z%d], if: steps.x%d.outputs.ok, with: {cuont: 1}}\n", i, i, i)
			}
			for b.Loop() {
				if _, err := lang.Load(engine.Source{File: "p", Data: []byte(text.String())}, engine.LoadOptions{}); err == nil {
					b.Fatal("no problem found")
				}
			}
		})
	}
}
