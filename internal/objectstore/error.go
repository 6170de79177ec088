package objectstore

import (
	"errors"
	"fmt"
	"strings"
)

// The errors that callers decide on, found with errors.Is.
var (
	ErrNotFound   = errors.New("no such object")
	ErrExists     = errors.New("object exists")
	ErrNoBucket   = errors.New("no such bucket") // or the store's path is not a directory
	ErrDenied     = errors.New("access denied")
	ErrIncomplete = errors.New("listing is incomplete") // truncated, repeated continuation token, not a listing …
	ErrRange      = errors.New("range starts past the end of the object")
	ErrDamaged    = errors.New("body does not match its size or SHA-256")
	ErrInvalid    = errors.New("not possible in this store") // key or metadata; found before anything was done
)

// Error says which operation went wrong, where and why.
type Error struct {
	Op     string // "list", "head", "get", "put" or "delete"
	Store  string // a printable location such as "s3://bucket at https://host" or "dir:/path"
	Key    string // or the prefix of a list; "" where the error is not about one key
	Code   string // the server's error code such as "SlowDown"; "" without one
	Status int    // the HTTP status of the answer; 0 without one
	Err    error
}

// Error gives verb, object, place and cause.
func (e *Error) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("%s %s: %v", e.Op, e.Store, e.Err)
	}
	return fmt.Sprintf("%s %q in %s: %v", e.Op, e.Key, e.Store, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// DeleteError says why a key is, or may be, still there.
type DeleteError struct {
	Key string
	Err error // an *Error
}

// Error names the key and the cause.
func (e *DeleteError) Error() string { return deleteErrors{e}.Error() }

// Unwrap gives the cause.
func (e *DeleteError) Unwrap() error { return e.Err }

// deleteErrors is what Delete returns: all of them to errors.Is and
// Undeleted, a few of them to the reader.
type deleteErrors []*DeleteError

// JoinDelete makes one error of those of a Delete, nil when there is none.
func JoinDelete(errs []*DeleteError) error {
	if len(errs) == 0 {
		return nil
	}
	return deleteErrors(errs)
}

// Undeleted lists the keys' errors in an error of Delete, nil when there is none.
func Undeleted(err error) []*DeleteError {
	var errs deleteErrors
	if errors.As(err, &errs) {
		return errs
	}
	return nil
}

// Error names the first keys of each cause, and each cause once.
func (d deleteErrors) Error() string {
	const shown = 3
	var causes []string
	keys := map[string][]string{}
	for _, e := range d {
		cause := e.cause()
		if keys[cause] == nil {
			causes = append(causes, cause)
		}
		keys[cause] = append(keys[cause], e.Key)
	}
	var parts []string
	for _, cause := range causes[:min(shown, len(causes))] {
		list := keys[cause]
		text := fmt.Sprintf("delete %q", list[0])
		for _, key := range list[1:min(shown, len(list))] {
			text += fmt.Sprintf(", %q", key)
		}
		if more := len(list) - shown; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, text+cause)
	}
	if more := len(causes) - shown; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more causes", more))
	}
	return strings.Join(parts, "; ")
}

// cause is what comes behind the key: the place, if it is known, and why.
func (e *DeleteError) cause() string {
	if inner, ok := e.Err.(*Error); ok {
		return fmt.Sprintf(" in %s: %v", inner.Store, inner.Err)
	}
	return fmt.Sprintf(": %v", e.Err)
}

func (d deleteErrors) Unwrap() []error {
	errs := make([]error, len(d))
	for i, e := range d {
		errs[i] = e
	}
	return errs
}
