package runstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/engine"
)

var (
	_  Store = (*LocalStore)(nil)
	t0       = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
)

func begun(id string, at time.Time) engine.RunStartedRecord {
	p := Process()
	return engine.RunStartedRecord{
		Run: id, Invocation: 1, Plan: "nightly", File: "nightly.yaml", Started: at, Host: p.Host, PID: p.PID, BootID: p.BootID, PIDStarted: p.Started,
	}
}

// made creates a run and ends it with records.
func made(t *testing.T, s Store, id string, at time.Time, records ...engine.Record) {
	t.Helper()
	j, err := s.Create(t.Context(), id, begun(id, at))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Append(t.Context(), records...), j.Close()); err != nil {
		t.Fatal(err)
	}
}

func ended(code int, outcome engine.RunOutcome) engine.Record {
	return engine.RunFinishedRecord{Outcome: outcome, ExitCode: code}
}

func records(entries []engine.JournalEntry) (all []engine.Record) {
	for _, e := range entries {
		all = append(all, e.Record)
	}
	return all
}

// Both stores keep what they are given, each in its way.
func theStoreKeepsRuns(t *testing.T, s Store) {
	made(t, s, "b", t0.Add(time.Hour), ended(0, engine.RunSucceeded))
	made(t, s, "a", t0, engine.AttemptStartedRecord{Step: "x", Attempt: 1})
	if _, err := s.Create(t.Context(), "a", begun("a", t0)); !errors.Is(err, ErrExists) {
		t.Errorf("a second of that id: %v", err)
	}
	j, entries, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	want := []engine.Record{begun("a", t0), engine.AttemptStartedRecord{Step: "x", Attempt: 1}}
	if diff := cmp.Diff(want, records(entries)); diff != "" {
		t.Error(diff)
	}
	more := []engine.Record{engine.AttemptFinishedRecord{Step: "x", Attempt: 1, Outcome: engine.Succeeded}, engine.SuspendedRecord{Reason: "moved"}}
	if err := errors.Join(j.Append(t.Context(), more...), j.Append(t.Context()), j.Close()); err != nil {
		t.Fatal(err)
	}
	entries, err = s.Read(t.Context(), "a")
	if diff := cmp.Diff(append(want, more...), records(entries)); diff != "" || err != nil {
		t.Error(err, diff)
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != 2 || list[0].ID != "b" || list[1].ID != "a" {
		t.Fatalf("the list: %+v, %v", list, err)
	}
	if b := list[0]; b.Plan != "nightly" || b.File != "nightly.yaml" || !b.Started.Equal(t0.Add(time.Hour)) || b.History.Ended == nil || b.Running || b.Bytes == 0 || b.Problem != "" {
		t.Errorf("its summary: %+v", b)
	}
	if !list[1].History.Suspended {
		t.Error("it does not say suspended")
	}
	if asked, err := s.Cancelled(t.Context(), "a"); asked || err != nil {
		t.Errorf("cancelled without being asked: %v", err)
	}
	if err := s.Cancel(t.Context(), "b"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("cancel of one that has ended: %v", err)
	}
	itDeletesRuns(t, s)
}

func itDeletesRuns(t *testing.T, s Store) {
	t.Helper()
	if err := s.Delete(t.Context(), "b"); err != nil {
		t.Error(err)
	}
	for name, err := range missing(t, s, "b") {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s of a run that is not there: %v", name, err)
		}
	}
	for name, err := range missing(t, s, "../a") {
		if err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("%s of what is no run's id: %v", name, err)
		}
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("after the deletion: %+v, %v", list, err)
	}
	if !strings.Contains(s.Describe("a"), "a") {
		t.Errorf("it describes itself as %q", s.Describe("a"))
	}
	made(t, s, "b", t0)
}

func missing(t *testing.T, s Store, id string) map[string]error {
	_, _, open := s.Open(t.Context(), id)
	_, read := s.Read(t.Context(), id)
	return map[string]error{"open": open, "read": read, "cancel": s.Cancel(t.Context(), id), "delete": s.Delete(t.Context(), id)}
}

func TestTheLocalStoreKeepsRuns(t *testing.T) {
	s := Local(filepath.Join(t.TempDir(), "deep", "state"))
	if list, err := s.List(t.Context()); len(list) != 0 || err != nil {
		t.Errorf("a store without a folder: %v, %v", list, err)
	}
	theStoreKeepsRuns(t, s)
}

func TestALocalRunIsForItsOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := Local(dir)
	made(t, s, "a", t0)
	for p, want := range map[string]os.FileMode{
		dir: 0o700 | os.ModeDir, filepath.Join(dir, "runs"): 0o700 | os.ModeDir, filepath.Join(dir, "runs", "a"): 0o700 | os.ModeDir,
		filepath.Join(dir, "runs", "a", "journal"): 0o600, filepath.Join(dir, "runs", "a", "lock"): 0o600,
	} {
		if info, err := os.Stat(p); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", p, info.Mode(), err, want)
		}
	}
}

