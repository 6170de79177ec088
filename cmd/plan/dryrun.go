package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/printable"
	"plan/schema"
	"plan/steps"
)

// DryRunFlag says that nothing is done.
type DryRunFlag struct {
	DryRun string `name:"dry-run" help:"client: print the manifests that would be made, offline, as -o text, yaml or json. server: have the API server admit them, and keep nothing." enum:"none,client,server" default:"none" placeholder:"client|server"`
}

// renderedRun is the run whose names a rendering shows where no other is named.
const renderedRun = "render"

// fits refuses what does not go together, of a command that has only the manifest to show.
func (f DryRunFlag) fits(output string) error {
	if f.DryRun == "server" {
		return usage(errors.New("--dry-run=server is for apply and run; --dry-run=client prints the manifest, offline"))
	}
	return f.shows(output)
}

// shows refuses formats that are none for manifests.
func (f DryRunFlag) shows(output string) error {
	if f.DryRun != "none" && !slices.Contains([]string{"text", "yaml", "json"}, output) {
		return usage(fmt.Errorf("--dry-run=%s prints manifests: -o is text, yaml or json, and not %s", f.DryRun, output))
	}
	return nil
}

// start runs a plan, or shows what it would make, or has the API server look at that.
func (a *app) start(r *request, f RunFlags, d DryRunFlag) error {
	if err := d.shows(f.Output); err != nil {
		return err
	}
	switch d.DryRun {
	case "client":
		return a.dryRun(r, f)
	case "server":
		return a.dryRunServer(r, f)
	}
	return a.apply(r, f)
}

// rendered is a step, or an instance of one, with what it would make.
type rendered struct {
	step     *engine.Step
	instance string // canonical JSON of the matrix values
	inputs   engine.Inputs
	action   steps.Action
	remark   string // why there is nothing
	objects  []encoded
}

// dryRun prints what the steps would make. It opens no connection and reads no secret.
func (a *app) dryRun(r *request, f RunFlags) error {
	d, err := a.renderer(r)
	if err != nil {
		return err
	}
	if d.kube, err = d.offlineClient(); err != nil {
		return err
	}
	list, err := d.all()
	if err != nil {
		return err
	}
	return a.show(list, showing{output: f.Output, strict: f.Strict})
}

// renderer makes the objects of steps. No value is read for it, and nothing is opened.
type renderer struct {
	*session
	left     map[string]string // steps that are left out, with the reason
	pick     string            // a step, or an instance of one: the only one that is wanted
	runnable bool              // the objects are for kubectl
}

func (a *app) renderer(r *request) (*renderer, error) {
	plan, err := a.load(r)
	if err != nil {
		return nil, err
	}
	d := &renderer{session: &session{loaded: plan, app: a, run: cmp.Or(r.run, renderedRun)}}
	if err := engine.CheckRunID(d.run); err != nil {
		return nil, usage(fmt.Errorf("--run-id: %w", err))
	}
	if r.leave != nil {
		if d.left, err = r.leave(plan.Plan); err != nil {
			return nil, usage(err)
		}
	}
	if err := steps.Decode(plan.Cluster, &d.cluster); err != nil {
		return nil, usage(fmt.Errorf("read spec.cluster: %w", err))
	}
	return d, nil
}

// all renders the steps in their order. All that is wrong comes at once.
func (d *renderer) all() (list []rendered, err error) {
	var faults []error
	for _, step := range ordered(d.Plan) {
		some, err := d.step(step)
		list, faults = append(list, some...), append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, invalidRendering(err)
	}
	return list, nil
}

// invalidRendering is the error of a plan that cannot be rendered: problems of its fields come as those of the file do.
func invalidRendering(err error) error {
	var problems schema.Problems
	var collect func(error)
	collect = func(err error) {
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range several.Unwrap() {
				collect(one)
			}
			return
		}
		found, _ := engine.AsProblems(err)
		problems = append(problems, found...)
	}
	if collect(err); len(problems) > 0 {
		return problems.Sorted()
	}
	return usage(err)
}

