package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// walker takes one list of steps, steps or finally, from waiting to terminal. One goroutine owns it; attempts run in their own
// and report over ends.
type walker struct {
	run    *runState
	main   *walker // the walker of steps, when this one is finally's
	states []*stepState
	tally  outcomeTally

	open, busy       int // steps that are not terminal; steps and instances under way
	decidable, ready []*stepState
	retries          []*stepState // whose delay is over
	culprit          *stepState   // the first that failed, under failFast
	hasty            []*stepState // whose matrix is to fail fast

	stopped   *stopError
	cancel    context.CancelCauseFunc
	abandoned bool        // running attempts were given up
	patience  *time.Timer // gives them up; nil while nothing is stopped
	giveUpAt  time.Time
	grace     time.Duration

	ends chan attemptEnd
	due  chan *stepState
	time <-chan time.Time // the budget's end; nil when there is none

	// What the turn brought, until commit.
	records  []Record
	events   []Event
	launches []*stepState
}

// stopError is why a list of steps stops before its end; it is the cause of the contexts it cancels.
type stopError struct {
	reason  string
	cause   []string // the step or instance that failed fast
	outcome Outcome  // of the attempts it ends
}

func (e *stopError) Error() string { return e.reason }

func newWalker(r *runState, steps []*Step, main *walker) *walker {
	w := &walker{run: r, main: main, states: newStepStates(steps, main != nil), open: len(steps)}
	units, matrices := len(steps), 0
	for _, s := range w.states {
		if s.pending == 0 {
			w.decidable = append(w.decidable, s)
		}
		if m := s.step.Matrix; m != nil {
			units += len(m.Instances)
			matrices++
		}
	}
	// No sender ever waits: what is under way has one end, and one delay to wait for; a delay of what a matrix cancelled may be due
	// beside those of what took its places; and a matrix has one grace.
	width := min(w.width(), units)
	w.ends, w.due = make(chan attemptEnd, width), make(chan *stepState, 2*width+matrices)
	return w
}

func (w *walker) width() int { return max(w.run.plan.MaxParallel, 1) }

// walk returns when every step is terminal. ctx is not cancelled by the run's end.
func (w *walker) walk(ctx context.Context) {
	attempts, cancel := context.WithCancelCause(ctx)
	w.cancel = cancel
	defer cancel(nil)
	budget, since := w.run.plan.Timeout, w.run.opts.Since
	if w.main != nil {
		budget, since = w.run.plan.FinallyTimeout, time.Time{}
	}
	if budget > 0 && w.open > 0 {
		if !since.IsZero() {
			budget = max(budget-time.Since(since), 0)
		}
		t := time.NewTimer(budget)
		defer t.Stop()
		w.time = t.C
	}
	defer func() {
		if w.patience != nil {
			w.patience.Stop()
		}
	}()
	for {
		w.poll()
		w.settle()
		w.commit(ctx, attempts)
		switch {
		case w.unsettled():
		case w.open == 0:
			return
		default:
			w.wait()
		}
	}
}

// poll looks for a reason to stop, so that nothing starts after one.
func (w *walker) poll() {
	r := w.run
	switch {
	case w.open == 0:
	case r.again:
		w.stop(&stopError{reason: "interrupted twice", outcome: Cancelled}, 0)
	case r.journalErr != nil:
		w.stop(&stopError{reason: firstLine(r.journalErr.Error()), outcome: Cancelled}, r.opts.Grace)
	}
	for {
		select {
		case sig, ok := <-r.opts.Interrupt:
			w.signalled(sig, ok)
		case <-r.parent:
			w.parentEnded()
		case <-w.time:
			w.outOfTime()
		default:
			return
		}
	}
}

// settle decides and starts all that can be.
func (w *walker) settle() {
	if w.culprit != nil && w.stopped == nil {
		id := w.culprit.id()
		w.stop(&stopError{fmt.Sprintf("step %s failed, and the plan fails fast", id), []string{id}, Cancelled}, w.run.opts.Grace)
	}
	for ; w.stopped == nil && len(w.hasty) > 0; w.hasty = w.hasty[1:] {
		w.stopInstances(w.hasty[0])
	}
	for w.stopped == nil && w.culprit == nil && len(w.hasty) == 0 {
		switch {
		case len(w.retries) > 0:
			s := w.retries[0]
			w.retries = w.retries[1:]
			if !s.done { // its matrix may have cancelled it
				w.attempt(s)
			}
		case len(w.decidable) > 0:
			s := w.decidable[0]
			w.decidable = w.decidable[1:]
			w.decide(s)
		case len(w.ready) > 0 && w.busy < w.width():
			s := w.ready[0]
			w.ready = w.ready[1:]
			if !s.done {
				w.start(s)
			}
		default:
			w.stranded()
			return
		}
	}
}

