package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// memoryJournal keeps what is appended and fails from its failAt-th append on.
type memoryJournal struct {
	appends [][]Record
	failAt  int
}

func (j *memoryJournal) Append(_ context.Context, records ...Record) error {
	if j.failAt > 0 && len(j.appends)+1 >= j.failAt {
		return errors.New("no space left on device")
	}
	j.appends = append(j.appends, append([]Record(nil), records...))
	return nil
}

func (j *memoryJournal) Close() error { return nil }

func (j *memoryJournal) String() string {
	var b strings.Builder
	for _, a := range j.appends {
		b.WriteString("[")
		for i, r := range a {
			if i > 0 {
				b.WriteString(" ")
			}
			switch r := r.(type) {
			case AttemptStartedRecord:
				fmt.Fprintf(&b, "%s:%d", InstanceID(r.Step, r.Instance), r.Attempt)
			case AttemptFinishedRecord:
				fmt.Fprintf(&b, "%s:%s", InstanceID(r.Step, r.Instance), r.Outcome)
			case StepFinishedRecord:
				fmt.Fprintf(&b, "%s=%s", InstanceID(r.Step, r.Instance), r.Outcome)
			case RunFinishedRecord:
				fmt.Fprintf(&b, "%s %d", r.Outcome, r.ExitCode)
			}
		}
		b.WriteString("]")
	}
	return b.String()
}

func journalTo(j Journal) func(*Plan, *Options) {
	return func(_ *Plan, o *Options) { o.Journal = j }
}

func TestAnEndAndTheStartsItAllowsAreOneAppend(t *testing.T) {
	j := &memoryJournal{}
	retry := Retry{Attempts: 2, Delay: time.Second, When: []RetryWhen{RetryTransient}}
	run(t, []testStep{
		{id: "a", do: script(failsWith(errPasses)), retry: retry}, {id: "b", needs: []string{"a"}}, {id: "c", needs: []string{"b"}, cond: ownFalse},
	}, []testStep{{id: "f"}}, journalTo(j))
	want := "[a:1][a:failed][a:2][a:succeeded a=succeeded b:1][b:succeeded b=succeeded c=skipped][f:1][f:succeeded f=succeeded][succeeded 0]"
	if j.String() != want {
		t.Errorf("got  %s\nwant %s", j, want)
	}
}

func TestAnAttemptBeginsOnlyWhenItsStartIsRecorded(t *testing.T) {
	j := &memoryJournal{}
	var early []string
	look := func(_ context.Context, c *Call) (Result, error) {
		if want := fmt.Sprintf("%s:%d", c.Step.ID, c.Attempt); !strings.Contains(j.String(), want) {
			early = append(early, want)
		}
		return Result{}, errPlain
	}
	retry := Retry{Attempts: 3, When: []RetryWhen{RetryFailure}}
	run(t, []testStep{{id: "a", do: look, retry: retry}, {id: "b", needs: []string{"a"}, cond: always, do: look, retry: retry}}, nil, journalTo(j))
	if early != nil {
		t.Errorf("began before they were recorded: %v", early)
	}
}

func TestWhenTheJournalFailsNothingStartsAndWhatRunsIsCancelled(t *testing.T) {
	steps := []testStep{
		{id: "a", do: takes(time.Second)}, {id: "b", do: takes(time.Hour)}, {id: "c", do: ignores(2 * time.Second)},
		{id: "d", do: ignores(time.Hour)}, {id: "e", needs: []string{"a"}},
	}
	cases := map[string]struct {
		failAt int
		want   string
		exit   int
	}{
		"at the start":     {1, "a=cancelled b=cancelled c=cancelled d=cancelled e=cancelled f=cancelled", 1},
		"when a has ended": {2, "a=succeeded b=cancelled c=succeeded d=lost e=cancelled f=cancelled", 5},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var log eventLog
			res := run(t, steps, []testStep{{id: "f"}}, journalTo(&memoryJournal{failAt: c.failAt}), func(_ *Plan, o *Options) { o.Events = log.add })
			wantRun(t, res, c.want, RunFailed, c.exit)
			if res.Err == nil || !strings.Contains(res.Err.Error(), "no space left") {
				t.Errorf("error %v", res.Err)
			}
			for _, s := range res.Steps {
				if began := strings.Contains(log.String(), " "+s.ID+":1/1"); began != (s.Attempts == 1) || began == s.Started.IsZero() {
					t.Errorf("%s: attempts %d, started %s, told %v", s.ID, s.Attempts, s.Started, began)
				}
			}
		})
	}
}

func TestAJournalThatFailsAtTheVeryEndFailsTheRun(t *testing.T) {
	for failAt := 2; failAt <= 3; failAt++ {
		res := run(t, []testStep{{id: "a"}}, nil, journalTo(&memoryJournal{failAt: failAt}))
		wantRun(t, res, "a=succeeded", RunFailed, 1)
		if res.Err == nil {
			t.Error("no error")
		}
	}
}

// What a journal holds is enough to tell what is done: the last step-finished of each step, and which attempts never ended.
func TestAJournalTellsWhatIsDoneAndWhatWasUnderWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	file, err := CreateJournal(path, RunStartedRecord{Run: "r", Invocation: 1})
	if err != nil {
		t.Fatal(err)
	}
	var entries []JournalEntry
	crash := func(context.Context, *Call) (Result, error) { // what another process would find, were this one killed now
		_, entries, err = OpenJournal(path)
		return Result{}, err
	}
	synctest.Test(t, func(t *testing.T) {
		outs := func(context.Context, *Call) (Result, error) {
			return Result{Verdict: Pass, Outputs: map[string]any{"n": int64(3)}}, nil
		}
		p, do := testPlan([]testStep{{id: "a", do: outs}, {id: "b", needs: []string{"a"}, cond: ownFalse}, {id: "c", needs: []string{"b"}, do: crash}}, nil)
		if res := Run(t.Context(), p, Options{Do: do, Journal: file}); res.ExitCode != 0 {
			t.Errorf("exit %d: %v", res.ExitCode, res.Err)
		}
	})
	under, done := map[string]int{}, map[string]StepFinishedRecord{}
	for _, e := range entries {
		switch r := e.Record.(type) {
		case AttemptStartedRecord:
			under[r.Step] = r.Attempt
		case AttemptFinishedRecord:
			delete(under, r.Step)
		case StepFinishedRecord:
			done[r.Step] = r
		}
	}
	if len(under) != 1 || under["c"] != 1 || len(done) != 2 || !done["b"].OwnIf || done["a"].Verdict != Pass || done["a"].Outputs["n"] != int64(3) {
		t.Errorf("under way %v, done %+v", under, done)
	}
}
