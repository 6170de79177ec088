package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// script fails as told, attempt by attempt, and then succeeds.
func script(ends ...Do) Do {
	return func(ctx context.Context, c *Call) (Result, error) {
		if c.Attempt <= len(ends) {
			return ends[c.Attempt-1](ctx, c)
		}
		return Result{}, nil
	}
}

func unknownFor(err error) Do {
	return func(context.Context, *Call) (Result, error) { return Result{Verdict: Unknown}, err }
}

func TestAnAttemptIsRepeatedOnlyForAReasonThatRetryNames(t *testing.T) {
	slow := takes(time.Hour)
	failAndErr := func(context.Context, *Call) (Result, error) { return Result{Verdict: Fail}, errPasses }
	cases := map[string]struct {
		do   Do
		when string // reasons that repeat it: t transient, o timeout, f failure
	}{
		"passes by itself":                 {failsWith(errPasses), "tf"},
		"failed work":                      {failsWith(errPlain), "f"},
		"refused":                          {failsWith(errRefused), ""},
		"effect unknown":                   {failsWith(errUnsure), ""},
		"timed out":                        {slow, "o"},
		"verdict fail":                     {finds(Fail), ""},
		"verdict fail with an error":       {failAndErr, ""},
		"verdict unknown":                  {finds(Unknown), ""},
		"verdict unknown, cause passes":    {unknownFor(errPasses), "tf"},
		"verdict unknown, cause does not":  {unknownFor(errPlain), ""},
		"verdict unknown, cause a refusal": {unknownFor(errRefused), ""},
		"panic":                            {func(context.Context, *Call) (Result, error) { panic("x") }, ""},
	}
	reasons := map[string]RetryWhen{"t": RetryTransient, "o": RetryTimeout, "f": RetryFailure}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for key, when := range reasons {
				res := run(t, []testStep{{id: "a", do: script(c.do), timeout: time.Minute, retry: Retry{Attempts: 2, Delay: time.Second, When: []RetryWhen{when}}}}, nil)
				a := stepOf(t, res, "a")
				if again := a.Attempts == 2; again != strings.Contains(c.when, key) || again != (a.Outcome == Succeeded) {
					t.Errorf("when %s: %d attempts, %s", when, a.Attempts, a.Outcome)
				}
			}
		})
	}
}

// exitError is a failure that tells exit codes.
type exitError []int

func (e exitError) Error() string    { return fmt.Sprintf("exit %v", []int(e)) }
func (e exitError) ExitCodes() []int { return e }

func TestExitCodesThatAreAllListedAreWorthAnotherTry(t *testing.T) {
	cases := map[string]struct {
		err   error
		again bool
	}{
		"listed":              {exitError{75}, true},
		"wrapped":             {fmt.Errorf("job x: %w", exitError{75, 3, 75}), true},
		"one that is not":     {exitError{75, 1}, false},
		"not known":           {exitError{}, false},
		"no error that tells": {errPlain, false},
		"of a refusal":        {errors.Join(errRefused, exitError{75}), false},
		"of what was lost":    {errors.Join(errUnsure, exitError{75}), false},
		"of what passes":      {errors.Join(errPasses, exitError{75}), true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			retry := Retry{Attempts: 2, Delay: time.Second, ExitCodes: []int{3, 75}}
			a := stepOf(t, run(t, []testStep{{id: "a", do: script(failsWith(c.err)), retry: retry}}, nil), "a")
			if a.Attempts != 1 != c.again {
				t.Errorf("%d attempts, %s", a.Attempts, a.Outcome)
			}
			retry.ExitCodes = nil
			if a := stepOf(t, run(t, []testStep{{id: "a", do: script(failsWith(c.err)), retry: retry}}, nil), "a"); a.Attempts != 1 {
				t.Errorf("none is listed, and there were %d attempts", a.Attempts)
			}
		})
	}
	slow := func(ctx context.Context, _ *Call) (Result, error) { <-ctx.Done(); return Result{}, exitError{75} }
	if a := stepOf(t, run(t, []testStep{{id: "a", do: slow, timeout: time.Second, retry: Retry{Attempts: 2, ExitCodes: []int{75}}}}, nil), "a"); a.Attempts != 1 {
		t.Error("a timeout is none of them")
	}
}

