package main

import (
	"fmt"
	"slices"

	"plan/engine"
	"plan/schema"
)

// RenderCmd prints the objects that a plan makes.
type RenderCmd struct {
	FileArg
	Step string `arg:"" optional:"" help:"A step, or an instance of its matrix as in report[region=eu]. Default: all." placeholder:"STEP"`
	SetFlags
	ClusterFlags
	RunIDFlag
	Runnable  bool   `help:"For kubectl apply: jobs and deployments that work as soon as they are there. What only a run can know exits 2."`
	Strict    bool   `help:"What only a run can know exits 2." env:"PLAN_STRICT"`
	OutputDir string `help:"Write a file for each object into DIR, over files of the same names." placeholder:"DIR"`
	Output    string `short:"o" help:"yaml or json." enum:"yaml,json" default:"yaml" placeholder:"FORMAT"`
}

// Run is `plan render`. It is offline.
func (c *RenderCmd) Run(a *app) error {
	file, step, err := c.place()
	if err != nil {
		return err
	}
	r, err := a.offlineRequest(file, c.SetFlags)
	if err != nil {
		return err
	}
	r.offline, r.flags, r.run = false, c.ClusterFlags.overrides(), c.RunID
	d, err := a.renderer(r)
	if err != nil {
		return err
	}
	if d.pick, d.runnable = step, c.Runnable; step != "" {
		if err := d.checkPick(); err != nil {
			return usage(err)
		}
	}
	if d.kube, err = d.offlineClient(); err != nil {
		return err
	}
	list, err := d.all()
	if err != nil {
		return err
	}
	return a.show(list, showing{output: c.Output, dir: c.OutputDir, strict: c.Strict, runnable: c.Runnable, all: step == ""})
}

// place tells the file from the step: with -f the one argument is the step.
func (c *RenderCmd) place() (file FileArg, step string, err error) {
	if c.Filename == "" || c.Step != "" {
		return c.FileArg, c.Step, nil // a file that is given twice is refused by its name
	}
	return FileArg{Filename: c.Filename}, c.File, nil
}

// checkPick wants a step of that name, or an instance of one.
func (d *renderer) checkPick() error {
	var names []string
	for _, step := range slices.Concat(d.Steps, d.Finally) {
		names = append(names, step.ID)
		if step.Matrix == nil {
			continue
		}
		for _, instance := range step.Matrix.Instances {
			names = append(names, engine.InstanceID(step.ID, instance.Key))
		}
	}
	if slices.Contains(names, d.pick) {
		return nil
	}
	err := fmt.Errorf("the plan has no step %q", d.pick)
	if suggestion := schema.Suggest(d.pick, names); suggestion != "" {
		err = fmt.Errorf("%w (did you mean %q?)", err, suggestion)
	}
	return err
}
