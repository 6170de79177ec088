package engine

import (
	"fmt"
	"regexp"
	"regexp/syntax"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

const (
	maxRegex  = 1000    // instructions of a regular expression's program
	maxValues = 200000  // entries of lists and maps in one value of an expression
	maxText   = 1 << 20 // bytes of one text of an expression
	maxParts  = 100     // ${{ }} in one value

	maxFaulty   = 1 << 14 // bytes of expressions that are wrong; with more the search for problems ends
	faultyPrice = 128     // what each costs beside its length
)

// checkPattern refuses what is no regular expression (RE2), or one whose program would be large: counted repetition unfolds.
func checkPattern(pattern string) error {
	if len(pattern) > maxExpression {
		return fmt.Errorf("the regular expression is too large: over %d bytes", maxExpression)
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return fmt.Errorf("not a regular expression: %w", err)
	}
	if size := programSize(re); size > maxRegex {
		return fmt.Errorf("the regular expression is too large: repetitions written out it has over %d parts", maxRegex)
	}
	_, err = regexp.Compile(pattern)
	return err
}

// programSize is about how many instructions a regular expression comes to, without making them.
func programSize(re *syntax.Regexp) int {
	size := 1
	if re.Op == syntax.OpLiteral {
		size = len(re.Rune)
	}
	for _, sub := range re.Sub {
		size += programSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(1, re.Min, re.Max)
	}
	return size
}

// regexCost prices regular expressions by their programs: cel-go goes by the length of the pattern, and (s?){500} is short.
type regexCost struct{}

// CallCost gives nil for what cel-go prices itself.
func (regexCost) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	if function != "matches" || len(args) != 2 {
		return nil
	}
	text, ok := args[0].(types.String)
	pattern, ok2 := args[1].(types.String)
	if !ok || !ok2 {
		return nil
	}
	size, err := types.RegexProgramSize(string(pattern))
	if err != nil {
		return nil
	}
	price := 1 + uint64(size)*uint64(len(text)+1)/10
	return &price
}

// bounded converts a result that is not too large. A list that was added to itself shares its memory in CEL, and would not after that.
func bounded(v ref.Val) (any, error) {
	left := maxValues
	if err := measure(v, &left); err != nil {
		return nil, err
	}
	return native(v)
}

func measure(v ref.Val, left *int) error {
	switch v := v.(type) {
	case types.String:
		if len(v) > maxText {
			return fmt.Errorf("the text is longer than %d bytes", maxText)
		}
	case traits.Lister:
		if size, ok := v.Size().(types.Int); ok {
			*left -= int(size)
		}
		return measureAll(v, left, func(item ref.Val) error { return measure(item, left) })
	case traits.Mapper:
		if size, ok := v.Size().(types.Int); ok {
			*left -= int(size)
		}
		return measureAll(v, left, func(key ref.Val) error { return measure(v.Get(key), left) })
	}
	return nil
}

func measureAll(v traits.Iterable, left *int, each func(ref.Val) error) error {
	if *left < 0 {
		return fmt.Errorf("the value has more than %d entries", maxValues)
	}
	for it := v.Iterator(); it.HasNext() == types.True; {
		if err := each(it.Next()); err != nil {
			return err
		}
	}
	return nil
}
