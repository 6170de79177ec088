package engine

// outcomeTally counts what steps came to. From it alone come a run's outcome and exit code.
type outcomeTally struct {
	lost      int // outcome unknown
	failed    int // failed, timedOut or lost, not ignored
	work      int // work that failed, without a verdict, not ignored
	fail      int // verdict fail, ignored or not
	unknown   int // verdict unknown, ignored or not
	ignored   int
	slack     int // ignored work, without a verdict
	cancelled int
	unmet     int // terminal but not met, so that success() is false
}

// met tells whether a need with this result counts as met: it succeeded, was ignored, or was skipped by its own if.
func (r *StepResult) met() bool {
	return r.Outcome == Succeeded || r.Outcome == Ignored || r.Outcome == Skipped && r.OwnIf
}

// bad tells whether a need with this result makes failure() true.
func (r *StepResult) bad() bool {
	return r.Outcome == Failed || r.Outcome == TimedOut || r.Outcome == Lost
}

func (t *outcomeTally) add(r *StepResult) {
	if !r.met() {
		t.unmet++
	}
	if r.bad() {
		t.failed++
	}
	switch r.Outcome {
	case Lost:
		t.lost++
	case Cancelled:
		t.cancelled++
	case Failed, TimedOut:
		t.addFault(r.Verdict, &t.work)
	case Ignored:
		t.ignored++
		t.addFault(r.Verdict, &t.slack)
	}
}

// addFault counts a fault by its verdict, and one without a verdict in plain.
func (t *outcomeTally) addFault(v Verdict, plain *int) {
	switch v {
	case Fail:
		t.fail++
	case Unknown:
		t.unknown++
	default:
		*plain++
	}
}

func (t *outcomeTally) merge(o outcomeTally) {
	t.lost += o.lost
	t.failed += o.failed
	t.work += o.work
	t.fail += o.fail
	t.unknown += o.unknown
	t.ignored += o.ignored
	t.slack += o.slack
	t.cancelled += o.cancelled
	t.unmet += o.unmet
}

// runOutcome names what became of the run so far.
func (t *outcomeTally) runOutcome(r *runState) RunOutcome {
	switch {
	case r.handedOn():
		return RunSuspended
	case r.signal != 0:
		return RunCancelled
	case r.timedOut:
		return RunTimedOut
	case t.failed > 0 || t.cancelled > 0 || r.journalErr != nil:
		return RunFailed
	case t.ignored > 0:
		return RunDegraded
	}
	return RunSucceeded
}

// exitCode is the process's: interrupted comes before all else, then the first that holds of 5, 124, 1, 3, 4.
func (t *outcomeTally) exitCode(r *runState) int {
	switch {
	case r.signal == SignalTerminate, r.signal == SignalSuspend:
		return ExitTerminated
	case r.signal == SignalBereft:
		return ExitLost
	case r.signal != 0:
		return ExitInterrupted
	case t.lost > 0:
		return ExitLost
	case r.timedOut:
		return ExitTimedOut
	case t.work > 0, r.journalErr != nil, r.opts.Strict && t.slack > 0:
		return ExitFailed
	case t.fail > 0:
		return ExitFail
	case t.unknown > 0:
		return ExitUnknown
	case t.unmet > 0: // nothing above explains it: finally ran out of time before this step began
		return ExitFailed
	}
	return ExitOK
}
