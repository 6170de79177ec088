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

	ends  chan attemptEnd
	notes chan note // without room: one that was handed over is answered
	due   chan *stepState
	time  <-chan time.Time // the budget's end; nil when there is none

	// What the turn brought, until commit.
	records  []Record
	noted    []note
	events   []Event
	settling []settling
	launches []*stepState
}

// stopError is why a list of steps stops before its end; it is the cause of the contexts it cancels.
type stopError struct {
	reason  string
	cause   []string // the step or instance that failed fast
	outcome Outcome  // of the attempts it ends

	handedOn bool // another process takes them up, now or when the run is resumed
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
	w.ends, w.due, w.notes = make(chan attemptEnd, width), make(chan *stepState, 2*width+matrices), make(chan note)
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
		w.stop(&stopError{reason: firstLine(r.journalErr.Error()), outcome: Cancelled, handedOn: true}, r.opts.Grace)
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
		w.stop(&stopError{reason: fmt.Sprintf("step %s failed, and the plan fails fast", id), cause: []string{id}, outcome: Cancelled}, w.run.opts.Grace)
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

// commit makes the turn take effect: journal first, in one piece, then events, then what settles results, then the new attempts.
func (w *walker) commit(ctx, attempts context.Context) {
	sound := w.run.append(ctx, w.records)
	w.records = w.records[:0]
	w.answer(sound)
	for _, e := range w.events {
		if _, starts := e.(StepStarted); sound || !starts {
			w.run.out.send(e)
		}
	}
	clear(w.events)
	w.events = w.events[:0]
	for _, s := range w.settling {
		if sound {
			w.run.settle(ctx, s)
		}
	}
	clear(w.settling)
	w.settling = w.settling[:0]
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

// wait takes in the next message and those that are there with it.
func (w *walker) wait() {
	var giveUp <-chan time.Time
	if w.patience != nil && !w.abandoned {
		giveUp = w.patience.C
	}
	select {
	case end := <-w.ends:
		w.over(end)
	case n := <-w.notes:
		w.note(n)
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
