//go:build linux

package rigs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/runstore"
)

// fault is a promise that was broken.
type fault struct{ kind, text string }

// The kinds of faults.
const (
	lost     = "lost"
	repeated = "repeated"
	wrong    = "wrong"
)

// trial is one run that is disturbed, and gone on with.
type trial struct {
	*world
	t       testing.TB
	ref     *reference
	faults  []fault
	history []string // what was done to it
	begun   bool     // the run is recorded
}

func newTrial(t testing.TB, ref *reference) *trial {
	t.Helper()
	return &trial{world: newWorld(t, ref), t: t, ref: ref}
}

func (tr *trial) fault(kind, format string, args ...any) {
	tr.faults = append(tr.faults, fault{kind, fmt.Sprintf(format, args...)})
}

// entries reads the run's journal as the program would.
func (tr *trial) entries() ([]engine.JournalEntry, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var store runstore.Store = runstore.Local(filepath.Join(tr.dir, "state", "plan"))
	if tr.inCluster {
		client, err := kube.New(&rest.Config{Host: tr.kubeURL, TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(tr.dir, "ca.pem")}}, "rigs", "default")
		if err != nil {
			return nil, err
		}
		store = runstore.Cluster(client, "default")
	}
	return store.Read(ctx, runID)
}

// next are the arguments for the next process of the run.
func (tr *trial) next() []string {
	if tr.begun && !tr.inCluster {
		return []string{"resume", runID, "-o", "json"}
	}
	return tr.apply()
}

// look looks at what is there after a process was stopped: what is recorded can be read, what was done stays done, and nothing was done
// that is not recorded. It remembers what may not happen again.
func (tr *trial) look(r result) {
	entries, err := tr.entries()
	if errors.Is(err, runstore.ErrNotFound) || err == nil && len(entries) == 0 {
		if tr.begun {
			tr.fault(lost, "the run was recorded, and is gone: %v", err)
		}
		if made := append(sorted(tr.made()), sorted(tr.hook.counts())...); len(made) > 0 {
			tr.fault(wrong, "nothing is recorded, and this was done: %s", strings.Join(made, "; "))
		}
		return
	}
	if err != nil {
		tr.fault(lost, "the journal cannot be read: %v\n%s", err, r)
		return
	}
	tr.begun = true
	done, again := walk(entries)
	for _, unit := range again {
		tr.fault(repeated, "%s ran again after it was recorded as done", unit)
	}
	for unit := range tr.done {
		if !done[unit] {
			tr.fault(lost, "%s was recorded as done, and is not any more", unit)
		}
	}
	tr.done = done
	calls := tr.hook.counts()
	for path, n := range tr.frozen {
		if calls[path] != n {
			tr.fault(repeated, "the hook's %s was called again though its step was recorded as done", path)
		}
	}
	for path, n := range calls {
		if done[unitOf(path)] || done[stepOf(path)] {
			tr.frozen[path] = n
		}
	}
}

// walk reads a journal in its order: which units are done at its end, and which began again although they were done.
func walk(entries []engine.JournalEntry) (done map[string]bool, again []string) {
	done = map[string]bool{}
	for _, e := range entries {
		switch r := e.Record.(type) {
		case engine.AttemptStartedRecord:
			if id := engine.InstanceID(r.Step, r.Instance); done[id] || done[r.Step] {
				again = append(again, id)
			}
		case engine.StepFinishedRecord:
			good := r.Outcome == engine.Succeeded || r.Outcome == engine.Ignored || r.Outcome == engine.Skipped && r.OwnIf
			done[engine.InstanceID(r.Step, r.Instance)] = good && !r.Final && r.Verdict != engine.Fail && r.Verdict != engine.Unknown
		}
	}
	maps.DeleteFunc(done, func(_ string, is bool) bool { return !is })
	return done, again
}

// stepOf is the step that calls a path of the hook, unitOf the instance of the matrix of this folder's plans.
func stepOf(path string) string { return strings.Split(path, "/")[1] }

func unitOf(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) == 4 {
		return fmt.Sprintf("%s[region=%s,size=%s]", parts[1], parts[2], parts[3])
	}
	return parts[1]
}

// finish lets the run come to its end, undisturbed, and compares. A process that came to its end by itself already is given.
func (tr *trial) finish(last *result) {
	tr.t.Helper()
	if last == nil {
		r := tr.run(tr.t, start{args: tr.next()})
		last = &r
	}
	tr.look(*last)
	for _, line := range differences(tr.ref.state, tr.state(tr.t, *last)) {
		kind := wrong
		if strings.HasPrefix(line, "hook ") || strings.HasPrefix(line, "bucket ") {
			kind = lost
		}
		tr.fault(kind, "%s", line)
	}
	tr.counted()
	if len(tr.faults) > 0 {
		tr.tell(*last)
	}
}

// counted compares how often things were done with how often they may have been.
func (tr *trial) counted() {
	entries, err := tr.entries()
	if err != nil {
		tr.fault(lost, "the journal cannot be read: %v", err)
		return
	}
	attempts, rounds := map[string]int{}, 0
	for _, e := range entries {
		switch r := e.Record.(type) {
		case engine.AttemptStartedRecord:
			attempts[engine.InstanceID(r.Step, r.Instance)]++
		case engine.RunStartedRecord:
			rounds++
		}
	}
	for path, n := range tr.hook.counts() {
		if most := attempts[unitOf(path)]; n > most {
			tr.fault(repeated, "the hook's %s was called %d times in %d recorded attempts", path, n, most)
		}
		if n < tr.ref.calls[path] && !strings.Contains(path, "status-") {
			tr.fault(lost, "the hook's %s was called %d times, and undisturbed %d", path, n, tr.ref.calls[path])
		}
	}
	for what, n := range tr.made() {
		create := strings.HasPrefix(what, "s3 PUT") || strings.Contains(what, " POST ") && !strings.HasPrefix(what, "s3")
		if create && n > tr.ref.made[what] {
			tr.fault(repeated, "%s was executed %d times, and undisturbed %d", what, n, tr.ref.made[what])
		}
	}
}

// tell reports what went wrong with this trial.
func (tr *trial) tell(last result) {
	tr.t.Helper()
	var lines []string
	for _, f := range tr.faults {
		lines = append(lines, f.kind+": "+f.text)
	}
	journal := []string{}
	entries, _ := tr.entries()
	for _, e := range entries {
		line := fmt.Sprintf("%T%+v", e.Record, e.Record)
		journal = append(journal, line[:min(len(line), 250)])
	}
	tr.t.Errorf("plan %s, %s:\n%s\nlast process: %s\njournal:\n%s", tr.ref.name, strings.Join(tr.history, ", "), strings.Join(lines, "\n"), last, strings.Join(journal, "\n"))
}

func (tr *trial) has(kind string) bool {
	return slices.ContainsFunc(tr.faults, func(f fault) bool { return f.kind == kind })
}
