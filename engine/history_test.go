package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// entriesOf numbers what a journal got, as on disk.
func entriesOf(appends [][]Record) []JournalEntry {
	var list []JournalEntry
	for _, records := range appends {
		for _, r := range records {
			list = append(list, JournalEntry{Seq: int64(len(list) + 1), Time: time.Now(), Record: r})
		}
	}
	return list
}

func fold(t *testing.T, appends [][]Record) *History {
	t.Helper()
	h, err := Fold(entriesOf(slices.Concat([][]Record{{RunStartedRecord{Run: "r", Invocation: 1}}}, appends)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// signalAfter sends a signal; the channel must be made in the bubble.
func signalAfter(o *Options, after time.Duration, sig Signal) {
	signals := make(chan Signal, 1)
	o.Interrupt = signals
	time.AfterFunc(after, func() { signals <- sig })
}

// resumed runs a plan again after the first n appends of its journal.
func resumed(h *History, more ...func(*Plan, *Options)) func(*Plan, *Options) {
	return func(p *Plan, o *Options) {
		o.History = h
		for _, m := range more {
			m(p, o)
		}
	}
}

func TestWhatIsDoneNeverRunsAgainAndAllElseDoes(t *testing.T) {
	j := &memoryJournal{}
	first := []testStep{
		{id: "done", do: func(context.Context, *Call) (Result, error) {
			return Result{Outputs: map[string]any{"n": int64(7)}}, nil
		}},
		{id: "own", cond: ownFalse, needs: []string{"done"}},
		{id: "ignored", do: failsWith(errPlain), coe: true},
		{id: "warned", do: finds(Fail), coe: true},
		{id: "failed", do: failsWith(errPlain)},
		{id: "after", needs: []string{"failed"}},
	}
	run(t, first, []testStep{{id: "fin"}}, journalTo(j))
	var again []string
	note := func(_ context.Context, c *Call) (Result, error) {
		again = append(again, fmt.Sprintf("%s:%d", c.Step.ID, c.Attempt))
		return Result{}, nil
	}
	second := slices.Clone(first)
	for i := range second {
		second[i].do = note
	}
	res := run(t, second, []testStep{{id: "fin", do: note}}, resumed(fold(t, j.appends), func(p *Plan, _ *Options) { p.MaxParallel = 1 }))
	wantRun(t, res, "done=succeeded own=skipped(own) ignored=ignored warned=succeeded failed=succeeded after=succeeded fin=succeeded", RunDegraded, 0)
	if got := strings.Join(again, " "); got != "warned:2 failed:2 after:1 fin:2" {
		t.Errorf("ran %s", got)
	}
	if got := stepOf(t, res, "done"); !got.Recorded || got.Outputs["n"] != int64(7) || got.Attempts != 1 {
		t.Errorf("%+v", got)
	}
}

func TestAnAttemptWithoutAnEndIsMadeAgainUnderItsNumber(t *testing.T) {
	retry := Retry{Attempts: 3, When: []RetryWhen{RetryTransient}}
	appends := [][]Record{
		{AttemptStartedRecord{Step: "a", Attempt: 1}}, {AttemptFinishedRecord{Step: "a", Attempt: 1, Outcome: Failed}, AttemptStartedRecord{Step: "a", Attempt: 2}},
		{AttemptStartedRecord{Step: "b", Attempt: 1}}, {AttemptFinishedRecord{Step: "b", Attempt: 1, Outcome: Lost}, StepFinishedRecord{Step: "b", Attempts: 1, Outcome: Lost}},
	}
	var made []string
	do := func(err error) Do {
		return func(_ context.Context, c *Call) (Result, error) {
			made = append(made, fmt.Sprintf("%s:%d", c.Step.ID, c.Attempt))
			return Result{}, err
		}
	}
	res := run(t, []testStep{{id: "a", do: do(errPasses), retry: retry}, {id: "b", do: do(nil), needs: []string{"a"}, cond: always}}, nil, resumed(fold(t, appends)))
	if got := strings.Join(made, " "); got != "a:2 a:3 a:4 b:1" { // three tries anew
		t.Errorf("made %s", got)
	}
	wantRun(t, res, "a=failed b=succeeded", RunFailed, 1)
}

func TestSuspendedRunIsOpenForTheNextProcess(t *testing.T) {
	j := &memoryJournal{}
	steps := []testStep{{id: "a"}, {id: "b", needs: []string{"a"}, do: takes(time.Hour)}, {id: "c", needs: []string{"b"}}}
	res := run(t, steps, []testStep{{id: "fin"}}, journalTo(j), func(_ *Plan, o *Options) {
		signalAfter(o, time.Minute, SignalSuspend)
	})
	wantRun(t, res, "a=succeeded b=cancelled c=cancelled fin=cancelled", RunSuspended, ExitTerminated)
	if got := j.String(); got != "[a:1][a:succeeded a=succeeded b:1][]" {
		t.Errorf("the journal has %s", got)
	}
	h := fold(t, j.appends)
	if !h.Suspended || h.Ended != nil {
		t.Errorf("%+v", h)
	}
	steps[1].do = nil
	res = run(t, steps, []testStep{{id: "fin"}}, resumed(h))
	wantRun(t, res, "a=succeeded b=succeeded c=succeeded fin=succeeded", RunSucceeded, 0)
	if got := stepOf(t, res, "b").Attempts; got != 1 {
		t.Errorf("b took %d attempts", got)
	}
}

func TestALostLockExitsFive(t *testing.T) {
	res := run(t, []testStep{{id: "a", do: takes(time.Hour)}}, nil, func(_ *Plan, o *Options) { signalAfter(o, time.Minute, SignalBereft) })
	wantRun(t, res, "a=cancelled", RunSuspended, ExitLost)
}

func TestStepsThatAreLeftOut(t *testing.T) {
	j := &memoryJournal{}
	steps := []testStep{{id: "a"}, {id: "b", needs: []string{"a"}}, {id: "c", needs: []string{"b"}}}
	run(t, steps[:1], nil, journalTo(j))
	out := map[string]string{"a": "left out", "b": "left out"}
	h := fold(t, j.appends).Borrow(func(id string) bool { return out[id] != "" })
	second := &memoryJournal{}
	res := run(t, steps, nil, resumed(h, journalTo(second), func(_ *Plan, o *Options) { o.LeaveOut = out }))
	wantRun(t, res, "a=succeeded b=skipped(own) c=succeeded", RunSucceeded, 0)
	// What is left out stays so when this run is resumed, so it stands in its own journal.
	if got := second.String(); got != "[a=succeeded b=skipped c:1][c:succeeded c=succeeded][succeeded 0]" {
		t.Errorf("the journal has %s", got)
	}
}

func TestTheBudgetOfARunThatIsCarriedOnCountsFromItsStart(t *testing.T) {
	res := run(t, []testStep{{id: "a", do: takes(2 * time.Hour)}}, nil, func(p *Plan, o *Options) {
		p.Timeout, o.Since = 3*time.Hour, time.Now().Add(-150*time.Minute)
	})
	wantRun(t, res, "a=cancelled", RunTimedOut, ExitTimedOut)
}

func TestFoldRefusesWhatIsNoRun(t *testing.T) {
	for name, entries := range map[string][]JournalEntry{"nothing": nil, "no beginning": {{Seq: 1, Record: AttemptStartedRecord{Step: "a", Attempt: 1}}}} {
		if _, err := Fold(entries); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A run in a bubble of its own must not leave goroutines behind when it is suspended with an attempt that does not listen.
func TestSuspendGivesUpWhatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &memoryJournal{}
		p, do := testPlan([]testStep{{id: "a", do: ignores(time.Hour)}}, nil)
		signals := make(chan Signal, 1)
		time.AfterFunc(time.Second, func() { signals <- SignalSuspend })
		res := Run(t.Context(), p, Options{RunID: "r", Do: do, Journal: j, Interrupt: signals})
		if res.Outcome != RunSuspended || res.Finished.Sub(res.Started) > 30*time.Second {
			t.Errorf("%s after %s", res.Outcome, res.Finished.Sub(res.Started))
		}
		if h := fold(t, j.appends); !h.units["a"].open {
			t.Error("the attempt is not open")
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestOutputsComeBackAsTheyWere(t *testing.T) {
	outputs := map[string]any{
		"s": "x", "i": int64(1 << 60), "b": true, "n": 7.0, "d": 90 * time.Minute, "none": time.Duration(0),
		"l": []any{"y", map[string]any{"age": time.Second, "n": int64(3), "f": 1.5}},
	}
	path := t.TempDir() + "/journal"
	j, err := CreateJournal(path, RunStartedRecord{Run: "r", Invocation: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append(t.Context(), StepFinishedRecord{Step: "a", Outcome: Succeeded, Attempts: 1, Outputs: outputs}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	_, entries, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := Fold(entries)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(outputs, h.Results()["a"].Outputs); diff != "" {
		t.Error(diff)
	}
}
