package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// over is a matrix of one axis, n, with the given numbers.
func over(numbers ...int64) *Matrix {
	m := &Matrix{}
	for _, n := range numbers {
		m.Instances = append(m.Instances, newInstance(map[string]any{"n": n}))
	}
	return m
}

// numbers are 0 to n-1.
func numbers(n int) (list []int64) {
	for i := range n {
		list = append(list, int64(i))
	}
	return list
}

// each is the work of a matrix whose instances differ; those without work of their own succeed.
func each(work map[int64]Do) Do {
	return func(ctx context.Context, c *Call) (Result, error) {
		for n, do := range work {
			if c.Instance == fmt.Sprintf(`{"n":%d}`, n) {
				return do(ctx, c)
			}
		}
		return Result{}, nil
	}
}

func TestTheOutcomeOfAMatrixIsTheWorstOfItsInstances(t *testing.T) {
	slow := takes(time.Hour)
	cases := map[string]struct {
		step    testStep
		steps   string
		outcome RunOutcome
		exit    int
	}{
		"all succeed": {testStep{}, "a=succeeded a[n=1]=succeeded a[n=2]=succeeded b=succeeded", RunSucceeded, 0},
		"one fails": {testStep{do: each(map[int64]Do{2: failsWith(errPlain)})},
			"a=failed a[n=1]=succeeded a[n=2]=failed b=skipped(a)", RunFailed, 1},
		"one times out": {testStep{do: each(map[int64]Do{1: slow}), timeout: time.Minute},
			"a=timedOut a[n=1]=timedOut a[n=2]=succeeded b=skipped(a)", RunFailed, 1},
		"one is lost though errors are ignored": {testStep{do: each(map[int64]Do{1: failsWith(errPlain), 2: failsWith(errUnsure)}), coe: true},
			"a=lost a[n=1]=ignored a[n=2]=lost b=skipped(a)", RunFailed, 5},
		"one is ignored": {testStep{do: each(map[int64]Do{1: failsWith(errPlain)}), coe: true},
			"a=ignored a[n=1]=ignored a[n=2]=succeeded b=succeeded", RunDegraded, 0},
		"all pass": {testStep{do: finds(Pass)}, "a=succeeded/pass a[n=1]=succeeded/pass a[n=2]=succeeded/pass b=succeeded", RunSucceeded, 0},
		"one passes, one has no verdict": {testStep{do: each(map[int64]Do{1: finds(Pass), 2: failsWith(errPlain)})},
			"a=failed a[n=1]=succeeded/pass a[n=2]=failed b=skipped(a)", RunFailed, 1},
		"unknown is better than fail": {testStep{do: each(map[int64]Do{1: finds(Unknown), 2: finds(Fail)})},
			"a=failed/fail a[n=1]=failed/unknown a[n=2]=failed/fail b=skipped(a)", RunFailed, 3},
		"failed work comes before a verdict": {testStep{do: each(map[int64]Do{1: failsWith(errPlain), 2: finds(Fail)})},
			"a=failed/fail a[n=1]=failed a[n=2]=failed/fail b=skipped(a)", RunFailed, 1},
		"ignored, but the verdict counts": {testStep{do: each(map[int64]Do{1: finds(Pass), 2: finds(Unknown)}), coe: true},
			"a=ignored/unknown a[n=1]=succeeded/pass a[n=2]=ignored/unknown b=succeeded", RunDegraded, 4},
		"skipped before it was begun": {testStep{cond: ownFalse}, "a=skipped(own) b=succeeded", RunSucceeded, 0},
		"its condition fails":         {testStep{cond: broken}, "a=failed b=skipped(a)", RunFailed, 1},
		"inputs fail":                 {testStep{inErr: errPlain}, "a=failed a[n=1]=failed a[n=2]=failed b=skipped(a)", RunFailed, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.step.id, c.step.matrix = "a", over(1, 2)
			wantRun(t, run(t, []testStep{c.step, {id: "b", needs: []string{"a"}}}, nil), c.steps, c.outcome, c.exit)
		})
	}
}

func TestAMatrixHasNoMoreInstancesUnderWayThanItsMaxParallelOrThePlans(t *testing.T) {
	for name, c := range map[string]struct {
		own, plan, most int
		took            time.Duration
	}{
		"its own":    {2, 8, 2, 5 * time.Minute},
		"the plan's": {0, 4, 4, 3 * time.Minute},
		"the lesser": {5, 1, 1, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			m := over(numbers(10)...)
			m.MaxParallel = c.own
			count := stepCount{each: map[string]int{}, peak: map[string]int{}}
			res := run(t, []testStep{{id: "a", matrix: m, do: takes(time.Minute)}}, nil, func(p *Plan, o *Options) { p.MaxParallel, o.Events = c.plan, count.add })
			if a := stepOf(t, res, "a"); count.most != c.most || a.Finished.Sub(a.Started) != c.took || a.Attempts != 10 {
				t.Errorf("at most %d at once, %s, %d attempts; want %d, %s, 10", count.most, a.Finished.Sub(a.Started), a.Attempts, c.most, c.took)
			}
		})
	}
}

