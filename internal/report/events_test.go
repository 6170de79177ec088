package report_test

import (
	"errors"
	"time"

	"plan/engine"
	"plan/internal/report"
)

// at is so many seconds after the run's start.
func at(seconds float64) engine.Stamp {
	start := time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
	return engine.Stamp{Time: start.Add(time.Duration(seconds * float64(time.Second)))}
}

func header() report.Header {
	return report.Header{
		Plan: "nightly", File: "nightly.yaml", Run: "20260302-020000-a1b2c3", Journal: "/state/runs/x/journal",
		Cluster:   &report.Cluster{Name: "home", UID: "5f0c1c9e", Context: "home", Server: "https://10.0.0.1:6443"},
		Stores:    []report.Store{{Name: "main", Location: "s3://backups at https://s3.example.net"}},
		Overrides: []engine.Applied{{Field: "cluster.context", Value: "home", Origin: "--context", Over: "nightly.yaml:15"}, {Field: "maxParallel", Value: "2", Origin: "--max-parallel"}},
	}
}

// everything is one event of each kind, and of each outcome.
func everything() []engine.Event {
	results := []engine.StepResult{
		{ID: "pvs", Uses: "backup-pvs", Outcome: engine.Succeeded, Reason: "2 PVs → pv-backups/home/x", Attempts: 2, Started: at(0.5).Time, Finished: at(12.75).Time,
			Outputs: map[string]any{"key": "pv-backups/home/x", "size": int64(420), "age": 90 * time.Minute, "pruned": []any{"a", time.Second}}},
		{ID: "check", Uses: "verify-etcd", Outcome: engine.Failed, Verdict: engine.Fail, Reason: "newest snapshot is 3d old", Attempts: 1, Started: at(13).Time, Finished: at(14).Time},
		{ID: "ask", Uses: "verify-etcd", Outcome: engine.Ignored, Verdict: engine.Unknown, Err: errors.New("no answer"), Attempts: 1, Started: at(13).Time, Finished: at(14).Time},
		{ID: "slow", Uses: "notify", Outcome: engine.TimedOut, Reason: "attempt 1 of 1: timeout of 1s ran out", Err: errors.New("timeout of 1s ran out"), Attempts: 1, Started: at(1).Time, Finished: at(200).Time},
		{ID: "gone", Uses: "notify", Outcome: engine.Lost, Reason: "was still running", Attempts: 1, Started: at(1).Time, Finished: at(2).Time},
		{ID: "off", Uses: "notify", Outcome: engine.Skipped, OwnIf: true, Reason: "if is false", Finished: at(1).Time},
		{ID: "report", Instances: 2, Uses: "notify", Outcome: engine.Cancelled, Reason: "1 cancelled, 1 succeeded of 2 instances", Attempts: 2, Started: at(13).Time, Finished: at(14).Time},
		{ID: "report", Instance: `{"region":"eu"}`, Uses: "notify", Outcome: engine.Succeeded, Attempts: 2, Started: at(13).Time, Finished: at(14).Time, Outputs: map[string]any{"code": int64(200)}},
		{ID: "report", Instance: `{"region":"us"}`, Uses: "notify", Outcome: engine.Cancelled, Reason: "interrupted", Finished: at(14).Time},
		{ID: "later", Uses: "notify", Outcome: engine.Skipped, Reason: "needs check", Cause: []string{"check"}, Finished: at(14).Time},
		{ID: "stop", Uses: "notify", Outcome: engine.Cancelled, Reason: "interrupted", Finished: at(14).Time},
		{ID: "ping", Uses: "notify", Final: true, Outcome: engine.Succeeded, Attempts: 1, Started: at(14).Time, Finished: at(14.25).Time},
	}
	events := []engine.Event{
		engine.RunStarted{Stamp: at(0), Run: "20260302-020000-a1b2c3", Plan: "nightly", File: "nightly.yaml", Steps: []engine.StepInfo{
			{ID: "pvs", Uses: "backup-pvs"}, {ID: "report", Name: "Monthly", Uses: "notify", Needs: []string{"pvs"}, Instances: []*engine.Instance{{Key: `{"region":"eu"}`}, {Key: `{"region":"us"}`}}},
			{ID: "ping", Uses: "notify", Final: true}}},
		engine.StepStarted{Stamp: at(0.5), Step: "pvs", Attempt: 1, Of: 3},
		engine.StepProgress{Stamp: at(1), Step: "pvs", Progress: engine.Progress{What: "listing persistentvolumes", Done: 4500, Total: 10000, Unit: "objects"}},
		engine.AttemptFailed{Stamp: at(2), Step: "pvs", Attempt: 1, Of: 3, Err: errors.New("503 from\nthe \x1b[2Jserver"), Delay: 1500 * time.Millisecond},
		engine.StepStarted{Stamp: at(3.5), Step: "pvs", Attempt: 2, Of: 3},
		engine.StepProgress{Stamp: at(12), Step: "pvs", Progress: engine.Progress{What: "uploading", Done: 1 << 20, Unit: "bytes"}},
		engine.PodLog{Stamp: at(12.25), Step: "pvs", PodLine: engine.PodLine{Pod: "nightly-report-0-x7k2p", Container: "main", Text: "[0-x7k2p] only for those who follow"}},
		engine.StepLog{Stamp: at(12.5), Step: "pvs", Message: "NAME   STATUS \n✓ forged \u009b31m\u202e"},
	}
	for _, r := range results {
		events = append(events, engine.StepFinished{Stamp: engine.Stamp{Time: r.Finished}, Result: r})
	}
	return append(events,
		engine.RunCancelling{Stamp: at(14), Reason: "interrupted"},
		engine.RunFinished{Stamp: at(200.5), Result: engine.RunResult{ID: "20260302-020000-a1b2c3", Plan: "nightly", Outcome: engine.RunCancelled, ExitCode: 130,
			Started: at(0).Time, Finished: at(200.5).Time, Steps: results}})
}

// play hands all of it to a printer.
func play(p report.Printer, events ...engine.Event) error {
	p.Header(header())
	for _, e := range events {
		p.Event(e)
	}
	return p.Close()
}
