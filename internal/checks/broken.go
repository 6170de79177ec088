package checks

import (
	"context"
	"errors"

	"plan/internal/errclass"
	"plan/internal/kube"
	"plan/internal/objectstore"
)

// Broken is the finding for an error that kept a check from looking. It is always unknown, whatever the error is, and its cause is the
// error in its own words.
func Broken(object string, err error) Finding {
	if err == nil {
		err = errors.New("no reason is known")
	}
	fault := errclass.Classify(err)
	f := Finding{Verdict: Unknown, Object: object, Cause: err.Error(), Err: err}
	f.Name, f.Message, f.Next = explain(err, fault)
	if fault.Hint != "" {
		f.Next = fault.Hint
	}
	return f
}

func explain(err error, fault errclass.Fault) (name Name, message, next string) {
	switch {
	case ended(err, fault):
		return Unfinished, "the check was not finished", "give it more time, or run it again"
	case fault.Kind == errclass.Denied:
		return NotAllowed, "not allowed to look", "grant the right that the cause names, or give other credentials"
	case errors.Is(err, kube.ErrNotServed):
		return NotInstalled, "not installed: the server does not have this resource", "install what defines it, or correct group, version and name"
	case errors.Is(err, objectstore.ErrNoBucket):
		return NoStore, "the store itself is not there", "create it, or correct its name"
	case fault.Class == errclass.Transient || fault.Kind == errclass.Unreachable:
		return Unreachable, "it could not be reached, or broke off", "run the check again; if it stays so, see to the server or the network"
	}
	return Unreadable, "it could not be read", "see to what the cause names, then run the check again"
}

// ended tells whether the caller's own context ended the work. The timeouts of package net say that they are
// context.DeadlineExceeded too; the table of errors has them as transient.
func ended(err error, fault errclass.Fault) bool {
	return fault.Class == errclass.Failure && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}
