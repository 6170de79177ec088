package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// errsOf makes notes and gives their errors.
func errsOf(c *Call, keys ...string) (errs []error) {
	for _, key := range keys {
		errs = append(errs, c.Note(key, "value of "+key))
	}
	return errs
}

func TestANoteIsRecordedWhenItReturns(t *testing.T) {
	j := &memoryJournal{}
	var late []string
	do := func(_ context.Context, c *Call) (Result, error) {
		for i := range 3 {
			key := fmt.Sprintf("%s%d", c.Step.ID, i)
			if err := c.Note(key, "v"); err != nil {
				return Result{}, err
			}
			if !noted(j.appends, key) {
				late = append(late, key)
			}
		}
		return Result{}, nil
	}
	res := run(t, []testStep{{id: "a", do: do}, {id: "b", do: do, needs: []string{"a"}}}, nil, journalTo(j))
	wantRun(t, res, "a=succeeded b=succeeded", RunSucceeded, 0)
	if late != nil {
		t.Errorf("not recorded when Note returned: %v", late)
	}
}

func noted(appends [][]Record, key string) bool {
	for _, records := range appends {
		for _, r := range records {
			if n, ok := r.(StepNotedRecord); ok && n.Key == key {
				return true
			}
		}
	}
	return false
}

func TestAttemptsSeeWhatEarlierOnesOfTheirInstanceNoted(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]map[string]string{}
	do := func(_ context.Context, c *Call) (Result, error) {
		mu.Lock()
		seen[fmt.Sprintf("%s:%d", InstanceID(c.Step.ID, c.Instance), c.Attempt)] = c.Noted
		mu.Unlock()
		err := c.Note("last", fmt.Sprint(c.Attempt))
		if c.Attempt < 3 {
			err = errors.Join(err, errPasses)
		}
		return Result{}, err
	}
	retry := Retry{Attempts: 3, When: []RetryWhen{RetryTransient}}
	matrix := &Matrix{Instances: []*Instance{newInstance(map[string]any{"n": int64(1)}), newInstance(map[string]any{"n": int64(2)})}}
	run(t, []testStep{{id: "a", do: do, retry: retry}, {id: "m", do: do, retry: retry, matrix: matrix}}, nil) // without a journal, too
	want := map[string]map[string]string{}
	for _, id := range []string{"a", "m[n=1]", "m[n=2]"} {
		want[id+":1"], want[id+":2"], want[id+":3"] = nil, map[string]string{"last": "1"}, map[string]string{"last": "2"}
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestANoteThatCannotBeRecordedIsAnErrorAndTheRunStops(t *testing.T) {
	var errs []error
	do := func(ctx context.Context, c *Call) (Result, error) {
		errs = errsOf(c, "x", "y")
		<-ctx.Done()
		errs = append(errs, errsOf(c, "z")...)
		return Result{}, ctx.Err()
	}
	res := run(t, []testStep{{id: "a", do: do}, {id: "b", needs: []string{"a"}}}, nil, journalTo(&memoryJournal{failAt: 2}))
	wantRun(t, res, "a=cancelled b=cancelled", RunFailed, 1)
	for _, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "no space left on device") {
			t.Errorf("%v", err)
		}
	}
	if len(errs) != 3 {
		t.Errorf("%d notes came back", len(errs))
	}
}

// What runs while the run stops still notes: how it left things is worth knowing.
func TestAttemptsNoteWhileTheRunStops(t *testing.T) {
	for name, sig := range map[string]Signal{"interrupt": SignalInterrupt, "suspend": SignalSuspend} {
		t.Run(name, func(t *testing.T) {
			j := &memoryJournal{}
			do := func(ctx context.Context, c *Call) (Result, error) {
				<-ctx.Done()
				if err := c.Note("left", "yes"); err != nil {
					t.Error(err)
				}
				return Result{}, ctx.Err()
			}
			run(t, []testStep{{id: "a", do: do}, {id: "b", do: do}}, nil, journalTo(j), signals(sig, time.Minute))
			if !noted(j.appends, "left") {
				t.Errorf("the journal has %s", j)
			}
		})
	}
}

