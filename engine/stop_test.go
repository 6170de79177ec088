package engine

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// signals sends signals at the given times after the start.
func signals(sig Signal, at ...time.Duration) func(*Plan, *Options) {
	return func(_ *Plan, o *Options) {
		ch := make(chan Signal, len(at))
		o.Interrupt = ch
		for _, d := range at {
			time.AfterFunc(d, func() { ch <- sig })
		}
	}
}

func TestFailFastCancelsWhatRunsAndWhatWaits(t *testing.T) {
	steps := []testStep{
		{id: "a", do: failsAfter(time.Second, errPlain)}, {id: "b", do: takes(time.Hour)}, {id: "c", needs: []string{"b"}},
		{id: "d", needs: []string{"a"}, cond: always}, {id: "e", retry: Retry{Attempts: 2, Delay: time.Minute, When: []RetryWhen{RetryTransient}}, do: failsWith(errPasses)},
	}
	failFast := func(p *Plan, _ *Options) { p.FailFast = true }
	res := run(t, steps, []testStep{{id: "ping"}, {id: "c2", cond: cancelled}}, failFast)
	wantRun(t, res, "a=failed b=cancelled(a) c=cancelled(a) d=cancelled(a) e=cancelled(a) ping=succeeded c2=skipped(own)", RunFailed, 1)
	if took := stepOf(t, res, "b").Finished.Sub(stepOf(t, res, "a").Finished); took != 0 {
		t.Errorf("b ran on for %s", took)
	}
	if b := stepOf(t, res, "b"); !strings.Contains(b.Reason, "step a failed") {
		t.Errorf("reason %q", b.Reason)
	}
	steps[0] = testStep{id: "a", do: finds(Fail), coe: true}
	steps[4].retry.Attempts = 1
	steps[4].coe = true
	wantRun(t, run(t, steps, nil, failFast), "a=ignored/fail b=succeeded c=succeeded d=succeeded e=ignored", RunDegraded, 3)
}

func failsAfter(d time.Duration, err error) Do {
	return func(context.Context, *Call) (Result, error) { time.Sleep(d); return Result{}, err }
}

func TestTheRunsTimeoutCancelsStepsAndFinallyStillRuns(t *testing.T) {
	var seen Vars
	res := run(t, []testStep{{id: "a", do: takes(2 * time.Hour), timeout: 9 * time.Hour}, {id: "b", needs: []string{"a"}, cond: always}, {id: "c"}},
		[]testStep{{id: "ping", cond: func(v *Vars) (bool, error) { seen = *v; return true, nil }, do: takes(time.Second)}},
		func(p *Plan, _ *Options) { p.Timeout = time.Hour })
	wantRun(t, res, "a=cancelled b=cancelled c=succeeded ping=succeeded", RunTimedOut, 124)
	if r := stepOf(t, res, "b").Reason; r != "the run's timeout of 1h ran out" {
		t.Errorf("reason %q", r)
	}
	if !seen.Cancelled || seen.Success || seen.Run.Outcome != RunTimedOut || seen.Run.ExitCode != 124 {
		t.Errorf("finally saw %+v", seen)
	}
}

func TestAnInterruptCancelsStepsAndFinallyStillRuns(t *testing.T) {
	for sig, exit := range map[Signal]int{SignalInterrupt: 130, SignalTerminate: 143} {
		log := &eventLog{}
		res := run(t, []testStep{{id: "a", do: takes(time.Hour)}, {id: "b", needs: []string{"a"}, cond: always}},
			[]testStep{{id: "ping", do: takes(time.Second)}}, signals(sig, time.Minute), func(_ *Plan, o *Options) { o.Events = log.add })
		wantRun(t, res, "a=cancelled b=cancelled ping=succeeded", RunCancelled, exit)
		if got := log.String(); strings.Count(got, "stop(") != 1 {
			t.Errorf("events: %s", got)
		}
	}
}

func TestTheEndOfTheContextIsAnInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, do := testPlan([]testStep{{id: "a", do: takes(time.Hour)}}, []testStep{{id: "ping", do: takes(time.Second)}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wantRun(t, Run(ctx, p, Options{Do: do}), "a=cancelled ping=succeeded", RunCancelled, 130)
	})
}

func TestNothingStartsOnceTheRunIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, do := testPlan([]testStep{{id: "a"}}, []testStep{{id: "ping"}})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		res := Run(ctx, p, Options{Do: do})
		wantRun(t, res, "a=cancelled ping=succeeded", RunCancelled, 130)
		if a := stepOf(t, res, "a"); a.Attempts != 0 || !a.Started.IsZero() {
			t.Errorf("a began: %+v", a)
		}
	})
}

func TestWorkThatSucceedsDespiteAnInterruptHasSucceeded(t *testing.T) {
	res := run(t, []testStep{{id: "a", do: ignores(time.Minute + time.Second)}, {id: "b", needs: []string{"a"}}}, nil, signals(SignalInterrupt, time.Minute))
	wantRun(t, res, "a=succeeded b=cancelled", RunCancelled, 130)
}

