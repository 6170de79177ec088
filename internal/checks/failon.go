package checks

import (
	"fmt"
	"slices"
	"strings"
)

// FailOn is the list of findings that fail a check. Nil leaves every finding its own verdict. Otherwise a failing finding that is not on
// the list is listed without influence, and one on the list fails whatever its own verdict is, with two exceptions: OK stays a
// pass, and what an error kept from being checked stays unknown.
type FailOn []Name

// Check refuses names that are not among those a check can find, and OK.
func (o FailOn) Check(known ...Name) error {
	for _, name := range o {
		if name == OK || !slices.Contains(known, name) {
			return fmt.Errorf("%q is not one of %s", string(name), list(known))
		}
	}
	return nil
}

func list(names []Name) string {
	words := make([]string, 0, len(names))
	for _, name := range names {
		if name != OK {
			words = append(words, string(name))
		}
	}
	return strings.Join(words, ", ")
}

// apply gives a finding the verdict that it has under the list.
func (o FailOn) apply(f Finding) Finding {
	switch {
	case o == nil || f.Err != nil || f.Verdict == Pass:
	case slices.Contains(o, f.Name):
		f.Verdict = Fail
	case f.Verdict == Fail:
		f.Verdict = None
	}
	return f
}
