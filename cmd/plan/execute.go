package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/printable"
	"plan/internal/report"
	"plan/internal/runstore"
)

// keepRuns and keepRunsFor say which runs stay on this machine: of each plan the newest, and all of the last time. A cluster keeps fewer: they
// are in its etcd.
const (
	keepRuns    = 100
	keepRunsFor = 365 * 24 * time.Hour

	keepInCluster    = 30
	keepInClusterFor = 90 * 24 * time.Hour
	forgetTimeout    = 5 * time.Second
)

// cancelEvery is how often a run that is recorded in the cluster looks whether it was cancelled.
const cancelEvery = 5 * time.Second

// execute runs the steps.
func (e *execution) execute() error {
	printer, err := e.app.printers(e.flags, e.request.single)
	if err != nil {
		return err
	}
	defer func() { printer.close() }() // it gets one more file
	ctx := context.WithoutCancel(e.signals.ctx)
	if e.held != nil {
		select {
		case <-e.held.Lost(): // while somebody was asked
			return exit{code: engine.ExitLost, err: errors.New("the lock was lost before the first step; nothing was done")}
		default:
		}
	}
	journal, err := e.record(ctx)
	if err != nil {
		return err
	}
	defer journal.Close()
	if err := e.keepEvents(printer); err != nil {
		return err
	}
	printer.Header(e.header(e.run, e.runs.Describe(e.run)))
	if e.goesOn {
		fmt.Fprintf(e.app.err, "plan: run %s goes on, invocation %d\n", printable.String(e.run), e.history.Invocations)
	}
	e.app.flush()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	e.watch(watching)
	e.logs = e.runs.KeepLogs(ctx, e.run)
	e.settleEarlier(ctx)
	result := engine.Run(ctx, e.Plan, e.options(journal, printer))
	e.closeLogs(ctx)
	e.forget(ctx)
	result.ExitCode = e.exitCode(result)
	if err := errors.Join(printer.Close(), result.Err); err != nil {
		return exit{code: max(result.ExitCode, engine.ExitFailed), err: err, printed: true}
	}
	return exit{code: result.ExitCode}.orNil()
}

// exitCode is that of the run, or lost where its record has left this process: another one has the run, or the cluster that has the record did not
// answer for so long that the next pod shall go on.
func (e *execution) exitCode(result engine.RunResult) int {
	handedOn := e.recordsInCluster && result.ExitCode == engine.ExitFailed && kube.Passing(result.Err)
	if handedOn || errors.Is(result.Err, runstore.ErrForeignWriter) {
		return engine.ExitLost
	}
	return result.ExitCode
}

func (e *execution) options(journal engine.Journal, printer *printers) engine.Options {
	o := engine.Options{
		RunID: e.run, Started: e.started, Do: e.do(e.run, e.started), Classify: classify, Journal: journal, Strict: e.flags.Strict,
		History: e.history, LeaveOut: e.leaves,
		Interrupt: e.signals.out, Events: func(event engine.Event) { printer.Event(event); e.app.flush() },
	}
	if e.request.wrap != nil {
		o.Do = e.request.wrap(o.Do)
	}
	if e.goesOn && e.request.resume == nil { // the pods of one Job share the plan's budget
		o.Since = e.started
	}
	return o
}

// watch sends a signal when the lock is lost or, where the run is recorded in the cluster, when somebody cancels it. A SIGTERM then means
// that another process goes on.
func (e *execution) watch(ctx context.Context) {
	if e.held != nil {
		go func() {
			select {
			case <-e.held.Lost():
				e.signals.send(engine.SignalBereft)
			case <-ctx.Done():
			}
		}()
	}
	if !e.recordsInCluster {
		return
	}
	e.signals.terminate.Store(int32(engine.SignalSuspend))
	go func() {
		for tick := time.Tick(cancelEvery); ; {
			select {
			case <-tick:
			case <-ctx.Done():
				return
			}
			if cancelled, err := e.runs.Cancelled(ctx, e.run); err == nil && cancelled {
				e.signals.send(engine.SignalInterrupt)
				return
			}
		}
	}()
}

// keepEvents makes a local run's events stay, for `plan logs`.
func (e *execution) keepEvents(p *printers) error {
	local, ok := e.runs.(*runstore.LocalStore)
	if !ok {
		return nil
	}
	file, err := os.OpenFile(local.EventsFile(e.run), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil && e.goesOn {
		_, err = file.WriteString("\n") // the last line of a process that was killed may have no end
	}
	if err != nil {
		return fmt.Errorf("keep the events of run %s: %w", e.run, err)
	}
	p.Multi = append(p.Multi, quiet{&report.NDJSON{Out: report.Masked(file, e.app.masker.Mask), Now: time.Now}})
	inner := p.close
	p.close = func() { file.Close(); inner() } // what could not be written is missing in the log and nowhere else
	return nil
}

// logsTimeout bounds the wait for logs of pods that are still on their way to where the run is recorded.
const logsTimeout = 5 * time.Second

// closeLogs waits until the logs of pods are kept. That some are not is told and no failure.
func (e *execution) closeLogs(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, logsTimeout)
	defer cancel()
	if err := e.logs.Close(ctx); err != nil {
		fmt.Fprintln(e.app.err, "plan: "+printable.String(err.Error()))
	}
}

