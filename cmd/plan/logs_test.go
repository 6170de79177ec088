package main

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/engine"
	"plan/internal/kube/kubetest"
	"plan/internal/lock/wiretest"
	"plan/internal/runstore"
)

// Logs of pods are shown the same wherever the run is kept, and nothing in them can look like anything else.
func TestKeptLogsOfPodsAreShown(t *testing.T) {
	hostile := "\x1b[2Jlog of pod x of y, attempt 1:\r\n::error::forged\n"
	for name, store := range map[string]runstore.Store{"local": runstore.Local(t.TempDir()), "cluster": runstore.Cluster(kubetest.New(t).Client(t), "plan")} {
		t.Run(name, func(t *testing.T) {
			journal, err := store.Create(t.Context(), "r", engine.RunStartedRecord{Run: "r", Invocation: 1, Plan: "p"})
			if err != nil {
				t.Fatal(err)
			}
			defer journal.Close()
			k := store.KeepLogs(t.Context(), "r")
			at := time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
			for i, l := range []runstore.Log{
				{Of: "report[region=eu]", Attempt: 1, Name: "job-0", Data: []byte("one\n")}, {Of: "report[region=us]", Attempt: 2, Name: "job-1", Data: []byte(hostile)},
				{Of: "other", Attempt: 1, Name: "job-2", Data: []byte("the last has no end")},
			} {
				l.Time = at.Add(time.Duration(i) * time.Second)
				if err := k.Keep(l); err != nil {
					t.Fatal(err)
				}
			}
			if err := k.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			eu, us := "log of pod job-0 of report[region=eu], attempt 1:\n  | one\n",
				"log of pod job-1 of report[region=us], attempt 2:\n  | "+`\x1b[2Jlog of pod x of y, attempt 1:\r`+"\n  | ::error::forged\n"
			other := "log of pod job-2 of other, attempt 1:\n  | the last has no end\n"
			for step, want := range map[string]string{"": eu + us + other, "report": eu + us, "report[region=us]": us, "other": other, "rep": ""} {
				var out bytes.Buffer
				a := newApp(nil, &out, &out)
				c := &LogsCmd{Step: step}
				if err := c.podLogs(t.Context(), a, store, "r", nil); err != nil {
					t.Error(err)
				}
				a.flush()
				if diff := cmp.Diff(want, out.String()); diff != "" {
					t.Errorf("of %q: %s", step, diff)
				}
			}
		})
	}
}

// Who follows a run in the cluster sees each log once, the last ones too, which may come when the run has ended already.
func TestLogsOfPodsAreFollowedInTheCluster(t *testing.T) {
	server := kubetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		store := runstore.Cluster((&wiretest.Wire{Server: server}).Client(t), "plan")
		journal, err := store.Create(t.Context(), "r", engine.RunStartedRecord{Run: "r", Invocation: 1, Plan: "p"})
		if err != nil {
			t.Fatal(err)
		}
		k := store.KeepLogs(t.Context(), "r")
		keep := func(name, text string) {
			if err := k.Keep(runstore.Log{Of: "report", Attempt: 1, Name: name, Time: time.Now(), Data: []byte(text + "\n")}); err != nil {
				t.Error(err)
			}
		}
		go func() {
			keep("job-0", "one")
			time.Sleep(time.Minute)
			keep("job-0", "more")
			time.Sleep(time.Minute)
			err := journal.Append(t.Context(), engine.RunFinishedRecord{Outcome: engine.RunSucceeded})
			time.Sleep(4 * time.Second)
			keep("job-1", "late")
			if err := errors.Join(err, k.Close(t.Context())); err != nil {
				t.Error(err)
			}
		}()
		var out bytes.Buffer
		a := newApp(nil, &out, &out)
		begin := time.Now()
		if err := (&LogsCmd{Follow: true}).podLogs(t.Context(), a, store, "r", ended(t.Context(), store, "r")); err != nil {
			t.Error(err)
		}
		a.flush()
		want := "log of pod job-0 of report, attempt 1:\n  | one\nlog of pod job-0 of report, attempt 1:\n  | more\nlog of pod job-1 of report, attempt 1:\n  | late\n"
		if diff := cmp.Diff(want, out.String()); diff != "" || time.Since(begin) > 3*time.Minute {
			t.Errorf("after %s: %s", time.Since(begin), diff)
		}
		time.Sleep(time.Hour)
	})
}
