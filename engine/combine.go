package engine

import (
	"fmt"
	"maps"

	"cel.dev/cel-go/cel"
)

// overSize stands for a product that is larger.
const overSize = 1000001

// product is how many combinations axes have, without making them.
func product(axes []axis) int {
	if len(axes) == 0 {
		return 0
	}
	size := 1
	for _, a := range axes {
		if size *= len(a.values); size >= overSize {
			return overSize
		}
	}
	return size
}

// matrixWidth is how many names combinations can have.
func matrixWidth(axes []axis, include []map[string]any) int {
	names := map[string]bool{}
	for _, a := range axes {
		names[a.name] = true
	}
	for _, entry := range include {
		for name := range entry {
			names[name] = true
		}
	}
	return len(names)
}

// combine makes the combinations of a matrix as GitHub Actions does ("Running variations of jobs in a workflow", expanding or adding
// matrix configurations): exclude leaves out what has all the values of an entry. Then each entry of include adds its values to every
// combination of which it would change no value of an axis; values that include itself added may be changed. An entry that goes with none
// is a combination of its own, to which later entries add nothing.
func combine(axes []axis, exclude, include []map[string]any) []map[string]any {
	base := cross(axes)
	kept := base[:0]
	for _, c := range base {
		if !excluded(c, exclude) {
			kept = append(kept, c)
		}
	}
	isAxis := make(map[string]bool, len(axes))
	for _, a := range axes {
		isAxis[a.name] = true
	}
	all := kept
	for _, entry := range include {
		added := false
		for _, c := range kept {
			if goesWith(entry, c, isAxis) {
				added = true
				for name, v := range entry {
					if !isAxis[name] {
						c[name] = v
					}
				}
			}
		}
		if !added {
			all = append(all, maps.Clone(entry))
		}
	}
	return all
}

// cross makes all combinations of the axes; the last axis changes fastest.
func cross(axes []axis) []map[string]any {
	if len(axes) == 0 {
		return nil
	}
	all := []map[string]any{{}}
	for _, a := range axes {
		next := make([]map[string]any, 0, len(all)*len(a.values))
		for _, c := range all {
			for _, v := range a.values {
				longer := make(map[string]any, len(axes))
				maps.Copy(longer, c)
				longer[a.name] = v
				next = append(next, longer)
			}
		}
		all = next
	}
	return all
}

// excluded tells whether some entry has only values that c has too.
func excluded(c map[string]any, exclude []map[string]any) bool {
	for _, entry := range exclude {
		matches := true
		for name, v := range entry {
			matches = matches && alike(c[name], v)
		}
		if matches {
			return true
		}
	}
	return false
}

// goesWith tells whether an entry of include changes no value of an axis.
func goesWith(entry, c map[string]any, isAxis map[string]bool) bool {
	for name, v := range entry {
		if isAxis[name] && !alike(c[name], v) {
			return false
		}
	}
	return true
}

// alike compares values as they are written: 1 and "1" are the same.
func alike(a, b any) bool {
	if a == b {
		return true
	}
	_, text := a.(string)
	_, text2 := b.(string)
	return text != text2 && fmt.Sprint(a) == fmt.Sprint(b)
}

// settle gives each name one type: its values' own where all have the same, else string, and then all are text.
func settle(combinations []map[string]any) map[string]*cel.Type {
	found := map[string]*cel.Type{}
	for _, c := range combinations {
		for name, v := range c {
			own := scalarType(v)
			if first, ok := found[name]; ok && first != own {
				own = cel.StringType
			}
			found[name] = own
		}
	}
	for _, c := range combinations {
		for name, v := range c {
			if found[name] == cel.StringType {
				c[name] = fmt.Sprint(v)
			}
		}
	}
	return found
}

func scalarType(v any) *cel.Type {
	switch v.(type) {
	case int64:
		return cel.IntType
	case bool:
		return cel.BoolType
	}
	return cel.StringType
}
