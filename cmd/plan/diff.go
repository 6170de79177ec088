package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"plan/engine"
	"plan/internal/printable"
	"plan/internal/secrets"
)

// DiffCmd tells what a run would change.
type DiffCmd struct {
	FileArg
	SetFlags
	ClusterFlags
	RunIDFlag
	Only     []string `help:"Only this step; may be given again." placeholder:"STEP" sep:"none"`
	Skip     []string `help:"Leave this step out; may be given again." placeholder:"STEP" sep:"none"`
	From     string   `help:"This step and all that need it." placeholder:"STEP"`
	Full     bool     `help:"Show whole objects that would be created, too."`
	ExitCode bool     `help:"Exit 1 when there is something to do, or something that only the run can know." name:"exit-code"`
	OutputFlag
}

// Run is `plan diff`. It reads what a run would read, and writes nothing anywhere.
func (c *DiffCmd) Run(a *app) error {
	r, err := c.request(a)
	if err != nil {
		return err
	}
	s, left, err := c.session(a, r)
	if err != nil {
		return err
	}
	signals := watchSignals()
	defer signals.stop()
	if err := s.open(signals.ctx); err != nil {
		return signals.instead(err)
	}
	d := &differ{session: s, stores: aheadOf(s)}
	for _, step := range ordered(s.Plan) {
		d.step(signals.ctx, step, left[step.ID])
	}
	if signals.ctx.Err() != nil {
		return signals.instead(signals.ctx.Err())
	}
	if err := c.print(a, d); err != nil {
		return err
	}
	return c.outcome(d)
}

func (c *DiffCmd) request(a *app) (*request, error) {
	r, err := a.offlineRequest(c.FileArg, c.SetFlags)
	if err != nil {
		return nil, err
	}
	r.offline, r.flags, r.run = false, c.ClusterFlags.overrides(), c.RunID
	if len(c.Only)+len(c.Skip) > 0 || c.From != "" {
		r.leave = func(p *engine.Plan) (map[string]string, error) { return leaveOut(p, c.Only, c.Skip, c.From) }
	}
	return r, nil
}

// session is that of a new run that is recorded nowhere. Commands that give values are not run.
func (c *DiffCmd) session(a *app, r *request) (s *session, left map[string]string, err error) {
	plan, err := a.load(r)
	if err != nil {
		return nil, nil, err
	}
	a.unused()
	s = &session{loaded: plan, app: a, started: time.Now().UTC().Truncate(time.Second), omit: byCommand}
	if r.leave != nil {
		if left, err = r.leave(plan.Plan); err != nil {
			return nil, nil, usage(err)
		}
		s.only = func(step *engine.Step) bool { return left[step.ID] == "" }
	}
	if s.run, err = a.runID(r.run, s.started); err != nil {
		return nil, nil, err
	}
	if err := s.readSpecs(); err != nil {
		return nil, nil, err
	}
	if err := s.refuseCommands(); err != nil {
		return nil, nil, err
	}
	return s, left, s.resolver.ReadLoadTime()
}

func byCommand(source secrets.Source) bool { return source.Exec != (secrets.Exec{}) }

// refuseCommands wants no value from a command where nothing can be looked at without it: in a store, or for Bitwarden.
func (s *session) refuseCommands() error {
	var problems []error
	for _, w := range s.resolver.Wanted() {
		if byCommand(w.Source) {
			problems = append(problems, fmt.Errorf("%s: the value comes from the command %s, and diff runs no commands: give it by env or file, or a store's by the variable of the field, which `plan env FILE` lists",
				strings.Join(w.Fields, ", "), printable.String(w.Exec.Command.Name())))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return usage(errors.Join(problems...))
}

// outcome is the exit code: of the worst that kept a step from being looked at, else whether there is something to do.
func (c *DiffCmd) outcome(d *differ) error {
	var faults []error
	code := 0
	for _, one := range d.steps {
		if one.err == nil {
			continue
		}
		faults = append(faults, fmt.Errorf("step %s: %w", one.name(), one.err))
		switch own := exitCode(one.err); {
		case own == engine.ExitDenied, own == engine.ExitUnreachable:
			code = max(code, own) // what is denied is told before what may pass
		default:
			code = max(code, engine.ExitFailed)
		}
	}
	if len(faults) > 0 {
		return exit{code: code, err: errors.Join(faults...), printed: true}
	}
	if c.ExitCode && slices.ContainsFunc(d.steps, func(one planned) bool { return len(one.changes) > 0 || one.status == statusUnknown }) {
		return exit{code: engine.ExitFailed}
	}
	return nil
}
