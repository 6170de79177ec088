package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"plan/engine"
	"plan/internal/printable"
	"plan/internal/report"
)

// ApplyCmd runs a plan.
type ApplyCmd struct {
	FileArg
	SetFlags
	ClusterFlags
	RunFlags
}

// Run is `plan apply`.
func (c *ApplyCmd) Run(a *app) error {
	name, err := c.name()
	if err != nil {
		return err
	}
	set, err := c.values()
	if err != nil {
		return err
	}
	src, err := a.source(name)
	if err != nil {
		return err
	}
	return a.apply(&request{src: src, set: set, flags: slices.Concat(c.ClusterFlags.overrides(), c.RunFlags.overrides())}, c.RunFlags)
}

// apply loads a plan, opens what it needs and runs it. Whatever is wrong before the first step leaves everything as it was: even the
// run's journal is made last.
func (a *app) apply(r *request, f RunFlags) error {
	started := time.Now().UTC().Truncate(time.Second)
	id, err := runID(f.RunID, started)
	if err != nil {
		return err
	}
	plan, err := a.load(r)
	if err != nil {
		return err
	}
	a.unused()
	plan.allowExec = f.AllowExec
	s, err := a.newSession(plan)
	if err != nil {
		return err
	}
	s.run, s.started = id, started
	signals := watchSignals()
	defer signals.stop()
	if err := s.open(signals.ctx); err != nil {
		return signals.instead(err)
	}
	if r.confirm != nil {
		if err := r.confirm(signals.ctx, s); err != nil {
			return signals.instead(err)
		}
	}
	printer, err := a.printers(f, r.single)
	if err != nil {
		return err
	}
	defer printer.close()
	journal, path, err := s.journal(f.StateDir, id, started)
	if err != nil {
		return err
	}
	defer journal.Close()
	printer.Header(s.header(id, path))
	a.flush()
	result := engine.Run(context.WithoutCancel(signals.ctx), plan.Plan, engine.Options{
		RunID: id, Started: started, Do: s.do(id, started), Classify: classify, Journal: journal, Strict: f.Strict,
		Interrupt: signals.out, Events: func(e engine.Event) { printer.Event(e); a.flush() },
	})
	if err := errors.Join(printer.Close(), result.Err); err != nil {
		return exit{code: max(result.ExitCode, engine.ExitFailed), err: err, printed: true}
	}
	return exit{code: result.ExitCode}.orNil()
}

func runID(given string, started time.Time) (string, error) {
	if given == "" {
		return engine.NewRunID(started, rand.Reader)
	}
	if err := engine.CheckRunID(given); err != nil {
		return "", usage(fmt.Errorf("--run-id: %w", err))
	}
	return given, nil
}

// unused tells of the one variable of the older tool that neither it nor plan has a use for.
func (a *app) unused() {
	if value := a.getenv("S3_LONGHORN_PREFIX"); value != "" {
		fmt.Fprintln(a.err, "plan: variable S3_LONGHORN_PREFIX is not used: Longhorn itself knows where its backups are")
	}
}

// printers are the one for stdout and that of --events.
type printers struct {
	report.Multi
	close func() // of the file
}

// maskedJSON is stdout for JSON. Its strings are masked one by one: what a.out takes for a value may reach over the end of one.
func (a *app) maskedJSON() io.Writer { return report.Masked(a.raw, a.masker.Mask) }

// printers gives the printer of the format asked for, and of --events. single is as in report.Text.
func (a *app) printers(f RunFlags, single bool) (*printers, error) {
	p := &printers{close: func() {}}
	switch f.Output {
	case "json":
		p.Multi = append(p.Multi, &report.JSON{Out: a.maskedJSON()})
	case "ndjson":
		p.Multi = append(p.Multi, &report.NDJSON{Out: a.maskedJSON(), Now: time.Now})
	default:
		p.Multi = append(p.Multi, &report.Text{Out: a.out, Talk: a.err, Color: a.color, Live: a.live, Width: a.width, Single: single})
	}
	if f.Output == "github" {
		p.Multi = append(p.Multi, &report.GitHub{Out: a.out})
	}
	if f.Events == "" {
		return p, nil
	}
	file, err := os.OpenFile(f.Events, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, usage(fmt.Errorf("open the file of --events: %w", err))
	}
	p.Multi = append(p.Multi, &report.NDJSON{Out: report.Masked(file, a.masker.Mask), Now: time.Now})
	p.close = func() {
		if err := file.Close(); err != nil {
			fmt.Fprintln(a.err, "plan: "+printable.String(fmt.Sprintf("write the file of --events: %v", err)))
		}
	}
	return p, nil
}
