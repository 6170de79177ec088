package engine

import (
	"context"
	"maps"
	"time"
)

// launch runs one attempt in a goroutine of its own.
func (w *walker) launch(ctx context.Context, s *stepState) {
	s.live = true
	s.gate = newEventGate(w.run.out)
	call := &Call{
		Step: s.step, Instance: s.result.Instance, Attempt: s.result.Attempts, With: s.inputs.With, Timeout: s.inputs.Timeout, Run: w.runVars(),
		Noted: maps.Clone(s.notes), Note: w.noter(s),
	}
	s.gate.wire(call)
	ctx, s.cancel = context.WithCancelCause(ctx)
	limit := newAttemptLimit(s.inputs.Timeout, s.deadline, w.run.opts.LateGrace)
	s.giveUp = startAttempt(ctx, w.run.opts.Do, call, limit, func(end attemptEnd) {
		end.state = s
		w.ends <- end // there is room for all that run at once
	})
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
	if end.res.Settle != nil && j.outcome != Lost && !w.cutOff(j.outcome) {
		w.settling = append(w.settling, settling{r.ID, r.Instance, end.res.Settle})
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