// settleEarlier tidies up after attempts of earlier processes, which may not have lived to do it. That it cannot is told and no failure.
func (e *execution) settleEarlier(ctx context.Context) {
	if !e.goesOn || e.history == nil || e.kube == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, logsTimeout)
	defer cancel()
	for step, noted := range e.history.Settled() {
		all := slices.Concat(e.Steps, e.Finally)
		at := slices.IndexFunc(all, func(s *engine.Step) bool { return s.ID == step })
		if at < 0 || e.kinds[all[at].Uses].Settle == nil {
			continue
		}
		if err := e.kinds[all[at].Uses].Settle(ctx, e.kube, noted); err != nil {
			fmt.Fprintf(e.app.err, "plan: step %s: %s\n", step, printable.String(err.Error()))
		}
	}
}

// quiet is a printer whose failure is no failure of the run.
type quiet struct{ report.Printer }

func (q quiet) Close() error { _ = q.Printer.Close(); return nil }

// forget removes old runs. That it cannot is told and no failure.
func (e *execution) forget(ctx context.Context) {
	if err := e.forgetOld(ctx); err != nil {
		fmt.Fprintln(e.app.err, "plan: remove old runs: "+printable.String(err.Error()))
	}
}

// forgetOld removes on this machine old runs of all plans; all have to be read for it, so it is done only where there are many, and then every
// so often. In a cluster those of this plan go, for other plans there are other people's.
func (e *execution) forgetOld(ctx context.Context) error {
	const often = 8
	keep, since := keepRuns, keepRunsFor
	local, ok := e.runs.(*runstore.LocalStore)
	if ok {
		if n := local.Count(); n <= keepRuns || n%often != 0 {
			return nil
		}
	} else {
		keep, since = keepInCluster, keepInClusterFor
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, forgetTimeout)
		defer cancel()
	}
	list, err := e.runs.List(ctx)
	for _, old := range runstore.Expired(list, keep, since, time.Now()) {
		if ok || old.Plan == e.Name {
			err = errors.Join(err, e.runs.Delete(ctx, old.ID))
		}
	}
	return err
}

// record makes the run's journal, or opens that of the run that goes on.
func (e *execution) record(ctx context.Context) (engine.Journal, error) {
	self := runstore.Process()
	dir, _ := filepath.Abs(e.baseDir) // without it the run cannot be resumed from another folder
	first := engine.RunStartedRecord{
		Run: e.run, Invocation: 1, Plan: e.Name, File: e.File, PlanHash: e.Hash, Started: e.started, Cluster: e.cluster.Name, ClusterUID: e.uid,
		Host: self.Host, PID: self.PID, BootID: self.BootID, PIDStarted: self.Started, Dir: dir, Source: e.request.kept(), LeftOut: e.leaves,
	}
	sealed := func(j engine.Journal) engine.Journal { return maskedJournal{j, e.app.masker, e.resolver} }
	if e.goesOn {
		journal, err := e.reopen(ctx, first)
		return sealed(journal), err
	}
	if e.history != nil {
		e.history.MapTexts(e.resolver.Unseal)
	}
	journal, err := e.runs.Create(ctx, e.run, first)
	switch {
	case errors.Is(err, runstore.ErrExists) && e.run == e.app.getenv(jobUID): // another pod of the Job was quicker, and is gone
		journal, err := e.reopen(ctx, first)
		return sealed(journal), err
	case errors.Is(err, runstore.ErrExists): // between settle and now
		return nil, usage(fmt.Errorf("run %s exists already in %s; choose another --run-id", e.run, e.runs.Describe(e.run)))
	case err != nil && e.recordsInCluster:
		return nil, fmt.Errorf("record the run: %w", err)
	case err != nil:
		return nil, usage(fmt.Errorf("record the run: %w; --state-dir names another place", err))
	}
	return sealed(journal), nil
}

// reopen goes on in the journal of an earlier process.
func (e *execution) reopen(ctx context.Context, first engine.RunStartedRecord) (engine.Journal, error) {
	journal, entries, err := e.runs.Open(ctx, e.run)
	if errors.Is(err, runstore.ErrRunning) {
		return nil, exit{code: engine.ExitLocked, err: fmt.Errorf("run %s: %w; `plan cancel %s` stops it", e.run, err, e.run)}
	}
	if err != nil {
		return nil, fmt.Errorf("go on with run %s: %w", e.run, err)
	}
	if err := e.begin(ctx, journal, entries, first); err != nil {
		return nil, errors.Join(err, journal.Close())
	}
	return journal, nil
}

// begin records that another process goes on, and what a person assumes of steps whose outcome is not known.
func (e *execution) begin(ctx context.Context, journal engine.Journal, entries []engine.JournalEntry, first engine.RunStartedRecord) error {
	if err := e.remember(entries); err != nil {
		return err
	}
	resume := e.request.resume
	again, err := resume.again(e.Plan)
	if err != nil {
		return err
	}
	first.Invocation, first.Again, first.LeftOut = e.history.Invocations+1, again, e.leaves
	records := []engine.Record{first}
	if resume != nil && resume.assume != "" {
		assumed, err := resume.assumed(e.history)
		if err != nil {
			return err
		}
		records = append(records, assumed)
	}
	if err := journal.Append(ctx, records...); err != nil {
		return fmt.Errorf("go on with run %s: %w", e.run, err)
	}
	for _, r := range records {
		entries = append(entries, engine.JournalEntry{Seq: int64(len(entries) + 1), Time: time.Now(), Record: r})
	}
	if err := e.remember(entries); err != nil {
		return err
	}
	e.history.MapTexts(e.resolver.Unseal)
	return nil
}
