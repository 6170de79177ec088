package secrets

import (
	"errors"
	"fmt"
	"strings"

	"plan/internal/printable"
)

// Kind says why a value could not be read.
type Kind int

// The kinds, in the order in which they decide an exit code when several problems came at once.
const (
	Missing     Kind = iota // not there: a variable that is not set, a file, Secret, key or id that does not exist
	Invalid                 // there, but not usable: empty, too long, not UTF-8, not a regular file, ambiguous
	Denied                  // refused: no permission, no valid access token
	Unreachable             // the source does not answer
)

// String is the kind in lower case.
func (k Kind) String() string { return [...]string{"missing", "invalid", "denied", "unreachable"}[k] }

// Error says which field's value could not be read, from where, why, and what to do next. It never holds a value.
type Error struct {
	Field  string // path of the field; of several, the first and their number
	Source string // as Source.String
	Kind   Kind
	Err    error
	Next   string // the next step for the reader
}

// Error gives field, source, cause and next step.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: read %s: %s", e.Field, e.Source, printable.String(e.Err.Error()))
	if e.Next != "" {
		text += " (" + e.Next + ")"
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Problems lists the errors in what a Resolver returned.
func Problems(err error) []*Error {
	var out []*Error
	switch e := err.(type) {
	case nil:
	case *Error:
		out = append(out, e)
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			out = append(out, Problems(part)...)
		}
	default:
		out = Problems(errors.Unwrap(err))
	}
	return out
}

// Worst is the kind that decides the exit code: what is wrong in the plan before what is denied, and that before what may pass.
// False means that err is none of a Resolver.
func Worst(err error) (Kind, bool) {
	worst, found := Unreachable, false
	for _, p := range Problems(err) {
		worst, found = min(worst, p.Kind), true
	}
	return worst, found
}

// joinFields names the first fields of a list.
func joinFields(fields []string) string {
	const shown = 3
	if len(fields) <= shown {
		return strings.Join(fields, ", ")
	}
	return fmt.Sprintf("%s and %d more fields", strings.Join(fields[:shown], ", "), len(fields)-shown)
}
