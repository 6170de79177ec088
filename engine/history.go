package engine

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"
)

// History is what the earlier invocations of a run came to, folded from its journal.
type History struct {
	Last        RunStartedRecord   // of the last invocation
	Invocations int                // how many there were
	Ended       *RunFinishedRecord // nil when the last one did not get to its end
	Suspended   bool               // the last one stopped so that another goes on

	units    map[string]*unitHistory // by InstanceID
	borrowed bool                    // of another run
}

// unitHistory is what is known of a step, or of an instance of its matrix.
type unitHistory struct {
	attempts int  // the number of the last one
	open     bool // it was begun, and what came of it is not known: it is adopted, under its number
	finished *StepFinishedRecord
	at       time.Time // of finished
	notes    map[string]string
}

// Fold reads a journal's entries. The first must be a RunStartedRecord.
func Fold(entries []JournalEntry) (*History, error) {
	h := &History{units: map[string]*unitHistory{}}
	for _, e := range entries {
		if h.Invocations == 0 {
			if _, ok := e.Record.(RunStartedRecord); !ok {
				return nil, fmt.Errorf("fold journal: it begins with a record %s", e.Record.recordType())
			}
		}
		h.take(e)
	}
	if h.Invocations == 0 {
		return nil, errors.New("fold journal: it has no records")
	}
	return h, nil
}

// Settled yields, for each step or instance that is at its end, which step it is and what its attempts noted: what their Settle would have
// tidied up may still be there, if the process did not live to do it.
func (h *History) Settled() iter.Seq2[string, map[string]string] {
	return func(yield func(string, map[string]string) bool) {
		for id, u := range h.units {
			step, _, _ := strings.Cut(id, "[")
			if u.finished != nil && !u.open && len(u.notes) > 0 && !yield(step, maps.Clone(u.notes)) {
				return
			}
		}
	}
}

func (h *History) take(e JournalEntry) {
	switch r := e.Record.(type) {
	case RunStartedRecord:
		h.Last, h.Ended, h.Suspended = r, nil, false
		h.Invocations++
		for _, id := range r.Again {
			h.Forget(id)
		}
	case AttemptStartedRecord:
		u := h.unit(r.Step, r.Instance)
		u.attempts, u.open, u.finished = r.Attempt, true, nil
		h.unit(r.Step, "").finished = nil // an instance that runs again undoes its step
	case StepNotedRecord:
		u := h.unit(r.Step, r.Instance)
		if u.notes == nil {
			u.notes = map[string]string{}
		}
		u.notes[r.Key] = r.Value
	case AttemptFinishedRecord:
		h.unit(r.Step, r.Instance).open = r.Outcome == Lost
	case StepFinishedRecord:
		u := h.unit(r.Step, r.Instance)
		u.open = u.open && r.Outcome == Lost
		u.finished, u.at = &r, e.Time
	case SuspendedRecord:
		h.Suspended = true
	case RunFinishedRecord:
		h.Ended = &r
	}
}

func (h *History) unit(step, instance string) *unitHistory {
	id := InstanceID(step, instance)
	if h.units[id] == nil {
		h.units[id] = &unitHistory{}
	}
	return h.units[id]
}

// done tells whether a unit never runs again: it succeeded, was skipped by its own condition, or was ignored without a verdict of fail or
// unknown. Steps of finally are never done.
func (u *unitHistory) done() bool {
	if u == nil || u.finished == nil || u.finished.Final {
		return false
	}
	r := &StepResult{Outcome: u.finished.Outcome, OwnIf: u.finished.OwnIf}
	return r.met() && u.finished.Verdict != Fail && u.finished.Verdict != Unknown
}

// result is a finished unit's result.
func (u *unitHistory) result() StepResult {
	f := u.finished
	var err error
	if f.Error != "" {
		err = errors.New(f.Error)
	}
	return StepResult{
		Err: err, ID: f.Step, Instance: f.Instance, Instances: f.Instances, Final: f.Final, Outcome: f.Outcome, Verdict: f.Verdict, OwnIf: f.OwnIf,
		Attempts: f.Attempts, Reason: f.Reason, Cause: f.Cause, Started: f.Started, Finished: u.at, Outputs: f.Outputs, Recorded: true,
	}
}

// Results are the last results of all units by InstanceID, done or not; of one that was begun and has none the outcome is Running.
func (h *History) Results() map[string]StepResult {
	all := map[string]StepResult{}
	for id, u := range h.units {
		switch {
		case u.finished != nil:
			all[id] = u.result()
		case u.attempts > 0:
			all[id] = StepResult{Outcome: Running, Attempts: u.attempts}
		}
	}
	return all
}

