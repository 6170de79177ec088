package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// unitScript is what a step or instance does: it fails some attempts, in a way that passes, and then comes to an end that is always the same.
type unitScript struct {
	flaky int
	err   error
	res   Result
}

// resumeWorld is a random plan whose end does not depend on how often it is interrupted.
type resumeWorld struct {
	steps, finally []testStep
	scripts        map[string]unitScript

	mu    sync.Mutex
	runs  map[string][]int               // attempts by InstanceID
	noted map[string][]map[string]string // what each of them was told
}

func newResumeWorld(r *rand.Rand) *resumeWorld {
	w := &resumeWorld{scripts: map[string]unitScript{}, runs: map[string][]int{}, noted: map[string][]map[string]string{}}
	conds := []func(*Vars) (bool, error){nil, nil, nil, always, failure, ownFalse, success}
	for i := range 2 + r.IntN(6) {
		s := testStep{id: fmt.Sprintf("s%d", i), do: w.do, coe: r.IntN(4) == 0, cond: conds[r.IntN(len(conds))], retry: Retry{Attempts: 3, Delay: time.Second, When: []RetryWhen{RetryTransient}}}
		for k := range i {
			if r.IntN(3) == 0 {
				s.needs = append(s.needs, fmt.Sprintf("s%d", k))
			}
		}
		if r.IntN(4) == 0 {
			s.matrix = &Matrix{MaxParallel: r.IntN(3)}
			for k := range 1 + r.IntN(3) {
				s.matrix.Instances = append(s.matrix.Instances, &Instance{Key: fmt.Sprintf(`{"k":"v%d"}`, k), Values: map[string]any{"k": fmt.Sprintf("v%d", k)}})
			}
		}
		w.steps = append(w.steps, s)
	}
	w.finally = []testStep{{id: "fin", do: w.do}}
	return w
}

// do gives every unit a script of its own when it is first met: r would be used in an order that depends on the schedule.
func (w *resumeWorld) do(_ context.Context, c *Call) (Result, error) {
	id := InstanceID(c.Step.ID, c.Instance)
	w.mu.Lock()
	w.runs[id] = append(w.runs[id], c.Attempt)
	w.noted[id] = append(w.noted[id], maps.Clone(c.Noted))
	w.mu.Unlock()
	err := c.Note(fmt.Sprintf("attempt %d", c.Attempt), "begun")
	if c.Noted["first"] == "" {
		err = errors.Join(err, c.Note("first", strconv.Itoa(c.Attempt)))
	}
	if err != nil {
		return Result{}, err
	}
	s := w.scripts[id]
	if c.Attempt <= s.flaky {
		return Result{}, errPasses
	}
	return s.res, s.err
}

func (w *resumeWorld) write(r *rand.Rand) {
	ends := []unitScript{{}, {}, {}, {err: errPlain}, {err: errRefused}, {res: Result{Verdict: Fail}}, {res: Result{Verdict: Pass}}, {res: Result{Verdict: Unknown}}}
	for _, s := range slices.Concat(w.steps, w.finally) {
		ids := []string{s.id}
		if s.matrix != nil {
			ids = nil
			for _, i := range s.matrix.Instances {
				ids = append(ids, InstanceID(s.id, i.Key))
			}
		}
		for _, id := range ids {
			script := ends[r.IntN(len(ends))]
			if s.retry.Attempts > 1 {
				script.flaky = max(r.IntN(5)-2, 0)
			}
			script.res.Outputs = map[string]any{"of": id}
			w.scripts[id] = script
		}
	}
}

// ends is what all steps came to, without what a resumed run does not repeat.
func ends(r RunResult) string {
	for i := range r.Steps {
		r.Steps[i].Cause = nil
	}
	return fmt.Sprintf("%s | %s %d", outcomes(r), r.Outcome, r.ExitCode)
}

// TestResumedAnywhereARunEndsAsIfItHadNotBeenStopped: P1. A process is killed between any two appends of the journal, up to five times.
func TestResumedAnywhereARunEndsAsIfItHadNotBeenStopped(t *testing.T) {
	n := 120
	if v, err := strconv.Atoi(os.Getenv("ENGINE_RESUMES")); err == nil {
		n = v
	}
	seed := uint64(time.Now().UnixNano())
	if v, err := strconv.ParseUint(os.Getenv("ENGINE_SEED"), 10, 64); err == nil {
		seed = v
	}
	t.Logf("ENGINE_SEED=%d, %d plans", seed, n)
	kills := 0
	for i := range n {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		w := newResumeWorld(r)
		w.write(r)
		whole := &memoryJournal{}
		want := ends(run(t, w.steps, w.finally, journalTo(whole)))
		for k := range len(whole.appends) {
			kills += w.killedAt(t, r, whole.appends[:k], want)
			if t.Failed() {
				t.Fatalf("plan %d of seed %d, killed after append %d", i, seed, k)
			}
		}
	}
	t.Logf("%d kills", kills)
}

