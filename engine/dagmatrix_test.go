package engine

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"
)

func drawTries(t *rapid.T, n int, times func(time.Duration) time.Duration) (tries []dagTry) {
	for range n {
		tries = append(tries, dagTry{max(0, rapid.IntRange(-6, endKinds-1).Draw(t, "end")), times(30 * time.Second)})
	}
	return tries
}

// drawMatrix gives every third step a matrix.
func drawMatrix(t *rapid.T, s *dagStep, narrow bool, times func(time.Duration) time.Duration) {
	n := rapid.IntRange(-8, 4).Draw(t, "instances")
	if n < 1 {
		return
	}
	for range n {
		s.more = append(s.more, drawTries(t, len(s.tries), times))
	}
	s.skew = times(10 * time.Second)
	s.abreast = rapid.IntRange(0, 3).Draw(t, "abreast")
	// Where steps wait for a place, or all fail at once, which instance fails first is not laid down.
	s.hasty = rapid.Bool().Draw(t, "hasty") && !narrow && !s.badInput
}

// together is what becomes of a step with a matrix. When it fails fast, the first end that is bad stops the rest.
func (s *dagStep) together(start, stop, giveUp time.Duration) dagEnd {
	parts := s.lanes(start, stop, giveUp)
	if s.hasty {
		first, culprit := forever, 0
		for n, p := range parts {
			if p.bad() && p.at < first {
				first, culprit = p.at, n
			}
		}
		if first < stop {
			parts = s.lanes(start, first, min(giveUp, first+10*time.Second))
			for n := range parts {
				parts[n] = parts[n].blamed(fmt.Sprintf("%s[n=%d]", s.id, culprit))
			}
		}
	}
	end := dagEnd{outcome: Succeeded, verdict: Pass, parts: parts}
	for _, o := range []Outcome{Ignored, Cancelled, TimedOut, Failed, Lost} { // the last one there is counts
		if i := slices.IndexFunc(parts, func(p dagEnd) bool { return p.outcome == o }); i >= 0 {
			end.outcome, end.cause = o, parts[i].cause
		}
	}
	for _, v := range []Verdict{NoVerdict, Unknown, Fail} {
		if slices.ContainsFunc(parts, func(p dagEnd) bool { return p.verdict == v }) {
			end.verdict = v
		}
	}
	for _, p := range parts {
		end.attempts += p.attempts
		end.at = max(end.at, p.at)
	}
	return end
}

// lanes puts each instance, in order, where a lane is free first.
func (s *dagStep) lanes(start, stop, giveUp time.Duration) (parts []dagEnd) {
	free := []time.Duration{}
	for range s.more {
		free = append(free, start)
	}
	if s.abreast > 0 {
		free = free[:min(len(free), s.abreast)]
	}
	for n, tries := range s.more {
		slices.Sort(free)
		p := dagEnd{outcome: Cancelled, at: stop}
		if free[0] < stop {
			p = s.ignore(s.instance(n).alone(tries, free[0], stop, giveUp))
		}
		free[0] = p.at
		parts = append(parts, p)
	}
	return parts
}

// instance is the step with the n-th instance's own timeout and deadline.
func (s *dagStep) instance(n int) dagStep {
	of := *s
	of.timeout += time.Duration(n) * s.skew
	if of.deadline > 0 {
		of.deadline += time.Duration(n) * s.skew
	}
	return of
}

// leaves are the ends that count for the run: those of the instances, or the step's own.
func (e dagEnd) leaves() []dagEnd {
	if e.parts == nil {
		return []dagEnd{e}
	}
	return e.parts
}

// blamed is e with what failed fast as the cause of what was cancelled.
func (e dagEnd) blamed(culprit string) dagEnd {
	if e.outcome == Cancelled {
		e.cause = []string{culprit}
	}
	for n := range e.parts {
		e.parts[n] = e.parts[n].blamed(culprit)
	}
	return e
}

// name is what a leaf of the step's end is called.
func (s *dagStep) name(leaf int, e dagEnd) string {
	if e.parts == nil {
		return s.id
	}
	return fmt.Sprintf("%s[n=%d]", s.id, leaf)
}
