package runstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/engine"
)

func history(t testing.TB, all ...engine.Record) *engine.History {
	t.Helper()
	entries := []engine.JournalEntry{{Seq: 1, Record: engine.RunStartedRecord{}}}
	for i, r := range all {
		entries = append(entries, engine.JournalEntry{Seq: int64(i + 2), Record: r})
	}
	h, err := engine.Fold(entries)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestFind(t *testing.T) {
	list := []Summary{{ID: "20260303-1-c"}, {ID: "20260302-1-b"}, {ID: "20260302-1"}, {ID: "nightly"}, {ID: "z"}, {ID: "y"}, {ID: "x"}}
	cases := map[string]struct{ word, id, says string }{
		"latest":               {"latest", "20260303-1-c", ""},
		"id":                   {"nightly", "nightly", ""},
		"prefix":               {"20260303", "20260303-1-c", ""},
		"id that is a prefix":  {"20260302-1", "20260302-1", ""},
		"prefix of several":    {"2026", "", "3 runs begin like that: 20260303-1-c, 20260302-1-b, 20260302-1"},
		"none":                 {"w", "", "no such run; the newest are 20260303-1-c, 20260302-1-b, 20260302-1, nightly, z and 2 more"},
		"nothing":              {"", "", "no such run"},
		"a part in the middle": {"1-c", "", "no such run"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Find(list, tc.word)
			if got.ID != tc.id || (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%q, %v", got.ID, err)
			}
		})
	}
	if _, err := Find(nil, "latest"); !errors.Is(err, ErrNotFound) {
		t.Errorf("of none: %v", err)
	}
	if got, err := Find([]Summary{{ID: "b"}, {ID: "latest"}}, "latest"); err != nil || got.ID != "latest" {
		t.Errorf("a run that is called latest: %q, %v", got.ID, err)
	}
}

func TestExpired(t *testing.T) {
	now := t0.Add(1000 * time.Hour)
	ok := history(t, ended(0, engine.RunSucceeded))
	failed := history(t, ended(1, engine.RunFailed))
	run := func(id string, hours int, h *engine.History) Summary {
		return Summary{ID: id, Plan: "p", Started: now.Add(-time.Duration(hours) * time.Hour), History: h}
	}
	running := run("running", 900, failed)
	running.Running = true
	other := run("other", 900, ok)
	other.Plan = "q"
	broken := run("broken", 900, nil)
	broken.Problem = "damaged"
	kept := []Summary{
		running, other, broken,
		run("unfinished", 901, history(t)),
		run("suspended", 902, history(t, engine.SuspendedRecord{})),
		run("lost", 903, history(t, engine.StepFinishedRecord{Step: "a", Outcome: engine.Lost}, ended(5, engine.RunFailed))),
		run("future", -1, failed),
	}
	mine := []Summary{run("f1", 1, failed), run("skipped", 2, history(t, ended(0, engine.RunSkipped))), run("f2", 48, failed), run("ok1", 72, ok), run("f3", 73, failed), run("ok2", 100, ok)}
	cases := map[string]struct {
		keep   int
		maxAge time.Duration
		want   []string
	}{
		"no limit":     {0, 0, nil},
		"two days":     {0, 48 * time.Hour, []string{"ok2", "f3"}},
		"keep one":     {1, 0, []string{"ok2", "f3", "f2", "skipped", "f1"}}, // the one in the future counts as the newest
		"keep all":     {100, 0, nil},
		"an hour":      {0, time.Minute, []string{"ok2", "f3", "f2", "skipped", "f1"}},
		"both":         {4, 80 * time.Hour, []string{"ok2", "f3"}},
		"keep reaches": {6, 0, []string{"ok2"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			all := append(slices.Clone(kept), mine...)
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			for _, s := range Expired(all, tc.keep, tc.maxAge, now) {
				got = append(got, s.ID)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRetentionOverAndOverKeepsTheLastSuccessAndAllThatIsOpen(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		var list []Summary
		now, lastOK, open := t0, "", map[string]bool{}
		for i := range 30 {
			now = now.Add(time.Duration(1+r.IntN(48)) * time.Hour)
			s := Summary{ID: fmt.Sprint("r", i), Plan: "p", Started: now}
			switch r.IntN(4) {
			case 0:
				s.History, lastOK = history(t, ended(0, engine.RunSucceeded)), s.ID
			case 1:
				s.History = history(t)
				open[s.ID] = true
			default:
				s.History = history(t, ended(1, engine.RunFailed))
			}
			list = append(list, s)
			for _, old := range Expired(list, 1+r.IntN(3), time.Duration(r.IntN(100))*time.Hour, now) {
				if old.ID == lastOK || open[old.ID] {
					t.Fatalf("%s went", old.ID)
				}
				list = slices.DeleteFunc(list, func(s Summary) bool { return s.ID == old.ID })
			}
		}
	}
}
