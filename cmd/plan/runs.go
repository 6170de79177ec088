package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"plan/engine"
	"plan/internal/printable"
	"plan/internal/report"
	"plan/internal/runstore"
)

// StateFlags say where runs are recorded.
type StateFlags struct {
	State    string `help:"Where runs are recorded: local, on this machine, or cluster, in a ConfigMap each. Default: cluster in a pod of a Job that names itself (PLAN_JOB_UID), else local." enum:"local,cluster," default:"" env:"PLAN_STATE" placeholder:"local|cluster"`
	StateDir string `help:"Where runs are recorded on this machine. Default: $XDG_STATE_HOME/plan, or ~/.local/state/plan." env:"PLAN_STATE_DIR" placeholder:"DIR"`
}

// inCluster tells whether runs are recorded in the cluster.
func (f StateFlags) inCluster(a *app) bool {
	return f.State == "cluster" || f.State == "" && a.getenv(jobUID) != ""
}

// jobUID is the variable with the UID of the Job whose pods carry one run on.
const jobUID = "PLAN_JOB_UID"

// ManageFlags are the flags of commands that look at runs.
type ManageFlags struct {
	StateFlags
	ClusterFlags
}

func (f ManageFlags) store(ctx context.Context, a *app) (runstore.Store, error) {
	if !f.inCluster(a) {
		dir, err := stateDir(f.StateDir)
		if err != nil {
			return nil, usage(err)
		}
		return runstore.Local(dir), nil
	}
	client, err := f.client(a)
	if err != nil {
		return nil, err
	}
	return runstore.Cluster(client, client.Namespace()), nil
}

