package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize/english"
	"golang.org/x/sync/errgroup"

	"plan/engine"
	"plan/internal/errclass"
	"plan/internal/report"
)

// PreflightCmd finds out what a run would need, before it is needed.
type PreflightCmd struct {
	FileArg
	SetFlags
	ClusterFlags
	State     string `help:"Where the run would be recorded, as of apply." enum:"local,cluster," default:"" env:"PLAN_STATE" placeholder:"local|cluster"`
	Write     bool   `help:"Also try to write: a probe object is put into each folder of a store that the plan writes to, read back and deleted; an upload to each registry is begun and taken back."`
	AllowExec bool   `help:"Run the plan's commands for its values from outside (from: exec)." env:"PLAN_ALLOW_EXEC"`
	OutputFlag
}

// Help says what the exit codes mean.
func (c *PreflightCmd) Help() string {
	return `All is asked, also when something fails, and without --write nothing is written: no lock is taken, no run is recorded.

Exit codes, of several the first that holds: 2 the plan is wrong (no such bucket, another cluster, a variable that is not set), 77 a right or a login is missing, 1 something is not there (an image, a CRD, a builder), 69 something does not answer. So 69 says that nothing else is wrong: try later. Warnings exit 0.`
}

// Results of a check.
const (
	wasOK      = "ok"
	wasWarning = "warning" // it may be well; who runs the plan knows more
	wasFailed  = "failed"
	wasSkipped = "skipped" // not asked
)

// check is a line of the table.
type check struct {
	Check    string   `json:"check"` // cluster, permission, resource, secret, store, image, push or source
	What     string   `json:"what"`
	Result   string   `json:"result"`
	Detail   string   `json:"detail,omitempty"`
	For      []string `json:"for,omitempty"`
	ExitCode int      `json:"exitCode,omitempty"` // of what failed
}

func (c check) ok(format string, args ...any) check {
	c.Result, c.Detail = wasOK, fmt.Sprintf(format, args...)
	return c
}

func (c check) warning(format string, args ...any) check {
	c.Result, c.Detail = wasWarning, fmt.Sprintf(format, args...)
	return c
}

func (c check) skipped(format string, args ...any) check {
	c.Result, c.Detail = wasSkipped, fmt.Sprintf(format, args...)
	return c
}

// failed takes the exit code that apply would end with, and the hint that it would give.
func (c check) failed(err error) check {
	c.Result, c.Detail, c.ExitCode = wasFailed, err.Error(), exitCode(err)
	fault := errclass.Classify(err) // what is wrong in the plan says itself what to do
	if fault.Kind != errclass.NotFound && fault.Hint != "" && !strings.Contains(c.Detail, fault.Hint) {
		c.Detail += "; " + fault.Hint
	}
	return c
}

// preflight is a plan that is looked at.
type preflight struct {
	*session
	write bool
}

// Run is `plan preflight`.
func (c *PreflightCmd) Run(a *app) error {
	r, err := a.offlineRequest(c.FileArg, c.SetFlags)
	if err != nil {
		return err
	}
	r.offline, r.flags = false, c.ClusterFlags.overrides()
	plan, err := a.load(r)
	if err != nil {
		return err
	}
	plan.allowExec = c.AllowExec
	p := &preflight{session: &session{loaded: plan, app: a, run: unknownMark + "run.id)"}, write: c.Write}
	p.recordsInCluster = StateFlags{State: c.State}.inCluster(a)
	if err := p.readSpecs(); err != nil {
		return err
	}
	signals := watchSignals()
	defer signals.stop()
	checks := p.look(signals.ctx)
	if err := signals.ctx.Err(); err != nil {
		return signals.instead(err)
	}
	return c.print(a, checks)
}

// look makes all checks. Each is bounded in time, and none waits for one that it does not need.
func (p *preflight) look(ctx context.Context) []check {
	trustFallbackRoots()
	checks := []check{p.lookAtCluster(ctx)}
	rights, err := p.rights(p.recordsInCluster)
	if err != nil {
		checks = append(checks, check{Check: checkPermission}.failed(err))
	}
	lacks := p.resourceChecks(ctx, rights)
	checks = slices.Concat(checks, p.rightChecks(ctx, rights, lacks), lacks.checks, p.secretChecks(ctx))
	needs := p.allNeeds()
	probes := slices.Concat(p.storeProbes(ctx, needs), imageProbes(needs), pushProbes(needs, p.write), p.sourceProbes(needs))
	rest := append(askAll(ctx, probes), needs.unknown...)
	slices.SortStableFunc(rest, func(a, b check) int {
		return cmp.Compare(slices.Index(needKinds, a.Check), slices.Index(needKinds, b.Check))
	})
	return append(checks, rest...)
}

