package engine

import (
	"testing"

	"pgregory.net/rapid"
)

// TestAncestryIsReachability draws graphs whose steps need some of those before them in a shuffled file.
func TestAncestryIsReachability(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "steps")
		numbers := make([]int, n)
		for i := range numbers {
			numbers[i] = i
		}
		if rapid.Bool().Draw(t, "shuffled") {
			numbers = rapid.Permutation(numbers).Draw(t, "numbers")
		}
		decls, reach := make([]*decl, n), make([]map[int]bool, n)
		for i := range decls {
			decls[i], reach[i] = &decl{number: numbers[i]}, map[int]bool{}
			if i == 0 {
				continue
			}
			for range rapid.IntRange(0, 3).Draw(t, "needs") {
				j := max(0, i-rapid.IntRange(1, 70).Draw(t, "back"))
				decls[i].needs = append(decls[i].needs, decls[j])
				reach[i][j] = true
				for k := range reach[j] {
					reach[i][k] = true
				}
			}
		}
		for i := range decls {
			for j := range decls {
				if got := decls[i].upstream(decls[j]); got != reach[i][j] {
					t.Fatalf("number %d upstream of %d: %v", numbers[j], numbers[i], got)
				}
			}
		}
	})
}
