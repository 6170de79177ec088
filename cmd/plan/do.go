package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plan/engine"
	"plan/internal/errclass"
	"plan/internal/objectstore"
	"plan/internal/runstore"
	"plan/steps"
)

// do gives the engine its work: decode the step, run its action. What it says is masked. Outputs are left as they are: later steps need the
// truth, and what leaves the process is masked where it leaves.
func (s *session) do(run string, started time.Time) engine.Do {
	return func(ctx context.Context, call *engine.Call) (engine.Result, error) {
		action, err := s.decode(call.Step.Uses, call.With)
		if err != nil {
			return engine.Result{}, invalid{errors.New(s.app.masker.Mask(err.Error()))}
		}
		result, err := action.Run(ctx, s.env(run, started, call))
		return s.masked(result, err)
	}
}

// invalid marks an error that no retry mends.
type invalid struct{ error }

func (s *session) env(run string, started time.Time, call *engine.Call) *steps.Env {
	scope := s.scope()
	scope.Run, scope.Started, scope.Step, scope.Instance, scope.Attempt = run, started, call.Step.ID, call.Instance, call.Attempt
	scope.Timeout = call.Timeout
	return &steps.Env{
		Scope:   scope,
		Cluster: steps.Cluster{Name: s.cluster.Name, UID: s.uid},
		Kube:    s.kube,
		Store: func(name string) (objectstore.Store, error) {
			if name == "" {
				name = call.Step.Store
			}
			store, ok := s.stores[name]
			if !ok {
				return nil, fmt.Errorf("there is no store %q", name)
			}
			return store, nil
		},
		Secret:    s.resolver.Value,
		Bitwarden: s.resolver.Bitwarden,
		Hide:      func(value string) { s.app.masker.Add(value) },
		Dir:       s.baseDir,
		Run:       steps.RunState{Outcome: string(call.Run.Outcome), ExitCode: call.Run.ExitCode},
		Mask:      s.app.masker.Mask,
		HandedOn:  engine.HandedOn,
		Now:       time.Now,
		Log:       func(format string, args ...any) { call.Log("%s", s.app.masker.Mask(fmt.Sprintf(format, args...))) },
		Progress: func(what string, done, total int64, unit string) {
			call.Progress(engine.Progress{What: what, Done: done, Total: total, Unit: unit})
		},
		Note:    func(key, value string) error { return s.note(call, key, value) },
		Noted:   call.Noted,
		PodLog:  func(l steps.PodLine) { l.Text = s.app.masker.Mask(l.Text); call.PodLog(engine.PodLine(l)) },
		KeepLog: func(name string, data []byte) error { return s.keepLog(call, name, data) },
	}
}

// note refuses what the journal could not give back as it was.
func (s *session) note(call *engine.Call, key, value string) error {
	if _, ok := s.resolver.Seal(value); !ok {
		return fmt.Errorf("note %s: a value from outside would show in it", s.app.masker.Mask(key))
	}
	return call.Note(key, value)
}

// keepLog keeps a pod's log, masked before it is cut: half a value is not recognized.
func (s *session) keepLog(call *engine.Call, name string, data []byte) error {
	return s.logs.Keep(runstore.Log{
		Of: engine.InstanceID(call.Step.ID, call.Instance), Attempt: call.Attempt, Name: name, Time: time.Now(), Data: []byte(s.app.masker.Mask(string(data))),
	})
}

func (s *session) masked(r steps.Result, err error) (engine.Result, error) {
	out := engine.Result{Verdict: engine.Verdict(r.Verdict), Reason: s.app.masker.Mask(r.Reason), Outputs: r.Outputs}
	if r.Settle != nil {
		out.Settle = func(ctx context.Context) error { return s.maskedError(r.Settle(ctx)) }
	}
	return out, s.maskedError(err)
}

func (s *session) maskedError(err error) error {
	if err == nil {
		return nil
	}
	return maskedError{s.app.masker.Mask(err.Error()), err}
}

// maskedError keeps its cause for classification and hides what came from outside.
type maskedError struct {
	text  string
	cause error
}

func (e maskedError) Error() string { return e.text }
func (e maskedError) Unwrap() error { return e.cause }

// classify tells the engine what an error means for a retry.
func classify(err error) (engine.Class, time.Duration) {
	if _, ok := err.(invalid); ok {
		return engine.ClassFinal, 0
	}
	if errors.Is(err, steps.ErrOver) {
		return engine.ClassOver, 0
	}
	fault := errclass.Classify(err)
	switch fault.Class {
	case errclass.Transient:
		return engine.ClassTransient, fault.RetryAfter
	case errclass.Final:
		return engine.ClassFinal, 0
	case errclass.Lost:
		return engine.ClassLost, 0
	}
	return engine.ClassFailure, 0
}