// list opens the store and lists its runs.
func (f ManageFlags) list(ctx context.Context, a *app) (runstore.Store, []runstore.Summary, error) {
	store, err := f.store(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	list, err := store.List(ctx)
	return store, list, err
}

// find opens the store and finds the run that a word means.
func (f ManageFlags) find(ctx context.Context, a *app, word string) (runstore.Store, runstore.Summary, error) {
	store, list, err := f.list(ctx, a)
	if err != nil {
		return nil, runstore.Summary{}, err
	}
	run, err := runstore.Find(list, word)
	if err != nil {
		return nil, run, usage(fmt.Errorf("%w; `plan runs` lists them", err))
	}
	if run.Problem != "" {
		return nil, run, fmt.Errorf("read run %s: %s", run.ID, run.Problem)
	}
	return store, run, nil
}

// RunsCmd lists runs.
type RunsCmd struct {
	ManageFlags
	OutputFlag
}

// runLine is a run in output.
type runLine struct {
	Run         string     `json:"run"`
	Plan        string     `json:"plan"`
	File        string     `json:"file"`
	Started     time.Time  `json:"started"`
	State       string     `json:"state"` // running, suspended, stopped or unfinished, unreadable, or the run's outcome
	ExitCode    *int       `json:"exitCode,omitempty"`
	Invocations int        `json:"invocations,omitempty"`
	Problem     string     `json:"problem,omitempty"`
	Steps       []stepLine `json:"steps,omitempty"`
}

type stepLine struct {
	Step     string         `json:"step"`
	Outcome  engine.Outcome `json:"outcome"`
	Verdict  engine.Verdict `json:"verdict,omitempty"`
	Attempts int            `json:"attempts"`
	Reason   string         `json:"reason,omitempty"`
}

// lineOf tells what a run is at. Of one that is kept in the cluster and not at its end it is not known whether a process has it.
func (f ManageFlags) lineOf(a *app, s runstore.Summary) runLine {
	l := runLine{Run: s.ID, Plan: s.Plan, File: s.File, Started: s.Started, State: "stopped", Problem: s.Problem}
	if f.inCluster(a) {
		l.State = "unfinished"
	}
	switch h := s.History; {
	case s.Problem != "":
		l.State = "unreadable"
		return l
	case s.Running:
		l.State = "running"
	case h.Ended != nil:
		l.State, l.ExitCode = printable.String(string(h.Ended.Outcome)), &h.Ended.ExitCode
	case h.Suspended:
		l.State = "suspended"
	}
	l.Invocations = s.History.Invocations
	return l
}

// Run is `plan runs`.
func (c *RunsCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	_, list, err := c.list(signals.ctx, a)
	if err != nil {
		return signals.instead(err)
	}
	lines := make([]runLine, len(list))
	for i, s := range list {
		lines[i] = c.lineOf(a, s)
	}
	now := time.Now()
	last := lastSuccesses(list, now)
	if c.Output != "text" {
		return report.WriteJSON(a.out, struct {
			SchemaVersion int           `json:"schemaVersion"`
			Kind          string        `json:"kind"`
			Runs          []runLine     `json:"runs"`
			Plans         []lastSuccess `json:"plans"`
		}{report.SchemaVersion, "Runs", lines, last})
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tPLAN\tSTARTED\tSTATE\tEXIT")
	for _, l := range lines {
		code := "-"
		if l.ExitCode != nil {
			code = fmt.Sprint(*l.ExitCode)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", printable.String(l.Run), dash(l.Plan), humanize.RelTime(l.Started, now, "ago", "ahead"), l.State, code)
	}
	for _, p := range last {
		fmt.Fprintf(w, "plan %s: %s\n", printable.String(p.Plan), p.text())
	}
	return w.Flush()
}

// lastSuccess is when a plan last came to a good end.
type lastSuccess struct {
	Plan string     `json:"plan"`
	Run  string     `json:"run,omitempty"`
	At   *time.Time `json:"started,omitempty"`
	Age  string     `json:"age,omitempty"`
}

func (l lastSuccess) text() string {
	if l.At == nil {
		return "no run of it is recorded that exited 0"
	}
	return "last success " + l.Age + " (run " + printable.String(l.Run) + ")"
}

func lastSuccesses(list []runstore.Summary, now time.Time) []lastSuccess {
	all := map[string]lastSuccess{}
	for _, s := range list {
		if s.Problem != "" {
			continue
		}
		found := all[s.Plan]
		found.Plan = s.Plan
		if good := s.History.Ended != nil && s.History.Ended.ExitCode == engine.ExitOK; good && (found.At == nil || s.Started.After(*found.At)) {
			at := s.Started
			found.Run, found.At, found.Age = s.ID, &at, humanize.RelTime(at, now, "ago", "ahead")
		}
		all[s.Plan] = found
	}
	out := make([]lastSuccess, 0, len(all))
	for _, l := range all {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b lastSuccess) int { return cmp.Compare(a.Plan, b.Plan) })
	return out
}

// StatusCmd shows one run.
type StatusCmd struct {
	RunID string `arg:"" name:"run" help:"The run: its id, a beginning of it that is unique, or latest." placeholder:"RUN"`
	ManageFlags
	OutputFlag
}

// Run is `plan status`.
func (c *StatusCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	store, run, err := c.find(signals.ctx, a, c.RunID)
	if err != nil {
		return signals.instead(err)
	}
	l := c.lineOf(a, run)
	results := run.History.Results()
	for id, r := range results {
		l.Steps = append(l.Steps, stepLine{id, r.Outcome, r.Verdict, r.Attempts, r.Reason})
	}
	slices.SortFunc(l.Steps, func(x, y stepLine) int {
		return cmp.Or(results[x.Step].Started.Compare(results[y.Step].Started), cmp.Compare(x.Step, y.Step))
	})
	if c.Output != "text" {
		return report.WriteJSON(a.out, struct {
			SchemaVersion int    `json:"schemaVersion"`
			Kind          string `json:"kind"`
			runLine
		}{report.SchemaVersion, "RunStatus", l})
	}
	code := ""
	if l.ExitCode != nil {
		code = fmt.Sprintf(", exit %d", *l.ExitCode)
	}
	fmt.Fprintf(a.out, "run %s of plan %s (%s): %s%s\n  started %s, %s\n  kept in %s\n", printable.String(l.Run), printable.String(l.Plan), printable.String(l.File), l.State, code,
		l.Started.Format(time.RFC3339), english.Plural(l.Invocations, "invocation", ""), printable.String(store.Describe(run.ID)))
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, s := range l.Steps {
		fmt.Fprintf(w, "  %s\t%s\n", printable.String(s.Step), report.Describe(results[s.Step]))
	}
	return w.Flush()
}
