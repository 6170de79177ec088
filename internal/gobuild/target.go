package gobuild

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Target is a system that a binary is for.
type Target struct{ OS, Arch string }

// String is the target as the Go command's users write it.
func (t Target) String() string { return t.OS + "/" + t.Arch }

// Choose gives the targets that are named, separated by commas, each once; all for "".
func Choose(all []Target, only string) ([]Target, error) {
	if only == "" {
		return all, nil
	}
	var list []Target
	var problems []error
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(t Target) bool { return t.String() == name })
		if i < 0 {
			problems = append(problems, fmt.Errorf("there is no target %q; there are %v", name, all))
			continue
		}
		if !slices.Contains(list, all[i]) {
			list = append(list, all[i])
		}
	}
	return list, errors.Join(problems...)
}