// stranded ends the steps that can never begin: a plan that was not checked may have needs that do not exist or form a circle.
func (w *walker) stranded() {
	if w.busy > 0 || w.open == 0 {
		return
	}
	for _, s := range w.states {
		if !s.done {
			w.fail(s, errors.New("its needs do not exist or form a circle"))
		}
	}
	w.decidable = nil
}

// commit makes the turn take effect: journal first, in one piece, then events, then the new attempts.
func (w *walker) commit(ctx, attempts context.Context) {
	sound := w.run.append(ctx, w.records)
	w.records = w.records[:0]
	for _, e := range w.events {
		if _, starts := e.(StepStarted); sound || !starts {
			w.run.out.send(e)
		}
	}
	clear(w.events)
	w.events = w.events[:0]
	for _, s := range w.launches {
		if sound {
			w.launch(attempts, s)
		} else {
			s.unbegin() // poll cancels it
		}
	}
	clear(w.launches)
	w.launches = w.launches[:0]
}

// unsettled tells whether there is more to do before the next message.
func (w *walker) unsettled() bool {
	return len(w.events) > 0 || w.stopped == nil && w.open > 0 && (w.culprit != nil || len(w.hasty) > 0 || w.run.journalErr != nil)
}

// launch runs one attempt in a goroutine of its own.
func (w *walker) launch(ctx context.Context, s *stepState) {
	s.live = true
	s.gate = &eventGate{sink: w.run.out}
	call := &Call{Step: s.step, Instance: s.result.Instance, Attempt: s.result.Attempts, With: s.inputs.With, Run: w.runVars()}
	s.gate.wire(call)
	ctx, s.cancel = context.WithCancelCause(ctx)
	limit := newAttemptLimit(s.inputs.Timeout, s.deadline, w.run.opts.LateGrace)
	s.giveUp = startAttempt(ctx, w.run.opts.Do, call, limit, func(end attemptEnd) {
		end.state = s
		w.ends <- end // there is room for all that run at once
	})
}

// wait takes in the next message and those that are there with it.
func (w *walker) wait() {
	var giveUp <-chan time.Time
	if w.patience != nil && !w.abandoned {
		giveUp = w.patience.C
	}
	select {
	case end := <-w.ends:
		w.over(end)
	case s := <-w.due:
		w.retryDue(s)
	case sig, ok := <-w.run.opts.Interrupt:
		w.signalled(sig, ok)
	case <-w.run.parent:
		w.parentEnded()
	case <-w.time:
		w.outOfTime()
	case <-giveUp:
		w.giveUp()
	}
	for {
		select {
		case end := <-w.ends:
			w.over(end)
		case s := <-w.due:
			w.retryDue(s)
		default:
			return
		}
	}
}

// over takes in an attempt's end: another follows, or the step is terminal.
func (w *walker) over(end attemptEnd) {
	s := end.state
	s.live = false
	s.cancel(nil)
	s.gate.close()
	j := judge(end, w.run.opts.Classify)
	if end.gaveUp == gaveUpStopped {
		j.reason = w.lostReason(s)
	}
	var delay time.Duration
	again := false
	if w.stopped == nil && !s.halted() {
		delay, again = s.nextDelay(&j, w.run.opts.Jitter)
	}
	r := &s.result
	if w.run.opts.Journal != nil && !w.cutOff(j.outcome) {
		w.records = append(w.records, attemptFinishedRecord(r, &j, delay))
	}
	r.Err, r.Verdict, r.Reason, r.Outputs = end.err, j.verdict, j.reason, end.res.Outputs
	if again {
		now := time.Now()
		w.events = append(w.events, AttemptFailed{Stamp{now}, r.ID, r.Instance, r.Attempts, s.before + s.step.Retry.Attempts, end.err, delay})
		s.retry = time.AfterFunc(delay, func() { w.due <- s })
		return
	}
	r.Outcome, r.Cause = j.outcome, j.cause
	w.finish(s)
}

// cutOff tells whether such an end is only this process's: the run goes on elsewhere, and the attempt is still open there.
func (w *walker) cutOff(o Outcome) bool { return w.run.handedOn() && (o == Cancelled || o == Lost) }

// retryDue begins the attempt whose delay is over, unless the step was cancelled meanwhile; or ends the grace of instances.
func (w *walker) retryDue(s *stepState) {
	switch {
	case s.instances != nil:
		s.instancesLate()
	case !s.done:
		w.retries = append(w.retries, s)
	}
}
