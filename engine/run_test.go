package engine

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestEachOutcomeHasItsDependentsAndExitCode(t *testing.T) {
	slow := takes(time.Hour)
	cases := map[string]struct {
		a       testStep
		strict  bool
		steps   string
		outcome RunOutcome
		exit    int
	}{
		"work done":              {testStep{}, false, "a=succeeded b=succeeded", RunSucceeded, 0},
		"check passed":           {testStep{do: finds(Pass)}, false, "a=succeeded/pass b=succeeded", RunSucceeded, 0},
		"check found a fault":    {testStep{do: finds(Fail)}, false, "a=failed/fail b=skipped(a)", RunFailed, 3},
		"check not made":         {testStep{do: finds(Unknown)}, false, "a=failed/unknown b=skipped(a)", RunFailed, 4},
		"verdict not known":      {testStep{do: finds("fine")}, false, "a=failed/unknown b=skipped(a)", RunFailed, 4},
		"pass with an error":     {testStep{do: func(context.Context, *Call) (Result, error) { return Result{Verdict: Pass}, errPlain }}, false, "a=failed/unknown b=skipped(a)", RunFailed, 4},
		"work failed":            {testStep{do: failsWith(errPlain)}, false, "a=failed b=skipped(a)", RunFailed, 1},
		"attempt timed out":      {testStep{do: slow, timeout: time.Minute}, false, "a=timedOut b=skipped(a)", RunFailed, 1},
		"deadline ran out":       {testStep{do: slow, limit: time.Minute}, false, "a=timedOut b=skipped(a)", RunFailed, 1},
		"effect unknown":         {testStep{do: failsWith(errUnsure)}, false, "a=lost b=skipped(a)", RunFailed, 5},
		"inputs fail":            {testStep{inErr: errPlain}, false, "a=failed b=skipped(a)", RunFailed, 1},
		"condition fails":        {testStep{cond: broken}, false, "a=failed b=skipped(a)", RunFailed, 1},
		"own if":                 {testStep{cond: ownFalse}, false, "a=skipped(own) b=succeeded", RunSucceeded, 0},
		"ignored work":           {testStep{do: failsWith(errPlain), coe: true}, false, "a=ignored b=succeeded", RunDegraded, 0},
		"ignored work, strict":   {testStep{do: failsWith(errPlain), coe: true}, true, "a=ignored b=succeeded", RunDegraded, 1},
		"ignored timeout":        {testStep{do: slow, timeout: time.Minute, coe: true}, false, "a=ignored b=succeeded", RunDegraded, 0},
		"ignored fail":           {testStep{do: finds(Fail), coe: true}, false, "a=ignored/fail b=succeeded", RunDegraded, 3},
		"ignored fail, strict":   {testStep{do: finds(Fail), coe: true}, true, "a=ignored/fail b=succeeded", RunDegraded, 3},
		"ignored unknown":        {testStep{do: finds(Unknown), coe: true}, false, "a=ignored/unknown b=succeeded", RunDegraded, 4},
		"lost is never ignored":  {testStep{do: failsWith(errUnsure), coe: true}, false, "a=lost b=skipped(a)", RunFailed, 5},
		"ignored condition":      {testStep{cond: broken, coe: true}, false, "a=ignored b=succeeded", RunDegraded, 0},
		"late but successful":    {testStep{do: ignores(time.Minute + time.Second), timeout: time.Minute}, false, "a=succeeded b=succeeded", RunSucceeded, 0},
		"ignored check timeouts": {testStep{do: unknownWhenDone, timeout: time.Minute, coe: true}, false, "a=ignored/unknown b=succeeded", RunDegraded, 4},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.a.id = "a"
			res := run(t, []testStep{c.a, {id: "b", needs: []string{"a"}}}, nil, func(_ *Plan, o *Options) { o.Strict = c.strict })
			wantRun(t, res, c.steps, c.outcome, c.exit)
		})
	}
}

func unknownWhenDone(ctx context.Context, _ *Call) (Result, error) {
	<-ctx.Done()
	return Result{Verdict: Unknown}, ctx.Err()
}

func TestNoMoreThanMaxParallelStepsAreUnderWay(t *testing.T) {
	var now, most atomic.Int32
	var steps []testStep
	for _, id := range strings.Split("abcdefghij", "") {
		steps = append(steps, testStep{id: id, do: func(ctx context.Context, c *Call) (Result, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			return takes(time.Minute)(ctx, c)
		}})
	}
	res := run(t, steps, nil, func(p *Plan, _ *Options) { p.MaxParallel = 3 })
	if most.Load() != 3 || res.ExitCode != 0 {
		t.Errorf("at most %d at once, exit %d; want 3, 0", most.Load(), res.ExitCode)
	}
	if got := res.Finished.Sub(stepOf(t, res, "a").Started); got != 4*time.Minute {
		t.Errorf("ten steps of a minute took %s with three at once, want 4m", got)
	}
}

func TestReadyStepsStartInTheOrderOfTheFile(t *testing.T) {
	log := &eventLog{}
	run(t, []testStep{{id: "c"}, {id: "a"}, {id: "b", needs: []string{"c"}}, {id: "d"}}, nil, func(p *Plan, o *Options) {
		p.MaxParallel, o.Events = 1, log.add
	})
	want := "run c:1/1 c:succeeded a:1/1 a:succeeded d:1/1 d:succeeded b:1/1 b:succeeded end:succeeded"
	if log.String() != want {
		t.Errorf("got  %s\nwant %s", log, want)
	}
}