// What its own maxParallel holds back does not stand in the way of other steps.
func TestInstancesThatWaitForTheirMatrixHoldUpNobody(t *testing.T) {
	m := over(numbers(20)...)
	m.MaxParallel = 1
	res := run(t, []testStep{{id: "a", matrix: m, do: takes(time.Minute)}, {id: "b", do: takes(time.Minute)}}, nil, func(p *Plan, _ *Options) { p.MaxParallel = 2 })
	if b := stepOf(t, res, "b"); b.Finished.Sub(stepOf(t, res, "a").Started) != time.Minute {
		t.Errorf("b ended after %s", b.Finished.Sub(stepOf(t, res, "a").Started))
	}
}

func TestAMatrixThatFailsFastCancelsItsOtherInstancesAndNothingElse(t *testing.T) {
	retry := Retry{Attempts: 2, Delay: time.Hour, When: []RetryWhen{RetryTransient}}
	work := each(map[int64]Do{1: failsAfter(time.Minute, errPlain), 2: takes(time.Hour), 3: failsWith(errPasses), 4: takes(time.Hour), 5: takes(time.Second)})
	m := over(5, 1, 2, 3, 4)
	m.FailFast, m.MaxParallel = true, 3
	res := run(t, []testStep{
		{id: "a", matrix: m, do: work, retry: retry}, {id: "b", do: takes(30 * time.Minute)}, {id: "c", needs: []string{"a"}}, {id: "d", needs: []string{"a"}, cond: failure},
	}, nil)
	wantRun(t, res, "a=failed a[n=5]=succeeded a[n=1]=failed a[n=2]=cancelled(a[n=1]) a[n=3]=cancelled(a[n=1]) a[n=4]=cancelled(a[n=1])"+
		" b=succeeded c=skipped(a) d=succeeded", RunFailed, 1)
	a := stepOf(t, res, "a")
	if a.Finished.Sub(a.Started) != time.Minute || a.Reason != "1 failed, 3 cancelled, 1 succeeded of 5 instances" {
		t.Errorf("%s: %s", a.Finished.Sub(a.Started), a.Reason)
	}
	if r := res.Steps[3]; r.Reason != "a[n=1] failed, and its matrix fails fast" {
		t.Errorf("reason %q", r.Reason)
	}
}

func TestAnInstanceThatDoesNotHeedItsMatrixIsLost(t *testing.T) {
	m := over(1, 2, 3)
	m.FailFast = true
	res := run(t, []testStep{{id: "a", matrix: m, do: each(map[int64]Do{1: failsWith(errPlain), 2: ignores(50 * time.Hour), 3: ignores(9 * time.Second)})},
		{id: "b", needs: []string{"a"}, cond: always}}, nil)
	wantRun(t, res, "a=lost a[n=1]=failed a[n=2]=lost a[n=3]=succeeded b=succeeded", RunFailed, 5)
	if r := res.Steps[2]; r.Finished.Sub(r.Started) != 10*time.Second || r.Reason != "did not stop within 10s: a[n=1] failed, and its matrix fails fast" {
		t.Errorf("%s: %s", r.Finished.Sub(r.Started), r.Reason)
	}
}

// The next attempt of n=2 is due at the moment at which n=1 fails.
func TestAnAttemptThatIsDueWhenItsMatrixStopsIsNotMadeTwice(t *testing.T) {
	for range 100 {
		m, log := over(1, 2), &eventLog{}
		m.FailFast = true
		retry := Retry{Attempts: 2, Delay: time.Minute, When: []RetryWhen{RetryTransient}}
		res := run(t, []testStep{{id: "a", matrix: m, retry: retry, do: each(map[int64]Do{1: failsAfter(time.Minute, errPlain), 2: script(failsWith(errPasses), takes(time.Hour))})}}, nil,
			func(_ *Plan, o *Options) { o.Events = log.add })
		wantRun(t, res, "a=failed a[n=1]=failed a[n=2]=cancelled(a[n=1])", RunFailed, 1)
		if began, ended := strings.Count(log.String(), "a[n=2]:2/2"), strings.Count(log.String(), "a[n=2]:cancelled"); began != res.Steps[2].Attempts-1 || ended != 1 {
			t.Fatalf("%s", log)
		}
	}
}

func TestAnIgnoredFailureDoesNotStopItsMatrix(t *testing.T) {
	m := over(1, 2)
	m.FailFast = true
	res := run(t, []testStep{{id: "a", coe: true, matrix: m, do: each(map[int64]Do{1: failsWith(errPlain), 2: takes(time.Hour)})}}, nil)
	wantRun(t, res, "a=ignored a[n=1]=ignored a[n=2]=succeeded", RunDegraded, 0)
}

func TestThePlansFailFastNamesTheInstance(t *testing.T) {
	res := run(t, []testStep{{id: "a", matrix: over(1, 2), do: each(map[int64]Do{1: failsWith(errPlain), 2: takes(time.Hour)})}, {id: "b", do: takes(time.Hour)},
		{id: "c", needs: []string{"b"}, matrix: over(1, 2)}}, nil, func(p *Plan, _ *Options) { p.FailFast = true })
	wantRun(t, res, "a=failed a[n=1]=failed a[n=2]=cancelled(a[n=1]) b=cancelled(a[n=1]) c=cancelled(a[n=1])", RunFailed, 1)
}

