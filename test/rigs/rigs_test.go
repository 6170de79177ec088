//go:build linux

package rigs

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"plan/engine"
)

// TestTheRigsSeeWhatTheyShould: a rig that finds nothing has to be able to.
func TestTheRigsSeeWhatTheyShould(t *testing.T) {
	ref := references(t)[0]
	for _, r := range references(t) {
		if r.name == "retry" {
			ref = r
		}
	}
	for name, spoil := range map[string]func(*trial, *result){
		"lost: hook /last":      func(tr *trial, _ *result) { delete(tr.hook.last, "/last") },
		"wrong: exit":           func(_ *trial, r *result) { r.code = 4 },
		"repeated: the hook's ": func(tr *trial, _ *result) { tr.hook.calls["/first"]++ },
		"lost: late was recorded as done, and is not any more": func(tr *trial, _ *result) { tr.done["late"] = true },
		"is too much": func(tr *trial, _ *result) { tr.hook.last["/more"] = "{}" },
	} {
		tr := newTrial(&deaf{TB: t}, ref)
		r := tr.run(t, start{args: tr.next()})
		tr.look(r)
		spoil(tr, &r)
		tr.finish(&r)
		if !slices.ContainsFunc(tr.faults, func(f fault) bool { return strings.Contains(f.kind+": "+f.text, name) }) {
			t.Errorf("not found: %s; found: %v", name, tr.faults)
		}
		tr.end()
	}
	done, again := walk([]engine.JournalEntry{
		{Record: engine.AttemptStartedRecord{Step: "a"}}, {Record: engine.StepFinishedRecord{Step: "a", Outcome: engine.Succeeded}},
		{Record: engine.AttemptStartedRecord{Step: "b"}}, {Record: engine.StepFinishedRecord{Step: "b", Outcome: engine.Failed}},
		{Record: engine.AttemptStartedRecord{Step: "b"}}, {Record: engine.AttemptStartedRecord{Step: "a"}},
	})
	if !done["a"] || done["b"] || !slices.Equal(again, []string{"a"}) {
		t.Errorf("of a journal: done %v, again %v", done, again)
	}
}

// deaf is a test that does not fail: what is told it is expected.
type deaf struct{ testing.TB }

func (*deaf) Errorf(string, ...any) {}

// TestTheCanaryRigFindsEveryForm: each of the forms, wherever it stands.
func TestTheCanaryRigFindsEveryForm(t *testing.T) {
	text, err := os.ReadFile("plans/canaries/all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for form := range forms("x") {
		run := newCanaries(t, source(1, 0), string(text), false)
		run.write(t, "state/plan/left", "before "+forms(run.values["bitwarden 0"])[form]+" after")
		if run.scan(); len(run.faults) == 0 {
			t.Errorf("%s is not found", form)
		}
		run.end()
	}
}

// TestTheTracerCountsAndKills: the same run has about the same number of calls, and ends before the one that it is to end before.
func TestTheTracerCountsAndKills(t *testing.T) {
	traceable(t, "points")
	ref := references(t)[0]
	tr := newTrial(t, ref)
	defer tr.end()
	r := tr.run(t, start{args: []string{"version"}, tracer: &tracer{among: storing(), at: 1}})
	if r.signal != syscall.SIGKILL || r.stdout != "" {
		t.Errorf("killed before its first write: %s", r)
	}
	r = tr.run(t, start{args: []string{"version"}, tracer: &tracer{among: storing(), at: 1, errno: syscall.ENOSPC, files: tr.dir}})
	if r.code == 0 || r.stdout != "" || len(r.hit) != 1 {
		t.Errorf("a full disk for its output: %v, %s", r.hit, r)
	}
	r = tr.run(t, start{args: []string{"version"}, tracer: &tracer{among: storing()}})
	if r.code != 0 || r.stdout == "" || r.calls == 0 || r.took > time.Minute {
		t.Errorf("only counted: %d calls, %s", r.calls, r)
	}
}