func TestAnAttemptThatWasGivenUpNotesNothingMore(t *testing.T) {
	cases := map[string]struct {
		step   testStep
		change func(*Plan, *Options)
	}{
		"its timeout":      {testStep{timeout: time.Minute}, func(*Plan, *Options) {}},
		"a second signal":  {testStep{}, signals(SignalInterrupt, time.Minute, 2*time.Minute)},
		"the run's budget": {testStep{}, func(p *Plan, _ *Options) { p.Timeout = time.Minute }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			j := &memoryJournal{}
			var errs []error
			tc.step.id, tc.step.do = "a", func(_ context.Context, c *Call) (Result, error) {
				errs = errsOf(c, "early")
				time.Sleep(time.Hour) // longer than Run
				errs = append(errs, errsOf(c, "late")...)
				return Result{}, nil
			}
			// b runs on, so that there is somebody who takes notes, where the run goes on at all.
			run(t, []testStep{tc.step, {id: "b", do: takes(2 * time.Hour), timeout: 3 * time.Hour}}, nil, journalTo(j), tc.change)
			if len(errs) != 2 || errs[0] != nil || !errors.Is(errs[1], errAttemptOver) || noted(j.appends, "late") {
				t.Errorf("%v; the journal has %s", errs, j)
			}
		})
	}
}

// slowJournal takes its time.
type slowJournal struct{ memoryJournal }

func (j *slowJournal) Append(ctx context.Context, records ...Record) error {
	time.Sleep(20 * time.Second)
	return j.memoryJournal.Append(ctx, records...)
}

// However slow the journal is, whatever stops the run, and with how many that note at once: nobody waits for ever. A bubble with a goroutine
// that does is a failure.
func TestNotesNeverHoldARunUp(t *testing.T) {
	for name, change := range map[string]func(*Plan, *Options){
		"to its end": func(*Plan, *Options) {}, "interrupted": signals(SignalInterrupt, 50*time.Second), "twice": signals(SignalInterrupt, 50*time.Second, 51*time.Second),
		"suspended": signals(SignalSuspend, 50*time.Second), "timed out": func(p *Plan, _ *Options) { p.Timeout = 50 * time.Second }, "fails fast": func(p *Plan, _ *Options) { p.FailFast = true },
	} {
		t.Run(name, func(t *testing.T) {
			j := &slowJournal{}
			kept := map[string]bool{}
			var mu sync.Mutex
			do := func(_ context.Context, c *Call) (Result, error) {
				var all sync.WaitGroup
				for i := range 4 {
					all.Go(func() {
						key := fmt.Sprintf("%s%d", c.Step.ID, i)
						if c.Note(key, "v") == nil {
							mu.Lock()
							kept[key] = true
							mu.Unlock()
						}
					})
				}
				all.Wait()
				return Result{}, map[string]error{"c": errPlain}[c.Step.ID]
			}
			run(t, []testStep{{id: "a", do: do, timeout: 30 * time.Second}, {id: "b", do: do}, {id: "c", do: do}, {id: "d", do: do, needs: []string{"b"}}}, nil, journalTo(j), change)
			for key := range kept {
				if !noted(j.appends, key) {
					t.Errorf("%s was said to be kept and is not", key)
				}
			}
		})
	}
}

func TestNotesOfAnotherRunAreNotBorrowed(t *testing.T) {
	h := fold(t, [][]Record{
		{AttemptStartedRecord{Step: "a", Attempt: 1}}, {StepNotedRecord{Step: "a", Attempt: 1, Key: "k", Value: "v"}}, {StepFinishedRecord{Step: "a", Attempts: 1, Outcome: Succeeded}},
	})
	if b := h.Borrow(func(string) bool { return true }); b.units["a"].notes != nil {
		t.Errorf("%v", b.units["a"].notes)
	}
	h.Forget("a") // it runs again, and knows what it knew
	synctest.Test(t, func(t *testing.T) {
		p, _ := testPlan([]testStep{{id: "a"}}, nil)
		Run(t.Context(), p, Options{History: h, Do: func(_ context.Context, c *Call) (Result, error) {
			if diff := cmp.Diff(map[string]string{"k": "v"}, c.Noted); diff != "" || c.Attempt != 2 {
				t.Errorf("attempt %d: %s", c.Attempt, diff)
			}
			return Result{}, nil
		}})
	})
}

func TestTextsOfAHistoryAreChangedInOutputsAndNotes(t *testing.T) {
	h := fold(t, [][]Record{
		{AttemptStartedRecord{Step: "a", Attempt: 1}, StepNotedRecord{Step: "a", Attempt: 1, Key: "k", Value: "sealed"}, StepNotedRecord{Step: "a", Attempt: 1, Key: "l", Value: "lost"}},
		{StepFinishedRecord{Step: "a", Attempts: 1, Outcome: Succeeded, Outputs: map[string]any{"x": "sealed", "y": "lost"}}},
	})
	h.MapTexts(func(s string) (string, bool) { return strings.Replace(s, "sealed", "open", 1), s != "lost" })
	if diff := cmp.Diff(map[string]string{"k": "open", "l": "lost"}, h.units["a"].notes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"x": "open"}, h.Results()["a"].Outputs); diff != "" {
		t.Error(diff)
	}
}
