package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"plan/engine"
	"plan/internal/runstore"
	"plan/schema"
)

// ResumeCmd goes on with a run.
type ResumeCmd struct {
	RunID         string `arg:"" name:"run" help:"The run: its id, a beginning of it that is unique, or latest." placeholder:"RUN"`
	Step          string `arg:"" optional:"" help:"With --assume: the step whose outcome is not known." placeholder:"STEP"`
	From          string `help:"Run this step and all that need it again, although they are done." placeholder:"STEP"`
	AcceptChanged bool   `help:"Go on although the plan, a parameter or an override is not what it was."`
	Assume        string `help:"What became of STEP, which you have looked at: succeeded or failed." enum:"succeeded,failed," default:"" placeholder:"succeeded|failed"`
	SetFlags
	ClusterFlags
	RunFlags
}

// resumption says how a run goes on.
type resumption struct {
	run           string
	from          string
	acceptChanged bool
	assume, step  string
}

// Run is `plan resume`.
func (c *ResumeCmd) Run(a *app) error {
	if (c.Assume == "") != (c.Step == "") {
		return usage(errors.New("--assume goes with the step that it is about: plan resume RUN --assume succeeded STEP"))
	}
	set, err := c.values()
	if err != nil {
		return err
	}
	signals := watchSignals()
	_, run, err := ManageFlags{c.StateFlags, c.ClusterFlags}.find(signals.ctx, a, c.RunID)
	err = signals.instead(err)
	signals.stop()
	if err != nil {
		return err
	}
	r, err := a.requestOf(run)
	if err != nil {
		return err
	}
	r.set = set
	r.flags = slices.Concat(c.ClusterFlags.overrides(), c.RunFlags.overrides())
	r.resume = &resumption{run: run.ID, from: c.From, acceptChanged: c.AcceptChanged, assume: c.Assume, step: c.Step}
	return a.apply(r, c.RunFlags)
}

// requestOf reads the plan of a run again: from its file, or from the run itself where there was none.
func (a *app) requestOf(run runstore.Summary) (*request, error) {
	last := run.History.Last
	if last.Source != "" {
		single, derived := strings.HasPrefix(last.File, "plan run "), last.File != "-"
		return &request{src: engine.Source{File: last.File, Dir: last.Dir, Data: []byte(last.Source)}, single: single, derived: derived && !single}, nil
	}
	path := last.File
	if !filepath.IsAbs(path) && last.Dir != "" {
		path = filepath.Join(last.Dir, filepath.Base(last.File))
	}
	src, err := a.source(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, usage(fmt.Errorf("run %s is of %s, which is not there any more: %w", run.ID, path, err))
	}
	src.File = last.File
	return &request{src: src}, err
}

// assumed records what a person says of a step whose outcome is not known.
func (r *resumption) assumed(h *engine.History) (engine.Record, error) {
	lost := h.Lost()
	if !slices.Contains(lost, r.step) {
		if len(lost) == 0 {
			return nil, usage(fmt.Errorf("--assume: no step of run %s has an outcome that is not known", r.run))
		}
		return nil, usage(fmt.Errorf("--assume: the outcome of %s is known; not known is that of %s", r.step, stepNames(lost)))
	}
	result := h.Results()[r.step]
	return engine.StepFinishedRecord{
		Step: result.ID, Instance: result.Instance, Final: result.Final, Attempts: result.Attempts, Started: result.Started,
		Outcome: engine.Outcome(r.assume), Reason: "assumed by hand: " + r.assume,
	}, nil
}

// again are the steps that run again although they are done: one and all that need it.
func (r *resumption) again(p *engine.Plan) ([]string, error) {
	if r == nil || r.from == "" {
		return nil, nil
	}
	ids, err := downstream(p, r.from)
	if err != nil {
		return nil, usage(fmt.Errorf("--from: %w", err))
	}
	return slices.Sorted(maps.Keys(ids)), nil
}

// downstream are a step of steps and all that need it, also through others.
func downstream(p *engine.Plan, from string) (map[string]bool, error) {
	if err := isStep(p, from); err != nil {
		return nil, err
	}
	ids := map[string]bool{from: true}
	for changed := true; changed; {
		changed = false
		for _, s := range p.Steps {
			if !ids[s.ID] && slices.ContainsFunc(s.Needs, func(id string) bool { return ids[id] }) {
				ids[s.ID], changed = true, true
			}
		}
	}
	return ids, nil
}

func isStep(p *engine.Plan, id string) error {
	var names []string
	for _, s := range p.Steps {
		names = append(names, s.ID)
	}
	if slices.Contains(names, id) {
		return nil
	}
	err := fmt.Errorf("the plan has no step %q under spec.steps", id)
	if suggestion := schema.Suggest(id, names); suggestion != "" {
		err = fmt.Errorf("%w (did you mean %q?)", err, suggestion)
	}
	return err
}

// leaveOut gives the steps that do not run, each with the reason. finally runs whatever is left out.
func leaveOut(p *engine.Plan, only, skip []string, from string) (map[string]string, error) {
	var problems []error
	for _, id := range slices.Concat(only, skip) {
		problems = append(problems, isStep(p, id))
	}
	wanted := map[string]bool{}
	if from != "" {
		var err error
		if wanted, err = downstream(p, from); err != nil {
			problems = append(problems, err)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	left := map[string]string{}
	for _, s := range p.Steps {
		switch {
		case slices.Contains(skip, s.ID):
			left[s.ID] = "left out by --skip"
		case len(only) > 0 && !slices.Contains(only, s.ID) && !wanted[s.ID]:
			left[s.ID] = "left out by --only"
		case len(only) == 0 && from != "" && !wanted[s.ID]:
			left[s.ID] = "left out by --from"
		}
	}
	if len(left) == len(p.Steps) {
		return nil, errors.New("every step is left out")
	}
	return left, nil
}
