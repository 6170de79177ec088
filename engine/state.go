package engine

import (
	"maps"
	"strings"
	"time"
)

// stepState is what the walker knows about one step, or one instance of its matrix. Only the walker's goroutine touches it.
type stepState struct {
	step       *Step
	needs      []*stepState
	dependents []*stepState
	pending    int // needs that are not terminal

	// What the needs, and theirs all the way up, hand down. Each is handed on once, when a need becomes terminal, so that
	// success() and failure() cost nothing to ask.
	tainted bool // one was not met
	broken  bool // one failed, timed out or is lost

	whole     *stepState // of an instance: its step as a whole
	matrix    *Instance  // of an instance
	instances []*stepState
	held      []*stepState // instances that the matrix's MaxParallel keeps from being ready
	left      int          // instances that are not terminal
	culprit   *stepState   // the first instance that failed, under the matrix's failFast
	stopped   *stopError   // what the culprit did to the others

	inputs   Inputs
	deadline time.Time   // zero: none
	retry    *time.Timer // set while the step waits for its next attempt; of a whole that was stopped, while its instances may return
	gate     *eventGate  // of the running attempt
	cancel   func(error) // cancels the running attempt
	giveUp   func()      // ends the running attempt without waiting for it
	busy     bool        // holds one of maxParallel's places
	live     bool        // an attempt is running
	done     bool        // terminal
	recorded bool        // its result stands in a journal already
	before   int         // attempts of earlier invocations
	adopts   bool        // its first attempt here is one that an earlier invocation has begun
	notes    map[string]string
	result   StepResult
}

// newStepStates links the steps of one list. A need that is not in the list keeps its step from ever being ready.
func newStepStates(steps []*Step, final bool) []*stepState {
	states, room := make([]*stepState, len(steps)), make([]stepState, len(steps))
	byID := make(map[string]*stepState, len(steps))
	for i, s := range steps {
		states[i] = &room[i]
		states[i].step, states[i].pending = s, len(s.Needs)
		states[i].result = StepResult{ID: s.ID, Uses: s.Uses, Final: final, Outcome: Waiting}
		byID[s.ID] = states[i]
	}
	for _, s := range states {
		for _, id := range s.step.Needs {
			if need := byID[id]; need != nil {
				s.needs = append(s.needs, need)
				need.dependents = append(need.dependents, s)
			}
		}
	}
	return states
}

// unmetNeeds names the steps that keep success() false for s: needs that were not met, or, behind needs that ran all the same,
// those of theirs.
func (s *stepState) unmetNeeds() []string {
	var ids []string
	seen := map[*stepState]bool{}
	for queue := s.needs; len(queue) > 0; {
		need := queue[0]
		queue = queue[1:]
		if seen[need] {
			continue
		}
		seen[need] = true
		if !need.result.met() {
			ids = append(ids, need.step.ID)
		} else if need.tainted {
			queue = append(queue[:len(queue):len(queue)], need.needs...)
		}
	}
	return ids
}

// decide settles whether a step runs, now that all its needs are terminal.
func (w *walker) decide(s *stepState) {
	if w.remembered(s) {
		return
	}
	v := w.vars(s)
	run := v.Success || w.main != nil
	if s.step.If != nil {
		var err error
		if run, err = s.step.If(v); err != nil {
			w.fail(s, err)
			return
		}
	}
	switch {
	case run && s.step.Matrix != nil:
		w.expand(s)
		return
	case run:
		w.ready = append(w.ready, s)
		return
	}
	s.result.Outcome = Skipped
	if s.result.OwnIf = v.Success || s.step.If != nil && !w.wouldRun(s); s.result.OwnIf {
		s.result.Reason = "its condition is false"
	} else if w.main != nil {
		s.result.Cause = w.main.unmet()
		s.result.Reason = "not every step succeeded"
	} else {
		s.result.Cause = s.unmetNeeds()
		s.result.Reason = "needs " + strings.Join(s.result.Cause, ", ")
	}
	w.finish(s)
}

// wouldRun tells whether a step whose condition is false would have run if every need had been met: then the needs are to blame,
// else the condition itself. A condition that cannot be told blames the needs, for that never makes a step look done.
func (w *walker) wouldRun(s *stepState) bool {
	v := w.vars(s)
	v.Success, v.Failure = true, false
	run, err := s.step.If(v)
	return run || err != nil
}

