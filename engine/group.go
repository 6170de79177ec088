package engine

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// A step with a matrix has one stepState as a whole, which the plan's needs lead to, and, once it was decided that it runs, one per
// instance. The walker starts, repeats and stops those; the state of the whole is never busy nor live.

// expand begins a step with a matrix: its instances become ready, as many as the matrix admits at once.
func (w *walker) expand(s *stepState) {
	m := s.step.Matrix
	if len(m.Instances) == 0 {
		w.fail(s, errors.New("its matrix has no combinations"))
		return
	}
	s.left, s.result.Instances = len(m.Instances), len(m.Instances)
	s.instances = make([]*stepState, s.left)
	all := make([]stepState, s.left)
	for i, instance := range m.Instances {
		all[i] = stepState{step: s.step, whole: s, matrix: instance}
		all[i].result = StepResult{ID: s.result.ID, Instance: instance.Key, Uses: s.result.Uses, Final: s.result.Final, Outcome: Waiting}
		s.instances[i] = &all[i]
	}
	var wanted, recalled []*stepState
	for _, instance := range s.instances {
		if w.recall(instance) {
			recalled = append(recalled, instance)
		} else {
			wanted = append(wanted, instance)
		}
	}
	first := len(wanted)
	if m.MaxParallel > 0 {
		first = min(first, m.MaxParallel)
	}
	w.ready = append(w.ready, wanted[:first]...)
	s.held, s.recorded = wanted[first:], len(wanted) == 0 && recalled[0].recorded
	for _, instance := range recalled {
		w.finish(instance)
	}
}

// leaves are the states that can be under way: steps, and instances in the place of steps that have them.
func (w *walker) leaves() iter.Seq[*stepState] {
	return func(yield func(*stepState) bool) {
		for _, s := range w.states {
			if s.instances == nil && !yield(s) {
				return
			}
			for _, instance := range s.instances {
				if !yield(instance) {
					return
				}
			}
		}
	}
}

// instanceOver takes in that an instance is terminal: the next one is ready, or the step is terminal too.
func (w *walker) instanceOver(s *stepState) {
	whole := s.whole
	if whole.left--; whole.left == 0 {
		if whole.retry != nil {
			whole.retry.Stop()
		}
		whole.sum()
		w.finish(whole)
		return
	}
	if s.step.Matrix.FailFast && s.result.bad() && whole.culprit == nil {
		whole.culprit = s
		w.hasty = append(w.hasty, whole)
	}
	if len(whole.held) > 0 && !s.result.Recorded { // a recalled one held no place
		w.ready = append(w.ready, whole.held[0])
		whole.held = whole.held[1:]
	}
}

// stopInstances stops the instances of a matrix that fails fast, as stop does with all steps.
func (w *walker) stopInstances(whole *stepState) {
	id := whole.culprit.id()
	why := &stopError{reason: fmt.Sprintf("%s failed, and its matrix fails fast", id), cause: []string{id}, outcome: Cancelled}
	whole.stopped, whole.held = why, nil
	for _, s := range whole.instances {
		switch {
		case s.live:
			s.cancel(why)
		case !s.done:
			w.cancelWaiting(s, why)
		}
	}
	if !whole.done {
		whole.retry = time.AfterFunc(w.run.opts.Grace, func() { w.due <- whole })
	}
}

// instancesLate leaves instances that did not stop in time to themselves.
func (s *stepState) instancesLate() {
	for _, instance := range s.instances {
		if instance.live {
			instance.giveUp()
		}
	}
}

// The outcomes and verdicts of instances, worst first. A step passed only where every instance did.
var (
	worstOutcome = []Outcome{Lost, Failed, TimedOut, Cancelled, Ignored, Succeeded}
	worstVerdict = []Verdict{Fail, Unknown, NoVerdict, Pass}
)

// sum makes the result of a step as a whole of those of its instances.
func (s *stepState) sum() {
	r := &s.result
	count := map[Outcome]int{}
	outcome, verdict := len(worstOutcome)-1, len(worstVerdict)-1
	for _, instance := range s.instances {
		i := &instance.result
		count[i.Outcome]++
		outcome = min(outcome, slices.Index(worstOutcome, i.Outcome))
		verdict = min(verdict, slices.Index(worstVerdict, i.Verdict))
		r.Attempts += i.Attempts
		if !i.Started.IsZero() && (r.Started.IsZero() || i.Started.Before(r.Started)) {
			r.Started = i.Started
		}
	}
	r.Outcome, r.Verdict = worstOutcome[outcome], worstVerdict[verdict]
	if r.Outcome == Cancelled {
		i := slices.IndexFunc(s.instances, func(i *stepState) bool { return i.result.Outcome == Cancelled })
		r.Cause = s.instances[i].result.Cause
	}
	r.Reason = counted(count, len(s.instances))
}

// counted tells what instances came to: "1 failed, 2 succeeded of 3 instances".
func counted(count map[Outcome]int, all int) string {
	var parts []string
	for _, outcome := range worstOutcome {
		if count[outcome] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[outcome], outcome))
		}
	}
	unit := "instances"
	if all == 1 {
		unit = "instance"
	}
	return fmt.Sprintf("%s of %d %s", strings.Join(parts, ", "), all, unit)
}

// outputs are the step's in expressions: its own, or the list of those of its instances. Only a step that succeeded or was
// ignored has them.
func (s *stepState) outputs(vars *StepVars) {
	if r := &s.result; r.Outcome != Succeeded && r.Outcome != Ignored {
		return
	}
	if s.instances == nil {
		vars.Outputs = s.result.Outputs
		return
	}
	vars.List = make([]any, len(s.instances))
	for i, instance := range s.instances {
		outputs := instance.result.Outputs
		if outputs == nil {
			outputs = map[string]any{}
		}
		vars.List[i] = map[string]any{"matrix": instance.matrix.Values, "outputs": outputs}
	}
}

// top is the state of the step as a whole.
func (s *stepState) top() *stepState { return cmp.Or(s.whole, s) }

// id names the step or instance for people.
func (s *stepState) id() string { return InstanceID(s.result.ID, s.result.Instance) }

// halted tells whether the matrix that s belongs to was stopped.
func (s *stepState) halted() bool { return s.whole != nil && s.whole.stopped != nil }
