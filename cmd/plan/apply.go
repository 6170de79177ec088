package main

import (
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
	RunIDFlag
	Only []string `help:"Run only this step; may be given again. Outputs of steps left out come from the plan's last run." placeholder:"STEP" sep:"none"`
	Skip []string `help:"Leave this step out; may be given again." placeholder:"STEP" sep:"none"`
	From string   `help:"Run this step and all that need it, and leave the others out." placeholder:"STEP"`
	DryRunFlag
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
	r := &request{src: src, set: set, flags: slices.Concat(c.ClusterFlags.overrides(), c.RunFlags.overrides()), run: c.RunID}
	if len(c.Only)+len(c.Skip) > 0 || c.From != "" {
		r.leave = func(p *engine.Plan) (map[string]string, error) { return leaveOut(p, c.Only, c.Skip, c.From) }
	}
	return a.start(r, c.RunFlags, c.DryRunFlag)
}

// apply loads a plan, opens what it needs and runs it. Whatever is wrong before the first step leaves everything as it was: even the
// run's journal is made last.
func (a *app) apply(r *request, f RunFlags) error {
	if f.Output == "yaml" {
		return usage(errors.New("-o yaml is for manifests: it goes with --dry-run=client"))
	}
	if f.Follow && f.Output == "json" {
		return usage(errors.New("--follow shows lines as they come, and -o json is one document at the end; -o ndjson has both"))
	}
	plan, err := a.load(r)
	if err != nil {
		return err
	}
	a.unused()
	plan.allowExec = f.AllowExec
	e := &execution{session: &session{loaded: plan, app: a}, request: r, flags: f}
	e.started = time.Now().UTC().Truncate(time.Second)
	if err := e.narrow(); err != nil {
		return err
	}
	if err := e.prepare(); err != nil {
		return err
	}
	e.signals = watchSignals() // to the end of the process: a late signal must not take its exit code away
	defer e.release()
	if err := e.open(e.signals.ctx); err != nil {
		return e.signals.instead(err)
	}
	if r.confirm != nil {
		if err := r.confirm(e.signals.ctx, e.session); err != nil {
			return e.signals.instead(err)
		}
	}
	return e.execute()
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
		p.Multi = append(p.Multi, &report.NDJSON{Out: a.maskedJSON(), Now: time.Now, Follow: f.Follow})
	default:
		p.Multi = append(p.Multi, &report.Text{Out: a.out, Talk: a.err, Color: a.color, Live: a.live, Width: a.width, Single: single, Follow: f.Follow})
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
	p.Multi = append(p.Multi, &report.NDJSON{Out: report.Masked(file, a.masker.Mask), Now: time.Now, Follow: f.Follow})
	p.close = func() {
		if err := file.Close(); err != nil {
			fmt.Fprintln(a.err, "plan: "+printable.String(fmt.Sprintf("write the file of --events: %v", err)))
		}
	}
	return p, nil
}
