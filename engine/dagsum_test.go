package engine

import "slices"

// sum is the run's outcome and exit code: the first line of the table that holds.
func (d *dagSpec) sum(ends map[int]dagEnd) (RunOutcome, int) {
	any := func(f func(dagEnd) bool) bool {
		for _, e := range ends {
			if slices.ContainsFunc(e.leaves(), f) {
				return true
			}
		}
		return false
	}
	ignored := func(e dagEnd) bool { return e.outcome == Ignored }
	work := func(e dagEnd) bool {
		return e.verdict == NoVerdict && (e.outcome == Failed || e.outcome == TimedOut || d.strict && ignored(e))
	}
	late := slices.ContainsFunc(d.finally, func(s dagStep) bool { return s.tries[0].kind == endPlain })
	outcome := RunSucceeded
	if any(ignored) {
		outcome = RunDegraded
	}
	if late || any(func(e dagEnd) bool { return e.bad() }) {
		outcome = RunFailed
	}
	if d.cut > 0 {
		outcome = RunTimedOut
	}
	if d.cut > 0 && d.signal != 0 {
		return RunCancelled, map[Signal]int{SignalInterrupt: 130, SignalTerminate: 143}[d.signal]
	}
	switch {
	case any(func(e dagEnd) bool { return e.outcome == Lost }):
		return outcome, 5
	case d.cut > 0:
		return outcome, 124
	case late, any(work):
		return outcome, 1
	case any(func(e dagEnd) bool { return e.verdict == Fail }):
		return outcome, 3
	case any(func(e dagEnd) bool { return e.verdict == Unknown }):
		return outcome, 4
	}
	return outcome, 0
}
