// Package errclass tells what an error means: whether the same call may succeed a little later, and why it failed. There is one
// table for Kubernetes, S3, Bitwarden and the network.
package errclass

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Class says what an error means for a retry.
type Class int

// The classes.
const (
	Failure   Class = iota // the work failed; nothing is known about another try
	Transient              // passes by itself: throttling, a server error, a broken connection
	Final                  // refused or invalid: the same call will always fail
	Lost                   // whether the effect took place cannot be known
)

// String is the class in lower case.
func (c Class) String() string {
	return [...]string{"failure", "transient", "final", "lost"}[c]
}

// Kind says why it failed.
type Kind int

// The kinds.
const (
	Other       Kind = iota
	Unreachable      // no answer, no usable connection, or a server that is out of order for now
	Denied           // no right, or no valid credentials
	NotFound         // the server does not have it
	Invalid          // the request, or what it is made from, is wrong
)

// String is the kind in lower case.
func (k Kind) String() string {
	return [...]string{"other", "unreachable", "denied", "not found", "invalid"}[k]
}

// Fault is what is known about an error.
type Fault struct {
	Class      Class
	Kind       Kind
	RetryAfter time.Duration // what the server asked for; 0 if it did not
	Hint       string        // the next step for the reader; "" if there is none to tell
}

// ErrLost marks an effect whose outcome is unknown: wrap it to say that a call may or may not have been executed.
var ErrLost = errors.New("outcome unknown")

// Classify tells what err means. The nil error and one that nothing is known about are Fault{}: a failure for another reason.
// An end of the caller's own context (context.Canceled, context.DeadlineExceeded) is that as well, because only the caller knows
// what it means; timeouts of the network are transient. Of several joined errors the rule that stands first in the table decides,
// and refusals stand before what is transient.
func Classify(err error) Fault {
	if err == nil {
		return Fault{}
	}
	for _, r := range rules() {
		if f, ok := r.match(err); ok {
			if f.RetryAfter == 0 && f.Class == Transient {
				f.RetryAfter = retryAfter(err)
			}
			return f
		}
	}
	return Fault{}
}

// retryAfter is what any error in the tree says about the wait.
func retryAfter(err error) time.Duration {
	for e := range tree(err) {
		if d := waitOf(e); d > 0 {
			return d
		}
	}
	return 0
}

// tree gives err and all that it wraps, outer ones first.
func tree(err error) iter.Seq[error] {
	return func(yield func(error) bool) { walk(err, yield) }
}

func walk(err error, yield func(error) bool) bool {
	if err == nil {
		return true
	}
	if !yield(err) {
		return false
	}
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		return walk(u.Unwrap(), yield)
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			if !walk(e, yield) {
				return false
			}
		}
	}
	return true
}

// ownContext says whether the very errors of package context are in the tree. errors.Is does not tell: the timeouts of package
// net say they are context.DeadlineExceeded too.
func ownContext(err error) bool {
	for e := range tree(err) {
		if e == context.Canceled || e == context.DeadlineExceeded {
			return true
		}
	}
	return false
}