// Lost are the steps and instances whose outcome is not known.
func (h *History) Lost() (ids []string) {
	for id, u := range h.units {
		if u.finished != nil && u.finished.Outcome == Lost && u.finished.Instances == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// Forget makes steps run again that are done, with all their instances.
func (h *History) Forget(step string) {
	for id, u := range h.units {
		if u.finished != nil && u.finished.Step == step {
			h.units[id].finished = nil
		}
	}
}

// Borrow is what another run may take over for the steps it leaves out: what is done, without the attempts, which are that run's own.
func (h *History) Borrow(leftOut func(step string) bool) *History {
	b := &History{Last: h.Last, units: map[string]*unitHistory{}, borrowed: true}
	for id, u := range h.units {
		if u.done() && leftOut(u.finished.Step) {
			b.units[id] = &unitHistory{finished: u.finished, at: u.at}
		}
	}
	return b
}

// MapTexts changes every text in the outputs of finished units and in notes, as the journal's owner must who has hidden values in them. An
// output with a text that cannot be changed is left out: whoever reads it then fails, and does not work with half a value. A note stays as
// it is then: that something was noted must not be forgotten.
func (h *History) MapTexts(change func(string) (string, bool)) {
	for _, u := range h.units {
		for key, value := range u.notes {
			if changed, ok := change(value); ok {
				u.notes[key] = changed
			}
		}
		if u.finished != nil && u.finished.Outputs != nil {
			u.finished.Outputs = MapOutputs(u.finished.Outputs, change)
		}
	}
}

// MapOutputs changes every text in outputs, in lists and mappings too. An output with a text that cannot be changed is left out.
func MapOutputs(outputs map[string]any, change func(string) (string, bool)) map[string]any {
	out := make(map[string]any, len(outputs))
	for name, value := range outputs {
		if changed, ok := mapTexts(value, change); ok {
			out[name] = changed
		}
	}
	return out
}

func mapTexts(v any, change func(string) (string, bool)) (any, bool) {
	all := true
	switch v := v.(type) {
	case string:
		return change(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			changed, ok := mapTexts(v[i], change)
			list[i], all = changed, all && ok
		}
		return list, all
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			name, ok := change(key)
			changed, too := mapTexts(value, change)
			out[name], all = changed, all && ok && too
		}
		return out, all
	}
	return v, true
}

// known gives what is known of a step or instance; never nil.
func (o *Options) known(r *StepResult) *unitHistory {
	if o.History != nil {
		if u := o.History.units[InstanceID(r.ID, r.Instance)]; u != nil {
			return u
		}
	}
	return &unitHistory{}
}

// recall gives a step or instance the result that it has from an earlier invocation. It reports whether it has one.
func (w *walker) recall(s *stepState) bool {
	u := w.run.opts.known(&s.result)
	if w.main != nil || !u.done() {
		return false
	}
	uses := s.result.Uses
	s.result, s.recorded = u.result(), !w.run.opts.History.borrowed
	s.result.Uses = uses
	return true
}

// leaveOut ends a step that is not to run now.
func (w *walker) leaveOut(s *stepState) bool {
	reason, out := w.run.opts.LeaveOut[s.step.ID]
	if !out {
		return false
	}
	s.result.Outcome, s.result.OwnIf, s.result.Reason = Skipped, true, reason
	w.finish(s)
	return true
}

// remembered settles a step by what is known of it, or leaves it to be decided.
func (w *walker) remembered(s *stepState) bool {
	if s.step.Matrix == nil || w.run.opts.known(&s.result).skipped() {
		if w.recall(s) {
			w.finish(s)
			return true
		}
	} else if w.main == nil && w.run.opts.known(&s.result).done() && w.allDone(s) {
		w.expand(s) // its instances are done, each with its outputs
		return true
	}
	return w.leaveOut(s)
}

// allDone tells whether every instance of a matrix is done: one that is left out may have others now than the run that lends it.
func (w *walker) allDone(s *stepState) bool {
	for _, i := range s.step.Matrix.Instances {
		if !w.run.opts.known(&StepResult{ID: s.step.ID, Instance: i.Key}).done() {
			return false
		}
	}
	return true
}

func (u *unitHistory) skipped() bool { return u.finished != nil && u.finished.Outcome == Skipped }