// killedAt resumes from a journal that ends anywhere, and kills the resumed run again, up to five times in all.
func (w *resumeWorld) killedAt(t *testing.T, r *rand.Rand, appends [][]Record, want string) (kills int) {
	appends = slices.Clone(appends)
	for kills = 1; ; kills++ {
		h := fold(t, appends)
		before := h.Results()
		open := map[string]int{}
		for id, u := range h.units {
			if u.open {
				open[id] = u.attempts
			}
		}
		w.runs, w.noted = map[string][]int{}, map[string][]map[string]string{}
		j := &memoryJournal{}
		got := ends(run(t, w.steps, w.finally, resumed(h, journalTo(j))))
		if got != want {
			t.Errorf("resumed %s\nwant    %s", got, want)
		}
		w.check(t, h, before, open)
		w.checkNotes(t, appends)
		if kills == 5 || t.Failed() || len(j.appends) == 0 {
			return kills
		}
		appends = slices.Concat(appends, [][]Record{{RunStartedRecord{Run: "r", Invocation: kills + 1}}}, j.appends[:r.IntN(len(j.appends))])
	}
}

// check wants no done unit to have run, and no number of an attempt to be used twice but for one that was open.
func (w *resumeWorld) check(t *testing.T, h *History, before map[string]StepResult, open map[string]int) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(w.runs)) {
		attempts := w.runs[id]
		if b := before[id]; b.Recorded && b.met() && b.Verdict != Fail && b.Verdict != Unknown && !b.Final {
			t.Errorf("%s was done and ran again", id)
		}
		first := h.units[id]
		want := []int{}
		next := 1
		if first != nil {
			next = first.attempts + 1
		}
		if n, ok := open[id]; ok {
			next = n
		}
		for range attempts {
			want = append(want, next)
			next++
		}
		if diff := cmp.Diff(want, attempts); diff != "" {
			t.Errorf("%s: attempts (-want +made):\n%s", id, diff)
		}
	}
}

// checkNotes wants each attempt to have been told what is noted in the journal from which the run was resumed, and by attempts since.
func (w *resumeWorld) checkNotes(t *testing.T, appends [][]Record) {
	t.Helper()
	for id, attempts := range w.runs {
		want := map[string]string{}
		for _, r := range slices.Concat(appends...) {
			if n, ok := r.(StepNotedRecord); ok && InstanceID(n.Step, n.Instance) == id {
				want[n.Key] = n.Value
			}
		}
		for i, n := range attempts {
			if diff := cmp.Diff(want, w.noted[id][i], cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: attempt %d is told (-want +got):\n%s", id, n, diff)
			}
			want[fmt.Sprintf("attempt %d", n)], want["first"] = "begun", "1"
		}
	}
}

// TestAnAttemptThatIsOverIsFollowedByTheNext: it does not count, since nobody saw how it would have ended. It happens to an attempt that was
// taken up only, so once.
func TestAnAttemptThatIsOverIsFollowedByTheNext(t *testing.T) {
	h, err := Fold([]JournalEntry{{Record: RunStartedRecord{Run: "r"}}, {Record: AttemptStartedRecord{Step: "a", Attempt: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		overs   int // attempts that say they are over
		history *History
		made    []int
		outcome RunOutcome
		exit    int
	}{
		"taken up":        {1, h, []int{1, 2}, RunSucceeded, 0},
		"again and again": {9, h, []int{1, 2}, RunFailed, 1},
		"not taken up":    {9, nil, []int{1}, RunFailed, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var made []int
			do := func(_ context.Context, c *Call) (Result, error) {
				made = append(made, c.Attempt)
				if c.Attempt <= tc.overs {
					return Result{}, errOver
				}
				return Result{}, nil
			}
			r := run(t, []testStep{{id: "a", do: do, retry: Retry{Attempts: 1}}}, nil, func(_ *Plan, o *Options) { o.History = tc.history })
			if diff := cmp.Diff(tc.made, made); diff != "" || r.Outcome != tc.outcome || r.ExitCode != tc.exit {
				t.Errorf("%s, exit %d\n%s", r.Outcome, r.ExitCode, diff)
			}
		})
	}
}
