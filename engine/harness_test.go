package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// testStep is a step whose work is a func literal.
type testStep struct {
	id      string
	needs   []string
	do      Do
	cond    func(*Vars) (bool, error)
	coe     bool
	retry   Retry
	timeout time.Duration
	limit   time.Duration // deadline
	inErr   error
	matrix  *Matrix
}

// testPlan builds a plan and the Do that runs each step's own.
func testPlan(steps, finally []testStep) (*Plan, Do) {
	dos := map[string]Do{}
	build := func(list []testStep) []*Step {
		var out []*Step
		for _, s := range list {
			dos[s.id] = s.do
			s.retry.Attempts = max(s.retry.Attempts, 1)
			out = append(out, &Step{
				ID: s.id, Uses: "test", Needs: s.needs, ContinueOnError: s.coe, Retry: s.retry, If: s.cond, Matrix: s.matrix,
				Inputs: func(*Vars) (Inputs, error) {
					return Inputs{Timeout: cmp.Or(s.timeout, time.Hour), Deadline: s.limit}, s.inErr
				},
			})
		}
		return out
	}
	p := &Plan{
		Name: "p", MaxParallel: 8, Timeout: 24 * time.Hour, FinallyTimeout: time.Minute,
		Steps: build(steps), Finally: build(finally),
	}
	return p, func(ctx context.Context, c *Call) (Result, error) {
		if do := dos[c.Step.ID]; do != nil {
			return do(ctx, c)
		}
		return Result{}, nil
	}
}

// The work that steps of tests do.
var (
	errPasses  = errors.New("503")
	errRefused = errors.New("403")
	errUnsure  = errors.New("connection lost after the request was sent")
	errPlain   = errors.New("boom")
	errOver    = errors.New("an earlier process has ended it")
)

func testClassify(err error) (Class, time.Duration) {
	var after retryAfterError
	switch {
	case errors.As(err, &after):
		return ClassTransient, time.Duration(after)
	case errors.Is(err, errPasses):
		return ClassTransient, 0
	case errors.Is(err, errRefused):
		return ClassFinal, 0
	case errors.Is(err, errUnsure):
		return ClassLost, 0
	case errors.Is(err, errOver):
		return ClassOver, 0
	}
	return ClassFailure, 0
}

type retryAfterError time.Duration

func (e retryAfterError) Error() string { return "429" }

func failsWith(err error) Do {
	return func(context.Context, *Call) (Result, error) { return Result{}, err }
}

func finds(v Verdict) Do {
	return func(context.Context, *Call) (Result, error) { return Result{Verdict: v, Reason: "looked"}, nil }
}

// takes works for d and returns early when its context is done.
func takes(d time.Duration) Do {
	return func(ctx context.Context, _ *Call) (Result, error) {
		select {
		case <-time.After(d):
			return Result{}, nil
		case <-ctx.Done():
			return Result{}, ctx.Err()
		}
	}
}

// ignores works for d whatever its context says.
func ignores(d time.Duration) Do {
	return func(context.Context, *Call) (Result, error) {
		time.Sleep(d)
		return Result{}, nil
	}
}

// run walks a plan in a bubble of its own. The bubble ends only when no goroutine is left, so each test also proves that there is no leak.
func run(t *testing.T, steps, finally []testStep, change ...func(*Plan, *Options)) RunResult {
	t.Helper()
	var res RunResult
	synctest.Test(t, func(t *testing.T) {
		p, do := testPlan(steps, finally)
		o := Options{RunID: "r", Do: do, Classify: testClassify, Jitter: func(most time.Duration) time.Duration { return most }}
		for _, c := range change {
			c(p, &o)
		}
		res = Run(t.Context(), p, o)
		if slices.ContainsFunc(res.Steps, func(s StepResult) bool { return s.Outcome == Lost }) {
			time.Sleep(1000 * time.Hour) // what was given up ends by itself
		}
	})
	return res
}

// outcomes writes a result as "a=succeeded b=skipped(a) …".
func outcomes(r RunResult) string {
	var parts []string
	for _, s := range r.Steps {
		part := InstanceID(s.ID, s.Instance) + "=" + string(s.Outcome)
		if s.Verdict != NoVerdict {
			part += "/" + string(s.Verdict)
		}
		if len(s.Cause) > 0 {
			part += "(" + strings.Join(s.Cause, ",") + ")"
		}
		if s.OwnIf {
			part += "(own)"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

func stepOf(t *testing.T, r RunResult, id string) StepResult {
	t.Helper()
	i := slices.IndexFunc(r.Steps, func(s StepResult) bool { return s.ID == id })
	if i < 0 {
		t.Fatalf("no step %s in the result", id)
	}
	return r.Steps[i]
}

// wantRun compares the steps' outcomes, the run's and the exit code.
func wantRun(t *testing.T, r RunResult, steps string, outcome RunOutcome, exit int) {
	t.Helper()
	got, want := fmt.Sprintf("%s | %s %d", outcomes(r), r.Outcome, r.ExitCode), fmt.Sprintf("%s | %s %d", steps, outcome, exit)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Conditions as the loader compiles them.
func success(v *Vars) (bool, error)   { return v.Success, nil }
func failure(v *Vars) (bool, error)   { return v.Failure, nil }
func always(*Vars) (bool, error)      { return true, nil }
func never(*Vars) (bool, error)       { return false, nil }
func ownFalse(v *Vars) (bool, error)  { return v.Success && false, nil }
func cancelled(v *Vars) (bool, error) { return v.Cancelled, nil }
func broken(*Vars) (bool, error)      { return false, errors.New("no such key") }

// eventLog keeps events and tells when two came at once.
type eventLog struct {
	mu     sync.Mutex
	events []Event
	clash  bool
}

func (l *eventLog) add(e Event) {
	if !l.mu.TryLock() {
		l.clash = true
		return
	}
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *eventLog) String() string {
	var b strings.Builder
	for _, e := range l.events {
		switch e := e.(type) {
		case RunStarted:
			fmt.Fprintf(&b, "run ")
		case StepStarted:
			fmt.Fprintf(&b, "%s:%d/%d ", InstanceID(e.Step, e.Instance), e.Attempt, e.Of)
		case AttemptFailed:
			fmt.Fprintf(&b, "%s:again(%s) ", InstanceID(e.Step, e.Instance), e.Delay)
		case StepFinished:
			fmt.Fprintf(&b, "%s:%s ", InstanceID(e.Result.ID, e.Result.Instance), e.Result.Outcome)
		case StepLog:
			fmt.Fprintf(&b, "%s:%q ", e.Step, e.Message)
		case PodLog:
			fmt.Fprintf(&b, "%s:%s/%s:%q ", e.Step, e.Pod, e.Container, e.Text)
		case StepProgress:
			fmt.Fprintf(&b, "%s:%d ", e.Step, e.Done)
		case RunCancelling:
			fmt.Fprintf(&b, "stop(%s) ", e.Reason)
		case RunFinished:
			fmt.Fprintf(&b, "end:%s", e.Result.Outcome)
		}
	}
	return b.String()
}