func TestDependentsSeeOutputsOfWhatSucceededOrWasIgnoredAndOfNothingElse(t *testing.T) {
	out := map[string]any{"key": "k"}
	with := func(err error) Do {
		return func(context.Context, *Call) (Result, error) { return Result{Outputs: out}, err }
	}
	seen := map[string]any{}
	res := run(t, []testStep{
		{id: "a", do: with(nil)}, {id: "b", do: with(errPlain), coe: true}, {id: "c", do: with(errPlain)},
		{id: "d", needs: []string{"a", "b", "c"}, cond: func(v *Vars) (bool, error) {
			for _, id := range []string{"a", "b", "c", "d", "z"} {
				if s, ok := v.Steps[id]; ok {
					seen[id] = s.Outputs["key"]
				}
			}
			return true, nil
		}},
		{id: "z", needs: []string{"d"}},
	}, nil)
	if len(seen) != 3 || seen["a"] != "k" || seen["b"] != "k" || seen["c"] != nil {
		t.Errorf("saw %v, want the outputs of a and b, and c without any", seen)
	}
	if stepOf(t, res, "c").Outputs["key"] != "k" {
		t.Error("the result of a failed step lost what it carried")
	}
}

func TestFinallyRunsAfterAnyEndAndSeesStepsAlone(t *testing.T) {
	var vars Vars
	var call RunVars
	look := testStep{id: "ping", cond: func(v *Vars) (bool, error) { vars = *v; return true, nil }}
	look.do = func(_ context.Context, c *Call) (Result, error) { call = c.Run; return Result{}, errPlain }
	res := run(t, []testStep{{id: "a", do: finds(Fail)}, {id: "b", needs: []string{"a"}}},
		[]testStep{look, {id: "last", needs: []string{"ping"}}, {id: "ok", cond: success}, {id: "bad", cond: failure}, {id: "c", cond: cancelled}})
	wantRun(t, res, "a=failed/fail b=skipped(a) ping=failed last=succeeded ok=skipped(a,b) bad=succeeded c=skipped(own)", RunFailed, 1)
	want := RunVars{ID: "r", Name: "p", Outcome: RunFailed, ExitCode: 3}
	if vars.Run != want || call != want || vars.Success || !vars.Failure || vars.Cancelled {
		t.Errorf("finally saw %+v and %+v, want %+v", vars, call, want)
	}
}

func TestAFailedFinallyStepCountsInTheExitCode(t *testing.T) {
	res := run(t, []testStep{{id: "a"}}, []testStep{{id: "ping", do: failsWith(errPlain)}})
	wantRun(t, res, "a=succeeded ping=failed", RunFailed, 1)
}

func TestAPanicFailsItsStepAndTellsNothingOfItsValue(t *testing.T) {
	for name, value := range map[string]any{"string": "s3cret", "error": errors.New("s3cret"), "nil": nil} {
		t.Run(name, func(t *testing.T) {
			attempts := 0
			res := run(t, []testStep{
				{id: "a", retry: Retry{Attempts: 3, When: []RetryWhen{RetryFailure, RetryTransient}}, do: func(context.Context, *Call) (Result, error) {
					attempts++
					panic(value)
				}},
				{id: "b", do: takes(time.Second)},
			}, nil)
			a := stepOf(t, res, "a")
			wantRun(t, res, "a=failed b=succeeded", RunFailed, 1)
			if msg := a.Err.Error() + a.Reason; strings.Contains(msg, "s3cret") || !strings.Contains(msg, "step a: panicked with a ") || attempts != 1 {
				t.Errorf("after %d attempts: %s", attempts, msg)
			}
		})
	}
}

func TestEventsComeOneAtATimeInOrderAndNoneFromAnAttemptThatIsOver(t *testing.T) {
	log := &eventLog{}
	chatty := func(_ context.Context, c *Call) (Result, error) {
		for i := range 3 {
			go c.Progress(Progress{Done: int64(i)})
		}
		c.Log("%s", "hello")
		c.PodLog(PodLine{"a-0", "main", "line"})
		time.Sleep(time.Second)
		go func() {
			time.Sleep(time.Minute)
			c.Log("too late")
			c.Progress(Progress{})
			c.PodLog(PodLine{})
		}()
		return Result{}, nil
	}
	run(t, []testStep{{id: "a", do: chatty}, {id: "b", needs: []string{"a"}, do: takes(time.Hour)}}, nil, func(_ *Plan, o *Options) { o.Events = log.add })
	got := log.String()
	for _, p := range []string{"a:0 ", "a:1 ", "a:2 ", `a:"hello" `, `a:a-0/main:"line" `} {
		if strings.Count(got, p) != 1 {
			t.Errorf("%q is not there once: %s", p, got)
		}
		got = strings.Replace(got, p, "", 1)
	}
	if want := "run a:1/1 a:succeeded b:1/1 b:succeeded end:succeeded"; got != want || log.clash {
		t.Errorf("got %s (two at once: %v), want %s", got, log.clash, want)
	}
}

func TestAnEmptyPlanSucceeds(t *testing.T) {
	wantRun(t, run(t, nil, nil), "", RunSucceeded, 0)
}

func TestWorkThatEndsItsGoroutineFailsItsStep(t *testing.T) {
	res := run(t, []testStep{{id: "a", do: func(context.Context, *Call) (Result, error) { runtime.Goexit(); return Result{}, nil }}}, nil)
	wantRun(t, res, "a=failed", RunFailed, 1)
}
