package engine

import (
	"testing"
	"time"
)

func TestExitCodesComeInTheirOrder(t *testing.T) {
	// Each row holds all that the rows below it hold, so that the first must win.
	all := outcomeTally{lost: 1, failed: 4, work: 1, fail: 1, unknown: 1, ignored: 1, slack: 1, cancelled: 1, unmet: 5}
	r := runState{signal: SignalTerminate, timedOut: true}
	want := func(code int, outcome RunOutcome) {
		t.Helper()
		if got, o := all.exitCode(&r), all.runOutcome(&r); got != code || o != outcome {
			t.Errorf("exit %d, %s; want %d, %s", got, o, code, outcome)
		}
	}
	want(143, RunCancelled)
	r.signal = SignalInterrupt
	want(130, RunCancelled)
	r.signal = 0
	want(5, RunTimedOut)
	all.lost = 0
	want(124, RunTimedOut)
	r.timedOut = false
	want(1, RunFailed)
	all.work, r.opts.Strict = 0, true
	want(1, RunFailed)
	r.opts.Strict = false
	want(3, RunFailed)
	all.fail = 0
	want(4, RunFailed)
	all.unknown = 0
	want(1, RunFailed) // cancelled, and nothing says why
	all.failed, all.cancelled, all.unmet = 0, 0, 0
	want(0, RunDegraded)
	all.ignored = 0
	want(0, RunSucceeded)
}

func TestDurationsAreToldAsPlansWriteThem(t *testing.T) {
	for in, want := range map[int64]string{0: "0s", 1500e6: "1s500ms", 90e9: "1m30s", 26 * 3600e9: "1d2h", 700: "700ns"} {
		if got := shortDuration(time.Duration(in)); got != want {
			t.Errorf("%d: got %s, want %s", in, got, want)
		}
	}
}
