package longhorn

import (
	"errors"
	"fmt"
	"path"

	"plan/internal/longhorn"
)

// Pattern selects volumes. Each part is a pattern of package path: * is any run of characters, ? any one, [a-z] one of a range, and a
// backslash takes the next as it is; the whole name must match. A part that is left out is any; all parts must match.
type Pattern struct {
	Namespace    string `yaml:"namespace"`    // the claim's
	Name         string `yaml:"name"`         // the claim's or the PersistentVolume's
	StorageClass string `yaml:"storageClass"` // the PersistentVolume's
}

// check wants at least one part, and patterns that are well-formed.
func (p Pattern) check(where string) error {
	if p == (Pattern{}) {
		return fmt.Errorf("%s: give at least one of namespace, name and storageClass", where)
	}
	var problems []error
	for _, part := range []struct{ name, pattern string }{{"namespace", p.Namespace}, {"name", p.Name}, {"storageClass", p.StorageClass}} {
		if _, err := path.Match(part.pattern, ""); err != nil {
			problems = append(problems, fmt.Errorf("%s.%s: %q is no pattern: a bracket is not closed, or a backslash is at the end", where, part.name, part.pattern))
		}
	}
	return errors.Join(problems...)
}

func (p Pattern) matches(pv longhorn.PV) bool {
	return glob(p.Namespace, pv.Claim.Namespace) && (glob(p.Name, pv.Claim.Name) || glob(p.Name, pv.Name)) && glob(p.StorageClass, pv.Class)
}

// glob is true for a pattern that is left out. Names in a cluster have no slash, so that * is any name.
func glob(pattern, name string) bool {
	matched, err := path.Match(pattern, name)
	return pattern == "" || err == nil && matched
}