func TestASecondInterruptEndsAtOnce(t *testing.T) {
	t.Run("in steps", func(t *testing.T) {
		res := run(t, []testStep{{id: "a", do: ignores(time.Hour)}, {id: "b", do: takes(time.Hour)}}, []testStep{{id: "ping"}},
			signals(SignalInterrupt, time.Minute, time.Minute+3*time.Second))
		wantRun(t, res, "a=lost b=cancelled ping=cancelled", RunCancelled, 130)
		if took := res.Finished.Sub(stepOf(t, res, "a").Started); took != time.Minute+3*time.Second {
			t.Errorf("took %s", took)
		}
	})
	t.Run("in finally", func(t *testing.T) {
		res := run(t, nil, []testStep{{id: "a", do: ignores(time.Hour)}, {id: "b", needs: []string{"a"}}},
			signals(SignalTerminate, 10*time.Second, 20*time.Second))
		wantRun(t, res, "a=lost b=cancelled", RunCancelled, 143)
		if took := res.Finished.Sub(stepOf(t, res, "a").Started); took != 20*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestTheFirstInterruptDoesNotCancelFinally(t *testing.T) {
	res := run(t, []testStep{{id: "a"}}, []testStep{{id: "ping", do: takes(30 * time.Second)}}, signals(SignalInterrupt, 10*time.Second))
	wantRun(t, res, "a=succeeded ping=succeeded", RunCancelled, 130)
}

func TestAStepThatDoesNotStopIsLostAndNeverTriedAgain(t *testing.T) {
	retry := Retry{Attempts: 5, When: []RetryWhen{RetryTimeout, RetryFailure, RetryTransient}}
	stuck := testStep{id: "a", do: ignores(100 * time.Hour), timeout: time.Minute, retry: retry}
	deadline := stuck
	deadline.timeout, deadline.limit = time.Hour, 2*time.Minute
	cases := map[string]struct {
		step   testStep
		change func(*Plan, *Options)
		took   time.Duration
		reason string
		run    RunOutcome
		exit   int
	}{
		"timeout":  {stuck, func(*Plan, *Options) {}, 65 * time.Second, "its timeout of 1m ran out, and it did not stop within 5s", RunFailed, 5},
		"deadline": {deadline, func(*Plan, *Options) {}, 125 * time.Second, "its deadline ran out, and it did not stop within 5s", RunFailed, 5},
		"interrupt": {deadline, signals(SignalInterrupt, 30*time.Second), 40 * time.Second,
			"did not stop within 10s: interrupted", RunCancelled, 130},
		"interrupt, then its timeout": {stuck, signals(SignalInterrupt, 59*time.Second), 65 * time.Second,
			"interrupted, and it did not stop within 5s", RunCancelled, 130},
		"run's timeout": {deadline, func(p *Plan, _ *Options) { p.Timeout = time.Minute }, 62500 * time.Millisecond,
			"did not stop within 2s500ms: the run's timeout of 1m ran out", RunTimedOut, 5},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			res := run(t, []testStep{c.step}, nil, c.change)
			wantRun(t, res, "a=lost", c.run, c.exit)
			a := stepOf(t, res, "a")
			if took := a.Finished.Sub(a.Started); took != c.took || a.Reason != c.reason || a.Attempts != 1 {
				t.Errorf("%d attempts, %s, %q; want 1, %s, %q", a.Attempts, took, a.Reason, c.took, c.reason)
			}
		})
	}
}

// P8: the run's timeout + finallyTimeout + 5 s, whatever the steps do.
func TestP8ARunEndsInTimeThoughNothingHeedsItsContext(t *testing.T) {
	const budget, last = time.Hour, time.Minute
	stuck := []testStep{{id: "a", do: ignores(100 * time.Hour), timeout: 50 * time.Hour}, {id: "b", needs: []string{"a"}}}
	cases := map[string]func(*Plan, *Options){
		"by itself":                     func(*Plan, *Options) {},
		"interrupted just before":       signals(SignalInterrupt, budget-time.Second),
		"interrupted twice":             signals(SignalInterrupt, time.Second, 2*time.Second),
		"interrupted in finally":        signals(SignalInterrupt, budget+30*time.Second),
		"interrupted twice, in finally": signals(SignalInterrupt, budget+30*time.Second, budget+40*time.Second),
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			res := run(t, stuck, []testStep{{id: "f", do: ignores(100 * time.Hour), timeout: 50 * time.Hour}, {id: "g", needs: []string{"f"}}},
				change, func(p *Plan, _ *Options) { p.Timeout, p.FinallyTimeout = budget, last })
			if took := res.Finished.Sub(stepOf(t, res, "a").Started); took > budget+last+5*time.Second {
				t.Errorf("took %s", took)
			}
			if res.ExitCode == 0 || stepOf(t, res, "a").Outcome != Lost || stepOf(t, res, "b").Outcome != Cancelled {
				t.Errorf("%s, exit %d", outcomes(res), res.ExitCode)
			}
		})
	}
}

func TestFinallyOutOfTimeIsAFailure(t *testing.T) {
	res := run(t, []testStep{{id: "a"}}, []testStep{{id: "f", do: takes(time.Hour)}, {id: "g", needs: []string{"f"}}})
	wantRun(t, res, "a=succeeded f=timedOut g=cancelled", RunFailed, 1)
	res = run(t, []testStep{{id: "a"}}, []testStep{{id: "f", do: takes(time.Hour), coe: true}, {id: "g", needs: []string{"f"}}})
	wantRun(t, res, "a=succeeded f=ignored g=cancelled", RunFailed, 1)
}