func TestDelaysGrowToTheirMaximumAndHonourRetryAfter(t *testing.T) {
	log := &eventLog{}
	retry := Retry{Attempts: 6, Delay: 5 * time.Second, Backoff: 2, MaxDelay: 15 * time.Second, When: []RetryWhen{RetryTransient}}
	after := failsWith(retryAfterError(time.Minute))
	f := failsWith(errPasses)
	res := run(t, []testStep{{id: "a", do: script(f, f, f, after, f), retry: retry}}, nil, func(_ *Plan, o *Options) { o.Events = log.add })
	want := "run a:1/6 a:again(5s) a:2/6 a:again(10s) a:3/6 a:again(15s) a:4/6 a:again(1m0s) a:5/6 a:again(15s) a:6/6 a:succeeded end:succeeded"
	if log.String() != want {
		t.Errorf("got  %s\nwant %s", log, want)
	}
	if a := stepOf(t, res, "a"); a.Finished.Sub(a.Started) != 105*time.Second || a.Err != nil || a.Reason != "" {
		t.Errorf("%+v", a)
	}
}

func TestJitterStaysWithinItsBoundsAndNothingOverflows(t *testing.T) {
	jitter := Options{}.withDefaults().Jitter
	rapid.Check(t, func(t *rapid.T) {
		r := Retry{
			Delay:    time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "delay")),
			Backoff:  rapid.Float64Range(0, 1e6).Draw(t, "backoff"),
			MaxDelay: time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "max")),
		}
		after := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "after"))
		n := rapid.IntRange(1, 1000).Draw(t, "n")
		d, most := r.delayAfter(n, after, jitter), r.MaxDelay
		if most == 0 {
			most = noMaxDelay
		}
		if d < after || d > max(most, after) {
			t.Fatalf("delay %s after %s, at most %s", d, after, most)
		}
		if n == 1 && r.MaxDelay > r.Delay && d > max(r.Delay, after) {
			t.Fatalf("first delay %s over %s", d, r.Delay)
		}
	})
}

func TestTheDeadlineBoundsAttemptsAndWaits(t *testing.T) {
	retry := Retry{Attempts: 9, Delay: 40 * time.Second, When: []RetryWhen{RetryTransient, RetryTimeout}}
	cases := map[string]struct {
		do       Do
		want     string
		attempts int
		took     time.Duration
		reason   string
	}{
		"the next attempt would begin too late": {failsAfter(10*time.Second, errPasses), "a=failed", 2, time.Minute,
			"503 (no further attempt: the next would begin in 40s, after the step's deadline)"},
		"an attempt is cut off": {script(failsAfter(30*time.Second, errPasses), takes(time.Hour)), "a=timedOut", 2, 90 * time.Second, "its deadline ran out"},
		"a timed out one that would be repeated": {script(failsWith(errPasses), failsWith(errPasses), takes(time.Hour)), "a=timedOut", 3, 90 * time.Second,
			"its deadline ran out"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			res := run(t, []testStep{{id: "a", do: c.do, retry: retry, limit: 90 * time.Second, timeout: time.Minute}}, nil)
			a := stepOf(t, res, "a")
			if outcomes(res) != c.want || a.Attempts != c.attempts || a.Finished.Sub(a.Started) != c.took || a.Reason != c.reason {
				t.Errorf("%s after %d attempts and %s: %s", outcomes(res), a.Attempts, a.Finished.Sub(a.Started), a.Reason)
			}
		})
	}
}

func TestAnInterruptEndsTheWaitForTheNextAttempt(t *testing.T) {
	res := run(t, []testStep{{id: "a", do: failsWith(errPasses), retry: Retry{Attempts: 2, Delay: time.Hour, When: []RetryWhen{RetryTransient}}}}, nil,
		signals(SignalInterrupt, time.Minute))
	a := stepOf(t, res, "a")
	wantRun(t, res, "a=cancelled", RunCancelled, 130)
	if a.Attempts != 1 || a.Finished.Sub(a.Started) != time.Minute || a.Err != errPasses {
		t.Errorf("%+v", a)
	}
}

func TestAttemptsAreNumberedOn(t *testing.T) {
	var seen []int
	run(t, []testStep{{id: "a", retry: Retry{Attempts: 3, When: []RetryWhen{RetryFailure}}, do: func(_ context.Context, c *Call) (Result, error) {
		seen = append(seen, c.Attempt)
		return Result{}, errPlain
	}}}, nil)
	if !slices.Equal(seen, []int{1, 2, 3}) {
		t.Errorf("attempts %v", seen)
	}
}
