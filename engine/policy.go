package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// attemptLimit bounds one attempt: its context ends at at, and late after that it is given up.
type attemptLimit struct {
	at   time.Time // zero: no limit of its own
	why  *timeoutError
	late time.Duration
}

// timeoutError is the cause of a context that ran out of its step's own time.
type timeoutError struct {
	reason string
	retry  bool // the attempt's timeout, after which another may follow; not the deadline
}

func (e *timeoutError) Error() string { return e.reason }

// newAttemptLimit limits an attempt that begins now by its timeout or its step's deadline, whichever ends first.
func newAttemptLimit(timeout time.Duration, deadline time.Time, late time.Duration) attemptLimit {
	l := attemptLimit{late: late}
	if timeout > 0 {
		l.at = time.Now().Add(timeout)
		l.why = &timeoutError{fmt.Sprintf("its timeout of %s ran out", shortDuration(timeout)), true}
	}
	if !deadline.IsZero() && (l.at.IsZero() || deadline.Before(l.at)) {
		l.at = deadline
		l.why = &timeoutError{"its deadline ran out", false}
	}
	return l
}

// attemptEnd is what an attempt came to.
type attemptEnd struct {
	state  *stepState
	res    Result
	err    error
	cause  error // why its context was done when it returned; nil if it was not
	gaveUp gaveUp
	late   time.Duration // what it was given after its time was over
}

// gaveUp says why an attempt was not waited for any longer.
type gaveUp int

const (
	gaveUpNot     gaveUp = iota
	gaveUpLate           // its own time was over
	gaveUpStopped        // the run stopped
)

// startAttempt makes one attempt in a goroutine of its own. Its end is reported once: when do returns, or late after the limit, or
// when giveUp is called; do is then left to itself, and what it does later is not heard. report must not block.
func startAttempt(ctx context.Context, do Do, call *Call, l attemptLimit, report func(attemptEnd)) (giveUp func()) {
	var over atomic.Bool
	lost := func(why gaveUp) {
		if over.CompareAndSwap(false, true) {
			err := fmt.Errorf("step %s: %w", call.Step.ID, errNoAnswer)
			report(attemptEnd{err: err, cause: context.Cause(ctx), gaveUp: why, late: l.late})
		}
	}
	cancel, tooLate := func() {}, (*time.Timer)(nil)
	if !l.at.IsZero() {
		ctx, cancel = context.WithDeadlineCause(ctx, l.at, l.why)
		tooLate = time.AfterFunc(time.Until(l.at)+l.late, func() { lost(gaveUpLate) })
	}
	go func() {
		var end attemptEnd
		returned := false
		defer func() {
			if p := recover(); p != nil {
				// Only its type: the value may quote what the step was working on, secrets too.
				end = attemptEnd{err: fmt.Errorf("step %s: panicked with a %T: %w", call.Step.ID, p, errBroken)}
			} else if !returned {
				end = attemptEnd{err: fmt.Errorf("step %s: ended its goroutine: %w", call.Step.ID, errBroken)}
			}
			end.cause = context.Cause(ctx)
			cancel()
			if tooLate != nil {
				tooLate.Stop()
			}
			if over.CompareAndSwap(false, true) {
				report(end)
			}
		}()
		end.res, end.err = do(ctx, call)
		returned = true
	}()
	return func() { lost(gaveUpStopped) }
}

var (
	errBroken   = errors.New("a fault of the program, not of its input")
	errNoAnswer = errors.New("did not stop when asked to, so what it did is unknown")
)

// judgement is what an attempt's end means.
type judgement struct {
	outcome    Outcome // succeeded, failed, timedOut, lost or cancelled
	verdict    Verdict
	reason     string
	err        error
	class      Class
	retryAfter time.Duration
	timeout    *timeoutError // set when the step's own time ran out
	cause      []string      // of what was cancelled: the step or instance that failed fast
}

