package main

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
)

// olderFlag is a flag of the job runner that plan replaces, with the flag that plan has for it.
type olderFlag struct {
	older, flag string
	path        []string // in with
	value       any      // nil: it was not given
}

// older reads the older runner's flags that are not fields of with, and its variables. What is given under both names must be the same.
func (j *jobRun) older() error {
	o := &j.flags.olderJobFlags
	if o.Insecure {
		if err := (&TLSFlag{true}).AfterApply(j.app); err != nil {
			return err
		}
	}
	j.common.Namespace = cmp.Or(j.common.Namespace, j.app.getenv("K8R_NAMESPACE"))
	if !o.ShowYAML {
		return nil
	}
	if j.common.DryRun == "server" || j.common.Output != "text" && j.common.Output != "yaml" {
		return fmt.Errorf("--show-yaml is --dry-run=client -o yaml, and --dry-run is %s, -o %s", j.common.DryRun, j.common.Output)
	}
	j.common.DryRun, j.common.Output = "client", "yaml"
	return nil
}

// olderFlags are those that are fields of with.
func (o *olderJobFlags) list() []olderFlag {
	set := func(value any, given bool) any {
		if !given {
			return nil
		}
		return value
	}
	return []olderFlag{
		{"num", "parallelism", []string{"parallelism"}, pointed(o.Num)},
		{"base-image", "image", []string{"image"}, pointed(o.BaseImage)},
		{"job-name", "name", []string{"name"}, pointed(o.JobName)},
		{"retry", "backoff-limit", []string{"backoffLimit"}, pointed(o.Retry)},
		{"mem", "memory", []string{"resources", "memory"}, pointed(o.Mem)},
		{"secret-job", "secrets-of", []string{"secretsOf"}, pointed(o.SecretJob)},
		{"rm", "replace", []string{"replace"}, set(true, o.Rm)},
		{"as-deployment", "workload", []string{"workload"}, set("deployment", o.AsDeployment)},
	}
}

// pointed is what a pointer points to; nil for none.
func pointed[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// lay puts the older runner's flags over the fields.
func (j *jobRun) lay() error {
	var problems []error
	for _, f := range j.flags.list() {
		if f.value == nil {
			continue
		}
		at := any(j.with)
		for _, key := range f.path {
			m, _ := at.(map[string]any)
			at = m[key]
		}
		if at != nil && !reflect.DeepEqual(at, f.value) {
			problems = append(problems, fmt.Errorf("--%s is another name of --%s: they are %v and %v", f.older, f.flag, f.value, at))
			continue
		}
		field{path: f.path}.set(j.with, f.value)
	}
	return errors.Join(append(problems, j.pushes())...)
}

// pushes takes the repository from the older runner's variables, where an image has to be pushed and no flag says where.
func (j *jobRun) pushes() error {
	source, _ := j.with["source"].(map[string]any)
	sort, _ := onlyKey(source)
	fields, _ := source[sort].(map[string]any)
	if fields == nil || fields["push"] != nil || sort != "dockerfile" && fields["transport"] != "image" {
		return nil
	}
	registry, project := j.app.getenv("K8R_REGISTRY"), j.app.getenv("K8R_PROJECT")
	if registry == "" || project == "" {
		return errors.New("the image has to be pushed somewhere: give --push REGISTRY/REPOSITORY (or K8R_REGISTRY and K8R_PROJECT); nothing is pushed anywhere by default")
	}
	name, _ := j.with["name"].(string)
	fields["push"] = registry + "/" + project + "/" + cmp.Or(name, j.name, "job")
	return nil
}
