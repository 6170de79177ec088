package schema

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// Suggest gives the name that was probably meant, or "".
func Suggest(word string, names []string) string {
	if len(word) > 64 { // no typo of a name; the distance is quadratic
		return ""
	}
	best, bestDistance := "", min(len(word)/3+1, len(word))
	for _, name := range names {
		switch {
		case word != "" && alike(word, name):
			return name
		case len(word) >= 3 && strings.HasPrefix(name, word) && bestDistance > 0:
			best, bestDistance = name, 0 // cut short
		case abs(len(word)-len(name)) > bestDistance:
			continue
		}
		if d := levenshtein.ComputeDistance(word, name); d < bestDistance || d == bestDistance && best == "" && d <= 2 && 2*d <= len(word) {
			best, bestDistance = name, d
		}
	}
	return best
}

// alike tells whether two names differ only in case and in how their words are joined.
func alike(a, b string) bool {
	i, j := 0, 0
	for {
		for i < len(a) && (a[i] == '-' || a[i] == '_') {
			i++
		}
		for j < len(b) && (b[j] == '-' || b[j] == '_') {
			j++
		}
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		if lower(a[i]) != lower(b[j]) {
			return false
		}
		i, j = i+1, j+1
	}
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func abs(n int) int { return max(n, -n) }