// judge tells what an attempt's end means. What was lost is lost whatever ended it; else an error after the context was done
// is the doing of what ended the context.
func judge(end attemptEnd, classify Classify) judgement {
	j := judgement{verdict: end.res.Verdict, reason: end.res.Reason, err: end.err}
	switch j.verdict {
	case NoVerdict, Fail, Unknown:
	case Pass:
		if end.err != nil {
			j.verdict = Unknown
		}
	default:
		j.verdict = Unknown
	}
	if end.err == nil {
		j.outcome = Succeeded
		if j.verdict == Fail || j.verdict == Unknown {
			j.outcome = Failed
		}
		return j
	}
	if j.reason == "" {
		j.reason = firstLine(end.err.Error())
	}
	j.outcome = Failed
	switch {
	case end.gaveUp != gaveUpNot:
		j.class = ClassLost
	case errors.Is(end.err, errBroken):
		j.class = ClassFinal
	default:
		j.class, j.retryAfter = classify(end.err)
	}
	j.blame(end)
	return j
}

// blame settles the outcome of an attempt that ended with an error.
func (j *judgement) blame(end attemptEnd) {
	var stop *stopError
	errors.As(end.cause, &j.timeout)
	switch {
	case j.class == ClassLost:
		j.outcome, j.verdict = Lost, NoVerdict
		if end.gaveUp == gaveUpLate {
			j.reason = fmt.Sprintf("%s, and it did not stop within %s", end.cause, shortDuration(end.late))
		}
	case j.timeout != nil:
		j.outcome, j.reason = TimedOut, j.timeout.reason
	case errors.As(end.cause, &stop):
		j.outcome, j.reason = stop.outcome, stop.reason
		if j.outcome == Cancelled {
			j.verdict, j.cause = NoVerdict, stop.cause
		}
	}
}

// nextDelay tells whether another attempt follows the one judged, and after how long. When only the deadline forbids it, the
// judgement's reason says so.
func (s *stepState) nextDelay(j *judgement, jitter func(time.Duration) time.Duration) (time.Duration, bool) {
	if j.class == ClassOver && j.outcome == Failed && s.adopts {
		s.adopts = false
		s.before++
		return 0, true
	}
	if s.result.Attempts-s.before >= s.step.Retry.Attempts || !s.step.Retry.wants(j) {
		return 0, false
	}
	delay := s.step.Retry.delayAfter(s.result.Attempts-s.before, j.retryAfter, jitter)
	if !s.deadline.IsZero() && !time.Now().Add(delay).Before(s.deadline) {
		j.reason += fmt.Sprintf(" (no further attempt: the next would begin in %s, after the step's deadline)", shortDuration(delay.Round(time.Millisecond)))
		return 0, false
	}
	return delay, true
}

// wants tells whether such an end is to be repeated. A verdict of fail never is; unknown is when its cause passes by itself.
func (r *Retry) wants(j *judgement) bool {
	has := func(w RetryWhen) bool { return slices.Contains(r.When, w) || w == RetryFailure && r.lists(j.err) }
	switch {
	case j.verdict == Fail || j.err == nil:
		return false
	case j.outcome == TimedOut:
		return j.timeout != nil && j.timeout.retry && has(RetryTimeout)
	case j.outcome != Failed:
		return false
	case j.class == ClassTransient:
		return has(RetryTransient) || has(RetryFailure)
	case j.class == ClassFailure:
		return has(RetryFailure) && j.verdict != Unknown
	}
	return false
}

// lists tells whether an error tells exit codes, at least one, and all of them are listed.
func (r *Retry) lists(err error) bool {
	var failed interface{ ExitCodes() []int }
	if len(r.ExitCodes) == 0 || !errors.As(err, &failed) {
		return false
	}
	codes := failed.ExitCodes()
	return len(codes) > 0 && !slices.ContainsFunc(codes, func(code int) bool { return !slices.Contains(r.ExitCodes, code) })
}

// noMaxDelay stands for a missing MaxDelay, so that the power below cannot overflow.
const noMaxDelay = 365 * 24 * time.Hour

// delayAfter is the delay after the n-th attempt, from 1: evenly from 0 to Delay × Backoff^(n-1), at most MaxDelay, and no less
// than the server asked for.
func (r *Retry) delayAfter(n int, retryAfter time.Duration, jitter func(time.Duration) time.Duration) time.Duration {
	most := r.MaxDelay
	if most <= 0 {
		most = noMaxDelay
	}
	if d := float64(r.Delay) * math.Pow(max(r.Backoff, 1), float64(n-1)); d < float64(most) {
		most = time.Duration(d)
	}
	return max(jitter(max(most, 0)), retryAfter, 0)
}