func TestAnInterruptCancelsInstancesThatRunAndThatWait(t *testing.T) {
	m := over(1, 2, 3)
	m.MaxParallel = 2
	res := run(t, []testStep{{id: "a", matrix: m, do: each(map[int64]Do{1: takes(time.Second), 2: takes(time.Hour), 3: takes(time.Hour)})}}, []testStep{{id: "f", matrix: over(7)}},
		signals(SignalInterrupt, time.Minute))
	wantRun(t, res, "a=cancelled a[n=1]=succeeded a[n=2]=cancelled a[n=3]=cancelled f=succeeded f[n=7]=succeeded", RunCancelled, 130)
}

func TestEachInstanceHasRetriesOfItsOwnAndTheJournalTellsThemApart(t *testing.T) {
	j, log := &memoryJournal{}, &eventLog{}
	retry := Retry{Attempts: 2, Delay: time.Second, When: []RetryWhen{RetryTransient}}
	run(t, []testStep{{id: "a", matrix: over(1, 2), retry: retry, do: each(map[int64]Do{1: takes(time.Hour), 2: script(failsWith(errPasses))})}}, nil,
		journalTo(j), func(_ *Plan, o *Options) { o.Events = log.add })
	want := "[a[n=1]:1 a[n=2]:1][a[n=2]:failed][a[n=2]:2][a[n=2]:succeeded a[n=2]=succeeded][a[n=1]:succeeded a[n=1]=succeeded a=succeeded][succeeded 0]"
	if j.String() != want {
		t.Errorf("got  %s\nwant %s", j, want)
	}
	want = "run a[n=1]:1/2 a[n=2]:1/2 a[n=2]:again(1s) a[n=2]:2/2 a[n=2]:succeeded a[n=1]:succeeded a:succeeded end:succeeded"
	if log.String() != want {
		t.Errorf("got  %s\nwant %s", log, want)
	}
}

func TestDependentsSeeTheOutputsOfInstancesInTheirOrder(t *testing.T) {
	var seen map[string]StepVars
	look := testStep{id: "c", needs: []string{"a", "b"}, cond: func(v *Vars) (bool, error) { seen = v.Steps; return true, nil }}
	out := func(_ context.Context, c *Call) (Result, error) {
		return Result{Outputs: map[string]any{"key": c.Instance}}, nil
	}
	run(t, []testStep{{id: "a", matrix: over(2, 1), do: out}, {id: "b", matrix: over(1, 2), do: each(map[int64]Do{1: out, 2: failsWith(errPlain)})}, look}, nil)
	if got, want := fmt.Sprint(seen["a"].List), `[map[matrix:map[n:2] outputs:map[key:{"n":2}]] map[matrix:map[n:1] outputs:map[key:{"n":1}]]]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if seen["b"].List != nil || seen["b"].Outcome != Failed {
		t.Errorf("saw %+v", seen["b"])
	}
}

func TestWhenTheJournalFailsNoInstanceBegins(t *testing.T) {
	res := run(t, []testStep{{id: "a", matrix: over(1, 2)}}, nil, journalTo(&memoryJournal{failAt: 1}))
	wantRun(t, res, "a=cancelled a[n=1]=cancelled a[n=2]=cancelled", RunFailed, 1)
	if a := stepOf(t, res, "a"); a.Attempts != 0 || !a.Started.IsZero() {
		t.Errorf("%+v", a)
	}
}

func TestAMatrixWithoutCombinationsFails(t *testing.T) {
	wantRun(t, run(t, []testStep{{id: "a", matrix: &Matrix{}}, {id: "b"}}, nil), "a=failed b=succeeded", RunFailed, 1)
}

func TestInstancesAreNamedForPeople(t *testing.T) {
	i := newInstance(map[string]any{"size": int64(3), "region": "eu", "hot": true})
	if got, want := InstanceID("report", i.Key), "report[hot=true,region=eu,size=3]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if i.Key != `{"hot":true,"region":"eu","size":3}` || InstanceID("a", "") != "a" {
		t.Errorf("%s %s", i.Key, InstanceID("a", ""))
	}
}

func TestTenThousandInstancesAreOneMatrix(t *testing.T) {
	m := over(numbers(10000)...)
	m.MaxParallel, m.FailFast = 7, true
	res := run(t, []testStep{{id: "a", matrix: m, do: each(map[int64]Do{9000: failsWith(errPlain)})}}, nil, func(p *Plan, _ *Options) { p.MaxParallel = 1 })
	if a := stepOf(t, res, "a"); a.Reason != "1 failed, 999 cancelled, 9000 succeeded of 10000 instances" {
		t.Error(a.Reason)
	}
	if i := slices.IndexFunc(res.Steps, func(r StepResult) bool { return r.Outcome == Cancelled }); strings.Join(res.Steps[i].Cause, "") != "a[n=9000]" {
		t.Errorf("%+v", res.Steps[i])
	}
}
