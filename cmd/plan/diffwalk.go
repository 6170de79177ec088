package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/gjson"

	"plan/engine"
	"plan/internal/objectstore"
	"plan/internal/printable"
	"plan/internal/secrets"
	"plan/steps"
)

// planned is a step, or an instance of one, with what it would change.
type planned struct {
	rendered
	status  diffStatus
	reason  string // why nothing is told
	changes []steps.Change
	remarks []string // what the kind says besides
	err     error
}

// diffStatus says what is known of a step.
type diffStatus string

const (
	statusChanges   diffStatus = "changes"
	statusUnchanged diffStatus = "unchanged"
	statusUnknown   diffStatus = "unknown" // only the run can know
	statusSkipped   diffStatus = "skipped" // it is left out, or never runs
	statusFailed    diffStatus = "failed"  // it would fail, or could not be looked at
)

var (
	errPreview   = errors.New("a preview keeps nothing")
	errByCommand = errors.New("diff runs no commands")
)

// differ asks the steps, one after the other, what they would change. Each sees the stores as those before would leave them.
type differ struct {
	*session
	stores []*aheadStore
	steps  []planned
}

// step asks all instances of a step.
func (d *differ) step(ctx context.Context, step *engine.Step, leftOut string) {
	switch {
	case leftOut != "":
		d.steps = append(d.steps, planned{rendered: rendered{step: step}, status: statusSkipped, reason: leftOut})
	case step.Never:
		d.steps = append(d.steps, planned{rendered: rendered{step: step}, status: statusSkipped, reason: "never runs: its condition is false"})
	case step.Matrix == nil:
		d.instance(ctx, step, nil)
	default:
		for _, instance := range step.Matrix.Instances {
			d.instance(ctx, step, instance)
		}
	}
}

func (d *differ) instance(ctx context.Context, step *engine.Step, instance *engine.Instance) {
	p := planned{}
	var err error
	if p.rendered, err = d.previewed(step, instance); err == nil {
		err = d.plan(ctx, &p)
	}
	var waits waiting
	switch problems, _ := engine.AsProblems(err); {
	case errors.As(err, &waits):
		p.status, p.reason = statusUnknown, string(waits)
	case len(problems) > 0: // all else in them was checked when the plan was loaded
		p.status, p.reason = statusUnknown, problemsInLine(problems)
	case err != nil:
		p.status, p.err = statusFailed, d.maskedError(err)
	case len(p.changes) > 0:
		p.status = statusChanges
	default:
		p.status = statusUnchanged
	}
	for _, store := range d.stores {
		store.take(p.changes)
	}
	d.steps = append(d.steps, p)
}

// waiting is the error of a step that only the run can tell of; it says what it depends on.
type waiting string

func (w waiting) Error() string { return string(w) }

// plan asks the kind. What a step reads by a placeholder would be something else than what the run reads.
func (d *differ) plan(ctx context.Context, p *planned) error {
	unknown, err := waitsFor(p.inputs.With)
	if err != nil {
		return err
	}
	if len(unknown) == 0 {
		if err := p.action.Validate(); err != nil {
			return usage(err)
		}
		return d.ask(ctx, p)
	}
	if d.kinds[p.step.Uses].Early != nil { // its objects have placeholders; their names, and whatever else is read, have none
		p.remarks = append(p.remarks, "only the run can know "+strings.Join(unknown, ", "))
		return d.ask(ctx, p)
	}
	if d.blind(p) != nil {
		return waiting("depends on " + strings.Join(unknown, ", "))
	}
	return nil
}

// ask lets the kind read for as long as one attempt of the step may take.
func (d *differ) ask(ctx context.Context, p *planned) error {
	err := bounded(ctx, p.inputs.Timeout, func(ctx context.Context) (err error) {
		p.changes, err = p.action.Plan(ctx, d.env(p))
		return err
	})
	if errors.Is(err, errByCommand) {
		return waiting("depends on " + err.Error())
	}
	return err
}

// blind asks the kind under a context that has ended, so that it can read nothing: what it tells then depends on nothing that it reads.
func (d *differ) blind(p *planned) (err error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	env := d.env(p)
	env.Store = func(string) (objectstore.Store, error) { return nil, ctx.Err() }
	p.changes, err = p.action.Plan(ctx, env)
	if err != nil {
		p.changes, p.remarks = nil, nil
	}
	return err
}

// env is that of a run, but nothing is kept, and what is said are remarks.
func (d *differ) env(p *planned) *steps.Env {
	var mu sync.Mutex
	call := &engine.Call{
		Step: p.step, Instance: p.instance, Attempt: 1, With: p.inputs.With, Timeout: p.inputs.Timeout,
		Run:      engine.RunVars{ID: d.run, Name: d.Name, Outcome: unknownMark + "run.outcome)"},
		Progress: func(engine.Progress) {},
		PodLog:   func(engine.PodLine) {},
		Log: func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			p.remarks = append(p.remarks, fmt.Sprintf(format, args...))
		},
	}
	env := d.session.env(d.run, d.started, call)
	env.Note = func(string, string) error { return errPreview }
	env.KeepLog = func(string, []byte) error { return errPreview }
	env.Secret = func(v secrets.Value) (string, error) {
		if v.From != nil && byCommand(*v.From) {
			return "", fmt.Errorf("the command %s, and %w", printable.String(v.From.Exec.Command.Name()), errByCommand)
		}
		return d.resolver.Value(v)
	}
	return env
}

// waitsFor lists the expressions in a step's fields that only a run can evaluate, each once.
func waitsFor(with map[string]any) (list []string, err error) {
	data, err := json.Marshal(with)
	if err != nil {
		return nil, fmt.Errorf("read the fields: %w", err)
	}
	walkStrings("", gjson.ParseBytes(data), func(_, text string) {
		for _, found := range marked(text) {
			expression := strings.TrimSuffix(strings.TrimPrefix(found, unknownMark), ")")
			if !slices.Contains(list, expression) {
				list = append(list, expression)
			}
		}
	})
	return list, nil
}