// vars is what the expressions of s see.
func (w *walker) vars(s *stepState) *Vars {
	v := &Vars{Run: w.runVars(), Steps: w.run.steps, Cancelled: w.run.signal != 0 || w.run.timedOut}
	if s.matrix != nil {
		v.Matrix = s.matrix.Values
	}
	if w.main != nil {
		v.Success, v.Failure = w.main.tally.unmet == 0, w.main.tally.failed > 0
	} else {
		v.Success, v.Failure = !s.top().tainted, s.top().broken
	}
	return v
}

// runVars is `run` in expressions: the steps so far, or, in finally, all of steps.
func (w *walker) runVars() RunVars {
	tally := &w.tally
	if w.main != nil {
		tally = &w.main.tally
	}
	r := w.run
	return RunVars{ID: r.opts.RunID, Name: r.plan.Name, Outcome: tally.runOutcome(r), ExitCode: tally.exitCode(r)}
}

// fail ends a step whose expressions could not be evaluated.
func (w *walker) fail(s *stepState, err error) {
	s.result.Outcome, s.result.Err, s.result.Reason = Failed, err, firstLine(err.Error())
	w.finish(s)
}

// start begins a ready step.
func (w *walker) start(s *stepState) {
	if s.step.Inputs != nil {
		var err error
		if s.inputs, err = s.step.Inputs(w.vars(s)); err != nil {
			w.fail(s, err)
			return
		}
	}
	s.result.Started = time.Now()
	if s.inputs.Deadline > 0 {
		s.deadline = s.result.Started.Add(s.inputs.Deadline)
	}
	s.busy = true
	w.busy++
	known := w.run.opts.known(&s.result)
	if s.before = known.attempts; known.open {
		s.adopts = true
		s.before--
	}
	s.result.Attempts, s.notes = s.before, maps.Clone(known.notes)
	w.attempt(s)
}

// attempt queues the next attempt at a step; commit launches it.
func (w *walker) attempt(s *stepState) {
	s.retry = nil
	s.result.Outcome = Running
	s.result.Attempts++
	if w.run.opts.Journal != nil {
		w.records = append(w.records, attemptStartedRecord(&s.result))
	}
	w.events = append(w.events, StepStarted{
		Stamp{time.Now()}, s.step.ID, s.result.Instance, s.result.Attempts, s.before + max(s.step.Retry.Attempts, 1),
	})
	w.launches = append(w.launches, s)
}

// unbegin takes back an attempt that could not be recorded and so was not made.
func (s *stepState) unbegin() {
	if s.result.Attempts--; s.result.Attempts == s.before {
		s.result.Started = time.Time{}
	}
}

// finish makes a step or instance terminal with the result it has, and hands on to its dependents what that means for them.
func (w *walker) finish(s *stepState) {
	r := &s.result
	if s.step.ContinueOnError && (r.Outcome == Failed || r.Outcome == TimedOut) {
		r.Outcome = Ignored
	}
	if s.busy {
		s.busy = false
		w.busy--
	}
	s.done = true
	if !r.Recorded {
		r.Finished = time.Now()
	}
	if s.instances == nil { // else they are counted
		w.tally.add(r)
	}
	if w.run.opts.Journal != nil && !s.recorded && !w.cutOff(r.Outcome) {
		w.records = append(w.records, stepFinishedRecord(r))
	}
	w.events = append(w.events, StepFinished{Stamp{time.Now()}, *r})
	if w.main == nil && w.run.plan.FailFast && w.culprit == nil && r.bad() {
		w.culprit = s
	}
	if s.whole != nil {
		w.instanceOver(s)
		return
	}
	w.open--
	vars := StepVars{Outcome: r.Outcome, Verdict: r.Verdict}
	s.outputs(&vars)
	w.run.steps[r.ID] = vars
	for _, d := range s.dependents {
		d.tainted = d.tainted || s.tainted || !r.met()
		d.broken = d.broken || s.broken || r.bad()
		if d.pending--; d.pending == 0 && !d.done {
			w.decidable = append(w.decidable, d)
		}
	}
}

// unmet names the steps of the list that were not met, in file order.
func (w *walker) unmet() []string {
	var ids []string
	for _, s := range w.states {
		if !s.result.met() {
			ids = append(ids, s.step.ID)
		}
	}
	return ids
}
