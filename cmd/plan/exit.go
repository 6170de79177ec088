package main

import (
	"errors"
	"fmt"
	"strings"

	"plan/engine"
	"plan/internal/errclass"
	"plan/internal/kube"
	"plan/internal/printable"
	"plan/internal/report"
	"plan/internal/secrets"
	"plan/schema"
)

// exit is an error that knows its exit code. Without a cause there is nothing left to say.
type exit struct {
	code    int
	err     error
	printed bool // stdout has the run's document already, so that err is for stderr
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// orNil is e, unless nothing went wrong.
func (e exit) orNil() error {
	if e.code == engine.ExitOK {
		return nil
	}
	return e
}

func usage(err error) error { return exit{code: engine.ExitInvalid, err: err} }

// exitCode is the code of an error that came before the first step. Steps have their own, which the engine computes.
func exitCode(err error) int {
	var known exit
	if errors.As(err, &known) {
		return known.code
	}
	if _, ok := engine.AsProblems(err); ok {
		return engine.ExitInvalid
	}
	if kind, ok := secrets.Worst(err); ok {
		switch kind {
		case secrets.Denied:
			return engine.ExitDenied
		case secrets.Unreachable:
			return engine.ExitUnreachable
		}
		return engine.ExitInvalid
	}
	if errors.Is(err, kube.ErrNoConfig) || errors.Is(err, kube.ErrNoContext) {
		return engine.ExitInvalid
	}
	switch errclass.Classify(err).Kind {
	case errclass.Denied:
		return engine.ExitDenied
	case errclass.Unreachable:
		return engine.ExitUnreachable
	case errclass.NotFound, errclass.Invalid:
		return engine.ExitInvalid
	}
	return engine.ExitFailed
}

// report prints an error: as text to stderr, as JSON to stdout for programs, or as annotations when it is of a plan's file.
func (a *app) report(err error, format string) {
	if format == "json" || format == "ndjson" {
		a.reportJSON(err)
		return
	}
	who := "plan: "
	if problems, ok := engine.AsProblems(err); ok {
		if format == "github" {
			a.annotate(problems)
			return
		}
		who = "" // each begins with its file
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(a.err, who+printable.String(line))
	}
	if hint := errclass.Classify(err).Hint; hint != "" && !strings.Contains(err.Error(), hint) {
		fmt.Fprintln(a.err, "plan: "+hint)
	}
}

func (a *app) annotate(problems schema.Problems) {
	for _, p := range problems {
		fmt.Fprintln(a.out, annotation(p))
	}
}

func (a *app) reportJSON(err error) {
	problems, _ := engine.AsProblems(err)
	document := struct {
		SchemaVersion int             `json:"schemaVersion"`
		Kind          string          `json:"kind"`
		Error         string          `json:"error,omitempty"`
		Hint          string          `json:"hint,omitempty"`
		Problems      schema.Problems `json:"problems,omitempty"`
		ExitCode      int             `json:"exitCode"`
	}{report.SchemaVersion, "Error", "", errclass.Classify(err).Hint, problems, exitCode(err)}
	if problems == nil {
		document.Error = err.Error()
	}
	_ = report.WriteJSON(a.maskedJSON(), document) // there is no better place to complain
}
