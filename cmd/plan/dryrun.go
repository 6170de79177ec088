package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/printable"
	"plan/internal/report"
	"plan/schema"
	"plan/steps"
)

// DryRunFlag says that nothing is done.
type DryRunFlag struct {
	DryRun string `name:"dry-run" help:"client: print the manifests that would be made, offline, as -o text, yaml or json." enum:"none,client,server" default:"none" placeholder:"client"`
}

// renderedRun is the run whose names a rendering shows where no other is named.
const renderedRun = "render"

// fits refuses what does not go together.
func (f DryRunFlag) fits(output string) error {
	switch {
	case f.DryRun == "server":
		return usage(errors.New("the flag --dry-run=server is not in this version of plan; --dry-run=client prints the manifests offline"))
	case f.DryRun == "client" && !slices.Contains([]string{"text", "yaml", "json"}, output):
		return usage(fmt.Errorf("--dry-run=client prints manifests: -o is text, yaml or json, and not %s", output))
	}
	return nil
}

// start runs a plan, or shows what it would make.
func (a *app) start(r *request, f RunFlags, d DryRunFlag) error {
	if err := d.fits(f.Output); err != nil {
		return err
	}
	if d.DryRun == "client" {
		return a.dryRun(r, f)
	}
	return a.apply(r, f)
}

// rendered is a step, or an instance of one, with what it would make.
type rendered struct {
	step     *engine.Step
	instance string // canonical JSON of the matrix values
	remark   string // why there is nothing
	objects  []runtime.Object
}

// dryRun prints what the steps would make. It opens no connection and reads no secret.
func (a *app) dryRun(r *request, f RunFlags) error {
	plan, err := a.load(r)
	if err != nil {
		return err
	}
	s := &session{loaded: plan, app: a, run: r.run}
	if s.run == "" {
		s.run = renderedRun
	}
	if err := engine.CheckRunID(s.run); err != nil {
		return usage(fmt.Errorf("--run-id: %w", err))
	}
	var left map[string]string
	if r.leave != nil {
		if left, err = r.leave(plan.Plan); err != nil {
			return usage(err)
		}
	}
	if err := steps.Decode(plan.Cluster, &s.cluster); err != nil {
		return usage(fmt.Errorf("read spec.cluster: %w", err))
	}
	s.kube = s.offlineClient()
	var list []rendered
	var faults []error
	for _, step := range ordered(plan.Plan) {
		one, err := s.render(step, left[step.ID])
		list, faults = append(list, one...), append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return invalidRendering(err)
	}
	return a.printRendering(list, f)
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

// offlineClient tells the namespace that the configuration has; it is asked nothing. Without a configuration there is none.
func (s *session) offlineClient() *kube.Client {
	client, err := kube.Load(s.kubeConfig())
	if err != nil {
		if s.cluster.Namespace == "" {
			fmt.Fprintf(s.app.err, "plan: objects have no namespace: the plan names none, and %s\n", printable.String(err.Error()))
		}
		return nil
	}
	return client
}

// render evaluates a step and asks its kind for the objects.
func (s *session) render(step *engine.Step, leftOut string) (list []rendered, err error) {
	switch {
	case leftOut != "":
		return []rendered{{step: step, remark: leftOut}}, nil
	case step.Never:
		return []rendered{{step: step, remark: "never runs: its condition is false"}}, nil
	case step.Matrix == nil:
		one, err := s.renderOne(step, nil)
		return []rendered{one}, err
	}
	var faults []error
	for _, instance := range step.Matrix.Instances {
		one, err := s.renderOne(step, instance)
		list, faults = append(list, one), append(faults, err)
	}
	return list, errors.Join(faults...)
}

func (s *session) renderOne(step *engine.Step, instance *engine.Instance) (rendered, error) {
	one := rendered{step: step}
	vars := &engine.Vars{Run: engine.RunVars{ID: s.run, Name: s.Name}}
	if instance != nil {
		one.instance, vars.Matrix = instance.Key, instance.Values
	}
	inputs, err := step.Preview(vars)
	if err != nil {
		return one, err
	}
	action := s.kinds[step.Uses].New()
	if err := steps.Decode(inputs.With, action); err != nil {
		return one, fmt.Errorf("render step %s: %w", one.name(), err)
	}
	scope := s.scope()
	scope.Run, scope.Step, scope.Instance, scope.Attempt = s.run, step.ID, one.instance, 1
	scope.Timeout, scope.Dir = inputs.Timeout, s.baseDir
	if one.objects, err = action.Render(scope); err != nil {
		return one, fmt.Errorf("render step %s: %w", one.name(), err)
	}
	if len(one.objects) == 0 {
		one.remark = "makes no objects of Kubernetes: it works by itself"
	}
	return one, checkKnown(one)
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

// printRendering prints objects to stdout, and to stderr what is to be known about them.
func (a *app) printRendering(list []rendered, f RunFlags) error {
	var all []runtime.Object
	for _, one := range list {
		all = append(all, one.objects...)
	}
	var err error
	switch f.Output {
	case "json":
		err = a.printList(all)
	case "yaml":
		err = a.printManifests(all)
	default:
		for _, one := range list {
			if _, err := fmt.Fprintf(a.out, "# %s\n", one.title()); err != nil {
				return err
			}
			if err := a.printManifests(one.objects); err != nil {
				return err
			}
		}
	}
	if err != nil {
		return err
	}
	if what := stopped(all); what != "" {
		fmt.Fprintf(a.err, "plan: %s: a run starts them when all that they need is there\n", what)
	}
	return a.tellUnknown(all, f.Strict)
}

// tellUnknown lists what stands as UNKNOWN(…).
func (a *app) tellUnknown(all []runtime.Object, strict bool) error {
	var lines []string
	for _, object := range all {
		found, err := unknowns(object)
		if err != nil {
			return err
		}
		lines = append(lines, found...)
	}
	if len(lines) == 0 {
		return nil
	}
	fmt.Fprintf(a.err, "plan: %s only a run can know:\n", report.Plural(len(lines), "value"))
	for _, line := range lines {
		fmt.Fprintln(a.err, "  "+printable.String(line))
	}
	if strict {
		return exit{code: engine.ExitInvalid}
	}
	return nil
}
