package main

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"plan/engine"
	"plan/schema"
	"plan/steps"
)

// jobRun is one call of `plan run job`.
type jobRun struct {
	app    *app
	common kindFlags
	flags  jobFlags
	fields []*jobFlag
	values []reflect.Value // of the fields
	with   map[string]any
	name   string // what the source is called
}

// runJob is `plan run job`.
func (a *app) runJob(kind steps.Kind, target reflect.Value) error {
	j := &jobRun{
		app: a, fields: jobFields(kind), with: map[string]any{},
		common: target.FieldByName("KindFlags").Interface().(kindFlags), flags: target.FieldByName("JobFlags").Interface().(jobFlags),
	}
	for i := range j.fields {
		j.values = append(j.values, target.FieldByName("Field"+strconv.Itoa(i)))
	}
	plan, err := j.plan()
	if err != nil {
		return usage(err)
	}
	j.common.RunFlags.Timeout = "" // it is the step's
	overrides := slices.Concat(j.common.ClusterFlags.overrides(), j.common.RunFlags.overrides())
	if j.common.ShowPlan {
		return a.showPlan("job", plan, overrides)
	}
	data, err := yaml.Marshal(plan)
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	r := &request{src: engine.Source{File: "plan run job", Dir: ".", Data: data}, single: true, flags: overrides, run: j.common.RunID}
	if j.flags.ExitCode {
		return j.withExitCode(r)
	}
	return a.start(r, j.common.RunFlags, j.common.DryRunFlag)
}

// plan is the plan that runs.
func (j *jobRun) plan() (map[string]any, error) {
	if err := errors.Join(j.older(), j.common.check()); err != nil {
		return nil, err
	}
	if j.app.command != nil && len(j.app.command) == 0 {
		return nil, errors.New("behind -- there is nothing: name the command, or leave -- out for the image's entrypoint")
	}
	if err := j.source(); err != nil {
		return nil, err
	}
	if err := errors.Join(j.putFields(), j.lay(), j.environment(), j.secrets(), j.template()); err != nil {
		return nil, err
	}
	if len(j.app.command) > 0 {
		j.with["command"] = j.app.command
	}
	for name, kind := range j.flags.OutputType {
		field{path: []string{"outputs", name}}.set(j.with, kind)
	}
	if j.with["replace"] == true && j.with["name"] == nil {
		j.with["name"] = j.name
	}
	spec, _, err := plainSpec(j.common.ClusterName, "")
	if err != nil {
		return nil, err
	}
	step := map[string]any{"id": "job", "uses": jobKind, "with": j.with}
	if err := j.timeout(step, spec); err != nil {
		return nil, err
	}
	spec["steps"] = []any{step}
	return plainPlan(planName(j.name), spec), nil
}

// putFields puts the fields that were given where they belong.
func (j *jobRun) putFields() error {
	sort, _ := onlyKey(j.with["source"])
	var problems []error
	for i, f := range j.fields {
		if j.values[i].IsZero() {
			continue
		}
		to := f.field
		if f.of != nil {
			path := f.of[sort]
			if path == nil {
				problems = append(problems, fmt.Errorf("--%s is for %s, and SOURCE is %s", f.flag, sources(f.of), cmp.Or(article[sort], "not given")))
				continue
			}
			to.path = path
		}
		problems = append(problems, to.put(j.with, j.values[i]))
	}
	return errors.Join(problems...)
}

var article = map[string]string{"directory": "a directory", "git": "a git repository", "dockerfile": "a Dockerfile", "image": "an image"}

// sources names the sources that have a flag.
func sources(of map[string][]string) string {
	var names []string
	for _, sort := range []string{"directory", "git", "dockerfile"} {
		if of[sort] != nil {
			names = append(names, article[sort])
		}
	}
	return strings.Join(names, " or ")
}

// onlyKey is the key of a mapping that has one.
func onlyKey(m any) (string, bool) {
	keys, _ := m.(map[string]any)
	for key := range keys {
		return key, len(keys) == 1
	}
	return "", false
}

// timeout makes --timeout that of the step, and gives the run more where it needs it.
func (j *jobRun) timeout(step, spec map[string]any) error {
	text := j.common.RunFlags.Timeout
	if text == "" {
		return nil
	}
	d, err := schema.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("--timeout: %w", err)
	}
	step["timeout"] = text
	if d >= 24*time.Hour { // what a run has by itself
		spec["timeout"] = schema.FormatDuration(d + time.Hour)
	}
	return nil
}

// planName makes a name of a plan of what the source is called.
func planName(source string) string {
	return cmp.Or(strings.TrimRight(source[:min(len(source), 40)], "-"), "job")
}

// dnsName makes a name for Kubernetes of any text: small letters, digits and single dashes.
func dnsName(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String()[:min(b.Len(), 52)], "-")
}
