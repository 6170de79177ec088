package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"plan/engine"
	"plan/internal/bundle"
	"plan/internal/secrets"
	"plan/steps"
)

// podEnvironment are the variables that a pod gets.
type podEnvironment struct {
	list   []bundle.Variable
	values map[string]string // of list
	from   []bundle.Reference
}

// notInPods are variables that a pod of a bundle cannot have, and why.
var notInPods = map[string]string{
	"KUBECONFIG": noKubeconfig, "KUBECONFIG_PATH": noKubeconfig, "PLAN_KUBECONFIG": noKubeconfig, "PLAN_CONTEXT": noKubeconfig, "K8S_CONTEXT": noKubeconfig,
	"PLAN_NAMESPACE": "--namespace says where it runs", "PLAN_STATE": inItsCluster, "PLAN_STATE_DIR": inItsCluster,
}

const (
	noKubeconfig = "a pod has no kubeconfig: it works in its own cluster, with its own account"
	inItsCluster = "the run of a pod is recorded in the cluster, or another pod could not go on with it"
)

// environment reads --env and --env-from. Errors repeat no value.
func (c *CronjobCmd) environment() (podEnvironment, error) {
	e := podEnvironment{values: map[string]string{}}
	var problems []error
	for _, item := range c.Env {
		name, value, ok := strings.Cut(item, "=")
		if !ok {
			problems = append(problems, errors.New("--env: want NAME=VALUE"))
			continue
		}
		if why := notInPods[name]; why != "" && value != "" { // made empty, one of a ConfigMap does not count
			problems = append(problems, fmt.Errorf("--env %s: %s", name, why))
		}
		e.list, e.values[name] = append(e.list, bundle.Variable{Name: name, Value: value}), value
	}
	for _, item := range c.EnvFrom {
		kind, name, _ := strings.Cut(item, "/")
		if kind != "configmap" && kind != "secret" || name == "" {
			problems = append(problems, fmt.Errorf("--env-from %q: want configmap/NAME or secret/NAME", item))
		}
		e.from = append(e.from, bundle.Reference{Secret: kind == "secret", Name: name})
	}
	return e, errors.Join(problems...)
}

// sources are the names of what --env-from reads, for people.
func (e podEnvironment) sources() string {
	var names []string
	for _, r := range e.from {
		kind := "configmap "
		if r.Secret {
			kind = "secret "
		}
		names = append(names, kind+r.Name)
	}
	return strings.Join(names, " or ")
}

// lookVariables finds the variables that the plan reads and the pod does not get for certain, and secrets that would stand in a manifest.
func (b *bundling) lookVariables() {
	readers := map[string][]string{} // by variable
	for _, f := range b.sources() {
		name := f.Source.Env
		if name == "" {
			continue
		}
		readers[name] = append(readers[name], f.Path)
		if _, given := b.env.values[name]; given && f.Secret {
			b.refuseSecret(name, f.Path)
		}
	}
	for _, o := range b.Overrides {
		if _, given := b.env.values[o.Origin]; given && o.Value == hiddenValue && len(readers[o.Origin]) == 0 {
			b.refuseSecret(o.Origin, o.Field)
		}
	}
	b.lookDeclared(readers)
	for _, name := range slices.Sorted(maps.Keys(readers)) {
		if _, given := b.env.values[name]; given || bundle.Fixed()[name] != "" {
			continue
		}
		who := strings.Join(readers[name], ", ")
		if len(b.env.from) > 0 {
			b.say("variable %s (%s) has to be in %s", name, who, b.env.sources())
			continue
		}
		b.say("variable %s (%s) is given by nothing, and without it a run ends before its first step: add --env-from secret/NAME", name, who)
	}
}

// hiddenValue stands for the value of a secret in what overrides a plan.
const hiddenValue = "(set)"

func (b *bundling) refuseSecret(name, field string) {
	b.problems = append(b.problems, fmt.Errorf("--env %s: it is the value of %s, a secret, and would stand in the manifest: put it into a Secret of namespace %s and name that with --env-from secret/NAME", name, field, b.namespace()))
}

// lookDeclared adds the variables under spec.env and those of parameters that have no other value.
func (b *bundling) lookDeclared(readers map[string][]string) {
	var file struct {
		Spec struct {
			Env    []string
			Params map[string]struct {
				Env      string
				Required bool
				Default  yaml.Node
			}
		}
	}
	if err := yaml.Unmarshal(b.data, &file); err != nil {
		b.problems = append(b.problems, fmt.Errorf("read spec.env and spec.params: %w", err))
		return
	}
	for i, name := range file.Spec.Env {
		readers[name] = append(readers[name], "spec.env["+strconv.Itoa(i)+"]")
	}
	for _, name := range slices.Sorted(maps.Keys(file.Spec.Params)) {
		p, field := file.Spec.Params[name], "params."+name
		switch {
		case !p.Default.IsZero() || b.overridden(field):
		case p.Env != "":
			readers[p.Env] = append(readers[p.Env], "spec."+field)
		case p.Required:
			b.say("parameter %s has no value, and without one a run ends before its first step: give it with --set %s=VALUE", name, name)
		}
	}
}

// overridden tells whether something outside of the file gives a field its value.
func (b *bundling) overridden(field string) bool {
	return slices.ContainsFunc(b.Overrides, func(o engine.Applied) bool { return o.Field == field })
}

// sources are all fields of what may run that take their value from outside.
func (b *bundling) sources() (list []steps.FieldSource) {
	for _, step := range b.mayRun() {
		if all := b.actions[step.ID]; len(all) > 0 { // a source reads no matrix
			for _, f := range steps.Sources(all[0]) {
				f.Path = step.ID + "." + f.Path
				list = append(list, f)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.specs)) {
		for _, f := range b.specs[name].Fields() {
			if f.Value.From != nil {
				secret := strings.HasPrefix(f.Path, "s3.credentials.")
				list = append(list, steps.FieldSource{Path: "spec.stores." + name + "." + f.Path, Source: *f.Value.From, Secret: secret})
			}
		}
	}
	for _, w := range b.resolver.Wanted() {
		if slices.Contains(w.Fields, secrets.TokenField) {
			list = append(list, steps.FieldSource{Path: secrets.TokenField, Source: w.Source, Secret: true})
		}
	}
	return list
}