// needKinds is the order of what steps need besides the cluster.
var needKinds = []string{checkStep, checkStore, checkImage, checkPush, checkSource}

// probe is one question, or several that belong together.
type probe func(context.Context) check

// probesAtOnce is how many questions are on their way at the same time.
const probesAtOnce = 8

// askAll asks all questions, a few at once. The answers come in the order of the questions.
func askAll(ctx context.Context, probes []probe) []check {
	checks := make([]check, len(probes))
	var group errgroup.Group
	group.SetLimit(probesAtOnce)
	for i, ask := range probes {
		group.Go(func() error {
			checks[i] = ask(ctx)
			return nil
		})
	}
	_ = group.Wait() // failures are among the checks
	return checks
}

// verdict is the exit code of all checks together: what is wrong in the plan before what is denied, as of values from outside, and what may
// pass by itself last.
func verdict(checks []check) int {
	for _, code := range []int{engine.ExitInvalid, engine.ExitDenied, engine.ExitFailed, engine.ExitUnreachable} {
		if slices.ContainsFunc(checks, func(c check) bool { return c.ExitCode == code }) {
			return code
		}
	}
	return engine.ExitOK
}

// grantHint is where missing rights come from.
const grantHint = "`plan rbac FILE` prints the rights that the plan needs"

func (c *PreflightCmd) print(a *app, checks []check) error {
	code, hint := verdict(checks), ""
	if slices.ContainsFunc(checks, func(c check) bool { return c.Check == checkPermission && c.ExitCode == engine.ExitDenied }) {
		hint = grantHint
	}
	if c.Output != "text" {
		return errors.Join(report.WriteJSON(a.maskedJSON(), struct {
			SchemaVersion int     `json:"schemaVersion"`
			Kind          string  `json:"kind"`
			Checks        []check `json:"checks"`
			Hint          string  `json:"hint,omitempty"`
			ExitCode      int     `json:"exitCode"`
		}{report.SchemaVersion, "Preflight", checks, hint, code}), exit{code: code}.orNil())
	}
	if err := a.printChecks(checks); err != nil {
		return err
	}
	fmt.Fprintln(a.err, "plan: "+tally(checks))
	if hint != "" {
		fmt.Fprintln(a.err, "plan: "+hint)
	}
	return exit{code: code}.orNil()
}

// printChecks prints the table. Colours have one length, so that columns stay columns.
func (a *app) printChecks(checks []check) error {
	paint := func(text, color string) string {
		if !a.color {
			return text
		}
		return "\x1b[" + color + "m" + text + "\x1b[0m"
	}
	colors := map[string]string{wasOK: "32", wasWarning: "33", wasFailed: "31", wasSkipped: "90"}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "CHECK\tWHAT\t%s\tDETAIL\n", paint("RESULT", "39"))
	for _, c := range checks {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Check, dash(c.What), paint(c.Result, colors[c.Result]), dash(c.detail()))
	}
	return w.Flush()
}

// detail is what stands in the last column: all in one line.
func (c check) detail() string {
	text := strings.ReplaceAll(c.Detail, "\n", "; ")
	if len(c.For) > 0 {
		text = strings.TrimSpace(text + " (" + someOf(c.For) + ")")
	}
	return text
}

// tally counts.
func tally(checks []check) string {
	n := map[string]int{}
	for _, c := range checks {
		n[c.Result]++
	}
	parts := []string{english.Plural(len(checks), "check", "")}
	for _, result := range []string{wasFailed, wasWarning, wasSkipped} {
		if n[result] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[result], map[string]string{wasFailed: "failed", wasWarning: "with a warning", wasSkipped: "skipped"}[result]))
		}
	}
	return strings.Join(parts, ", ")
}

// someOf names the first of a list.
func someOf(list []string) string {
	const shown = 3
	if len(list) <= shown {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:shown], ", "), len(list)-shown)
}

// unknownIn tells whether a text has something that only a run can know.
func unknownIn(text string) bool { return strings.Contains(text, unknownMark) }

// merged adds to a list what it has not yet.
func merged(list []string, more ...string) []string {
	for _, one := range more {
		if !slices.Contains(list, one) {
			list = append(list, one)
		}
	}
	return list
}