func TestALocalRunIsHadByOneAtATime(t *testing.T) {
	s := Local(t.TempDir())
	j, err := s.Create(t.Context(), "a", begun("a", t0))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Open(t.Context(), "a"); !errors.Is(err, ErrRunning) {
		t.Errorf("open: %v", err)
	}
	if err := s.Delete(t.Context(), "a"); !errors.Is(err, ErrRunning) {
		t.Errorf("delete: %v", err)
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 1 || !list[0].Running {
		t.Errorf("list: %+v, %v", list, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	var had, denied atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			switch j, _, err := s.Open(t.Context(), "a"); { // it stays open until all have tried
			case err == nil:
				had.Add(1)
				t.Cleanup(func() { j.Close() })
			case errors.Is(err, ErrRunning):
				denied.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if had.Load() != 1 || denied.Load() != 7 {
		t.Errorf("%d had it, %d were denied", had.Load(), denied.Load())
	}
}

func TestOfManyThatCreateARunOneDoes(t *testing.T) {
	s := Local(t.TempDir())
	var had atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if j, err := s.Create(t.Context(), "a", begun("a", t0)); err == nil {
				had.Add(1)
				if err := j.Close(); err != nil {
					t.Error(err)
				}
			} else if !errors.Is(err, ErrExists) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if had.Load() != 1 {
		t.Errorf("%d created it", had.Load())
	}
}

func TestDamagedLocalRunsAreListedLastWithAProblem(t *testing.T) {
	dir := t.TempDir()
	s := Local(dir)
	for i, id := range []string{"a", "b", "c", "d", "e"} {
		made(t, s, id, t0.Add(time.Duration(i)*time.Hour), ended(0, engine.RunSucceeded))
	}
	file := func(id string) string { return filepath.Join(dir, "runs", id, "journal") }
	whole, err := os.ReadFile(file("a"))
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	damaged[30] ^= 1
	for id, text := range map[string][]byte{"b": damaged, "c": nil, "d": whole[:len(whole)-3]} {
		if err := os.WriteFile(file(id), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(file("e")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"UPPER", ".hidden"} {
		if err := os.Mkdir(filepath.Join(dir, "runs", p), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.List(t.Context())
	var got []string
	for _, sum := range list {
		got = append(got, fmt.Sprintf("%s:%t", sum.ID, sum.Problem == ""))
	}
	if diff := cmp.Diff([]string{"d:true", "a:true", "e:false", "c:false", "b:false"}, got); diff != "" || err != nil {
		// d is torn: only what was never confirmed is missing. It is a copy of a, so it began when a did.
		t.Error(err, diff)
	}
	if _, _, err := s.Open(t.Context(), "b"); err == nil {
		t.Error("a damaged run was opened")
	}
	if j, _, err := s.Open(t.Context(), "d"); err != nil {
		t.Error(err)
	} else if err := errors.Join(j.Append(t.Context(), ended(1, engine.RunFailed)), j.Close()); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"b", "c", "d", "e"} {
		if err := s.Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
}

func TestARunOfWhichNothingIsRecordedBegins(t *testing.T) {
	dir := t.TempDir()
	made(t, Local(dir), "whole", t0)
	whole, err := os.ReadFile(Local(dir).journal("whole"))
	if err != nil {
		t.Fatal(err)
	}
	for name, left := range map[string][]byte{"nothing": nil, "half-a-header": whole[:7], "a-header": whole[:15], "half-a-record": whole[:60]} {
		s := Local(dir)
		if err := errors.Join(os.MkdirAll(s.folder(name), 0o700), os.WriteFile(s.journal(name), left, 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: read: %v", name, err)
		}
		made(t, s, name, t0)
		if entries, err := s.Read(t.Context(), name); err != nil || len(entries) == 0 {
			t.Errorf("%s: after it began: %d records, %v", name, len(entries), err)
		}
		if _, err := s.Create(t.Context(), name, begun(name, t0)); !errors.Is(err, ErrExists) {
			t.Errorf("%s: a second of that id: %v", name, err)
		}
	}
}

func TestDeleteRemovesAllThatIsKeptOfARun(t *testing.T) {
	dir := t.TempDir()
	s := Local(dir)
	made(t, s, "a", t0)
	if err := os.WriteFile(s.EventsFile("a"), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "runs")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestCountLooksIntoNoRun(t *testing.T) {
	s := Local(t.TempDir())
	if n := s.Count(); n != 0 {
		t.Errorf("%d before the first", n)
	}
	for _, id := range []string{"a", "b"} {
		j, err := s.Create(t.Context(), id, begun(id, t0))
		if err != nil {
			t.Fatal(err)
		}
		j.Close()
	}
	if n := s.Count(); n != 2 {
		t.Errorf("%d of 2", n)
	}
}