// ordered are all steps as they would run.
func ordered(p *engine.Plan) []*engine.Step {
	return slices.Concat(slices.Concat(waves(p.Steps)...), slices.Concat(waves(p.Finally)...))
}

// offlineClient tells the namespace that the configuration has; it is asked nothing. Without a configuration there is none, which is an error where a
// flag or variable names one: the plan's own may be of another machine.
func (s *session) offlineClient() (*kube.Client, error) {
	client, err := kube.Load(s.kubeConfig())
	if err == nil {
		return client, nil
	}
	if slices.ContainsFunc(s.Overrides, func(o engine.Applied) bool { return o.Field == "cluster.context" || o.Field == "cluster.kubeconfig" }) {
		return nil, usage(err)
	}
	if s.cluster.Namespace == "" {
		fmt.Fprintf(s.app.err, "plan: objects have no namespace: the plan names none, and %s\n", printable.String(err.Error()))
	}
	return nil, nil
}

// step evaluates a step and asks its kind for the objects.
func (d *renderer) step(step *engine.Step) (list []rendered, err error) {
	whole := d.pick == "" || d.pick == step.ID
	switch {
	case d.left[step.ID] != "":
		return []rendered{{step: step, remark: d.left[step.ID]}}, nil
	case step.Never && whole:
		return []rendered{{step: step, remark: "never runs: its condition is false"}}, nil
	case step.Matrix == nil && whole:
		one, err := d.one(step, nil)
		return []rendered{one}, err
	case step.Matrix == nil:
		return nil, nil
	}
	var faults []error
	for _, instance := range step.Matrix.Instances {
		if whole || d.pick == engine.InstanceID(step.ID, instance.Key) {
			one, err := d.one(step, instance)
			list, faults = append(list, one), append(faults, err)
		}
	}
	return list, errors.Join(faults...)
}

func (d *renderer) one(step *engine.Step, instance *engine.Instance) (one rendered, err error) {
	if d.kinds[step.Uses].Early == nil {
		one = rendered{step: step, remark: "makes no objects of Kubernetes: it works by itself"}
		if instance != nil {
			one.instance = instance.Key
		}
		return one, nil
	}
	if one, err = d.previewed(step, instance); err != nil {
		return one, err
	}
	scope := one.scope(d.session)
	scope.Runnable = d.runnable
	objects, err := one.action.Render(scope)
	if err == nil {
		one.objects, err = encode(objects)
	}
	if err != nil {
		return one, fmt.Errorf("render step %s: %w", one.name(), err)
	}
	return one, nil
}

// previewed decodes a step's fields as far as they are known without a run.
func (s *session) previewed(step *engine.Step, instance *engine.Instance) (rendered, error) {
	one := rendered{step: step}
	vars := &engine.Vars{Run: engine.RunVars{ID: s.run, Name: s.Name}}
	if instance != nil {
		one.instance, vars.Matrix = instance.Key, instance.Values
	}
	var err error
	if one.inputs, err = step.Preview(vars); err != nil {
		return one, err
	}
	one.action = s.kinds[step.Uses].New()
	if err := steps.Decode(one.inputs.With, one.action); err != nil {
		return one, fmt.Errorf("render step %s: %w", one.name(), err)
	}
	return one, nil
}

// scope is that of the step's first attempt.
func (r *rendered) scope(s *session) steps.Scope {
	scope := s.scope()
	scope.Run, scope.Step, scope.Instance, scope.Attempt = s.run, r.step.ID, r.instance, 1
	scope.Timeout, scope.Dir = r.inputs.Timeout, s.baseDir
	return scope
}

func (r *rendered) name() string { return engine.InstanceID(r.step.ID, r.instance) }

// title is what a rendering as text says of a step.
func (r *rendered) title() string {
	text := r.name() + " (" + r.step.Uses + ")"
	if len(r.step.Needs) > 0 {
		text += ", after " + strings.Join(r.step.Needs, ", ")
	}
	if r.step.Condition != "" {
		text += ", if " + r.step.Condition
	}
	if r.remark != "" {
		text += ": " + r.remark
	}
	return printable.String(text)
}
