package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// signalled takes in a signal, or the end of the channel that brings them.
func (w *walker) signalled(sig Signal, ok bool) {
	r := w.run
	switch {
	case !ok:
		r.opts.Interrupt = nil
	case r.signal != 0:
		r.again = true
		w.stop(&stopError{reason: "interrupted twice", outcome: Cancelled, handedOn: r.handedOn()}, 0)
	default:
		w.interrupted(sig)
	}
}

// parentEnded takes in the end of Run's context. After a signal it says nothing new.
func (w *walker) parentEnded() {
	w.run.parent = nil
	if w.run.signal == 0 {
		w.interrupted(SignalInterrupt)
	}
}

// interrupted stops steps. finally goes on: it is what an interrupted run still does.
func (w *walker) interrupted(sig Signal) {
	reason := map[Signal]string{
		SignalTerminate: "terminated", SignalSuspend: "suspended: the next process of this run goes on", SignalBereft: "its lock was lost",
	}[sig]
	if reason == "" {
		reason = "interrupted"
	}
	w.run.signal = sig
	if w.main != nil && !w.run.handedOn() {
		w.events = append(w.events, RunCancelling{Stamp{time.Now()}, reason + "; finally goes on"})
		return
	}
	w.stop(&stopError{reason: reason, outcome: Cancelled, handedOn: w.run.handedOn()}, w.run.opts.Grace)
}

// HandedOn tells whether the context of an attempt was ended because another process of the run goes on with it: now, or once it is resumed,
// where the journal could not be written.
func HandedOn(ctx context.Context) bool {
	stop, ok := errors.AsType[*stopError](context.Cause(ctx))
	return ok && stop.handedOn
}

// abandon ends a list that is not walked here.
func (w *walker) abandon() {
	for _, s := range w.states {
		s.result.Outcome, s.result.Reason = Cancelled, w.main.stopReason()
		w.tally.add(&s.result)
	}
}

func (w *walker) stopReason() string {
	if w.stopped == nil {
		return "suspended"
	}
	return w.stopped.reason
}

// outOfTime ends the list when its budget ran out. A running step of finally then timed out; steps are cancelled, for the run did.
func (w *walker) outOfTime() {
	w.time = nil
	late := w.run.opts.LateGrace / 2 // steps and finally share it, so that together they stay within one
	if w.main != nil {
		w.stop(&stopError{reason: fmt.Sprintf("finally's timeout of %s ran out", shortDuration(w.run.plan.FinallyTimeout)), outcome: TimedOut}, late)
		return
	}
	w.run.timedOut = true
	w.stop(&stopError{reason: fmt.Sprintf("the run's timeout of %s ran out", shortDuration(w.run.plan.Timeout)), outcome: Cancelled}, late)
}

// stop ends the list: what waits is cancelled now, what runs is asked to return and given up after grace. A second reason only
// shortens the grace.
func (w *walker) stop(why *stopError, grace time.Duration) {
	if first := w.stopped == nil; first || w.run.again && !w.abandoned {
		w.events = append(w.events, RunCancelling{Stamp{time.Now()}, why.reason})
	}
	if w.stopped == nil {
		w.stopped = why
		w.cancel(why)
		w.decidable, w.ready, w.retries = nil, nil, nil
		for s := range w.leaves() {
			if !s.done && !s.live {
				w.cancelWaiting(s, why)
			}
		}
	}
	if at := time.Now().Add(grace); !w.abandoned && (w.patience == nil || at.Before(w.giveUpAt)) {
		w.giveUpAt, w.grace = at, grace
		if w.patience == nil {
			w.patience = time.NewTimer(grace)
		} else {
			w.patience.Reset(grace)
		}
		if grace == 0 {
			w.giveUp()
		}
	}
}

// cancelWaiting ends a step or instance of which no attempt is running.
func (w *walker) cancelWaiting(s *stepState, why *stopError) {
	if s.retry != nil {
		s.retry.Stop()
	}
	s.result.Outcome, s.result.Verdict = Cancelled, NoVerdict
	s.result.Reason, s.result.Cause = why.reason, why.cause
	w.finish(s)
}

// giveUp leaves the attempts that did not return in time to themselves.
func (w *walker) giveUp() {
	if w.abandoned {
		return
	}
	w.abandoned = true
	for s := range w.leaves() {
		if s.live {
			s.giveUp()
		}
	}
}

// lostReason tells why the attempt at s is not waited for.
func (w *walker) lostReason(s *stepState) string {
	switch {
	case !w.abandoned && s.halted():
		return fmt.Sprintf("did not stop within %s: %s", shortDuration(w.run.opts.Grace), s.whole.stopped.reason)
	case w.grace == 0:
		return "was still running when the run was interrupted a second time"
	}
	return fmt.Sprintf("did not stop within %s: %s", shortDuration(w.grace), w.stopped.reason)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// shortDuration writes a duration as plan files do: 1d2h3m4s5ms, without the parts that are zero.
func shortDuration(d time.Duration) string {
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}
	var b strings.Builder
	for _, u := range units {
		if n := d / u.size; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + u.name)
			d %= u.size
		}
	}
	if b.Len() == 0 {
		return d.String()
	}
	return b.String()
}
