package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"plan/engine"
	"plan/internal/backup"
	"plan/internal/report"
	"plan/steps"
)

// RestoreCmd restores from a backup: it shows what would be done, asks, and does it.
type RestoreCmd struct {
	Key         string            `arg:"" help:"A key, the last part of one, or the eight digits in it." placeholder:"KEY"`
	DryRun      bool              `help:"Only show what would be done."`
	Yes         bool              `help:"Do not ask."`
	Only        []string          `help:"Restore only what matches." placeholder:"PATTERN" sep:"none"`
	Handles     map[string]string `help:"Another volume handle, for volumes that were restored under a new name." placeholder:"OLD=NEW" mapsep:"none"`
	Annotations []string          `help:"Annotations of nodes that are restored, too." placeholder:"PATTERN" sep:"none"`
	Overwrite   bool              `help:"Change objects that exist and are different."`
	Full        bool              `help:"Show whole objects that would be created."`
	ArtefactFlags
	RunArtefactFlags
}

// RunArtefactFlags are the flags of apply that a command with ArtefactFlags has too.
type RunArtefactFlags struct {
	Output  string `short:"o" help:"text, json, ndjson or github." enum:"text,json,ndjson,github" default:"text" env:"PLAN_OUTPUT" placeholder:"FORMAT"`
	Events  string `help:"As of apply." env:"PLAN_EVENTS" placeholder:"FILE"`
	Timeout string `help:"As of apply." env:"PLAN_TIMEOUT" placeholder:"DURATION"`
	RunIDFlag
	StateFlags
}

func (f RunArtefactFlags) runFlags(allowExec bool) RunFlags {
	return RunFlags{Output: f.Output, Events: f.Events, Timeout: f.Timeout, StateFlags: f.StateFlags, AllowExec: allowExec}
}

// Run is `plan restore`.
func (c *RestoreCmd) Run(a *app) error {
	l, err := c.locate(a)
	if err != nil {
		return err
	}
	step, err := c.step(l)
	if err != nil {
		return err
	}
	r, err := c.derived(a, "restore", step)
	if err != nil {
		return err
	}
	run := c.runFlags(c.AllowExec)
	r.flags = slices.Concat(r.flags, run.overrides())
	r.confirm, r.run = c.confirm, c.RunID
	return a.apply(r, run)
}

func (c *RestoreCmd) locate(a *app) (located, error) {
	signals := watchSignals()
	defer signals.stop()
	t, err := c.open(signals.ctx, a, false)
	if err != nil {
		return located{}, signals.instead(err)
	}
	l, err := t.find(signals.ctx, c.Key)
	if err != nil {
		return located{}, signals.instead(err)
	}
	switch l.Sort {
	case backup.Older:
		return l, usage(fmt.Errorf("%s is a summary of the older tool: it has seven fields of each volume and not the object, so it cannot be restored; `plan backup show` shows it", l.Key))
	case backup.Sound:
		return l, nil
	}
	return l, usage(fmt.Errorf("%s cannot be restored: %s", l.Key, l.Problem))
}

// step is the step that restores. What a run of an hour cannot do is looked at by a person.
func (c *RestoreCmd) step(l located) (map[string]any, error) {
	with := map[string]any{"key": l.Key}
	if l.store != "" {
		with["store"] = l.store
	}
	if len(c.Only) > 0 {
		with["only"] = c.Only
	}
	if c.Overwrite {
		with["overwrite"] = true
	}
	kind := "restore-" + string(l.Name.Artefact)
	if len(c.Handles) > 0 {
		if kind != "restore-pvs" {
			return nil, usage(errors.New("--handles is for volumes, and this is a backup of nodes"))
		}
		with["handles"] = c.Handles
	}
	if len(c.Annotations) > 0 {
		if kind != "restore-nodes" {
			return nil, usage(errors.New("--annotations is for nodes, and this is a backup of volumes"))
		}
		with["annotations"] = c.Annotations
	}
	return map[string]any{"id": "restore", "uses": kind, "timeout": "1h", "with": with}, nil
}

// confirm shows what would be done and asks.
func (c *RestoreCmd) confirm(ctx context.Context, s *session) error {
	changes, err := s.preview(ctx, s.Steps[0])
	if err != nil {
		return err
	}
	if c.DryRun && c.Output != "text" {
		if err := report.WriteJSON(s.app.maskedJSON(), report.NewChangesDocument(changes)); err != nil {
			return err
		}
		return exit{}
	}
	out := io.Writer(s.app.err) // stdout is for the run's results
	if c.DryRun {
		out = s.app.out
	}
	if err := (report.Changes{Out: out, Color: s.app.color, Full: c.Full}).Print(changes); err != nil {
		return err
	}
	s.app.flush()
	switch {
	case c.DryRun || len(changes) == 0:
		return exit{}
	case c.Yes:
		return nil
	}
	return s.app.ask(ctx, "Restore this?")
}

// preview asks the action of a step what it would change.
func (s *session) preview(ctx context.Context, step *engine.Step) ([]steps.Change, error) {
	inputs, err := step.Inputs(&engine.Vars{})
	if err != nil {
		return nil, err
	}
	action, err := s.decode(step.Uses, inputs.With)
	if err != nil {
		return nil, usage(err)
	}
	call := &engine.Call{Step: step, Attempt: 1, With: inputs.With, Progress: func(engine.Progress) {},
		Log: func(format string, args ...any) { fmt.Fprintf(s.app.err, "  "+format+"\n", args...) }}
	return action.Plan(ctx, s.env(s.run, s.started, call))
}

// ask wants a yes from a person. Without a terminal nobody can give it.
func (a *app) ask(ctx context.Context, question string) error {
	f, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return usage(errors.New("nothing was done: there is no terminal to ask on; look at the changes with --dry-run, then give --yes"))
	}
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	a.flush()
	answers := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(f).ReadString('\n') // what cannot be read is no yes
		answers <- answer
	}()
	answer := ""
	select {
	case answer = <-answers:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if word := strings.ToLower(strings.TrimSpace(answer)); word == "y" || word == "yes" {
		return nil
	}
	return exit{code: engine.ExitFailed, err: errors.New("nothing was done: the answer was not yes")}
}
