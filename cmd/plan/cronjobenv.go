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
	"plan/internal/stores"
	"plan/schema"
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

// lookVariables finds the variables that the plan reads and the pod does not get for certain.
func (b *bundling) lookVariables() {
	readers := map[string][]string{} // by variable
	for _, f := range b.sources() {
		if name := f.Source.Env; name != "" {
			readers[name] = append(readers[name], f.Path)
		}
	}
	b.lookDeclared(readers)
	for _, name := range slices.Sorted(maps.Keys(readers)) {
		if _, given := b.env.values[name]; !given && bundle.Fixed()[name] == "" {
			b.lacks(name, readers[name], ", and without it a run ends before its first step: add --env-from secret/NAME", "")
		}
	}
	keyless := b.keyless()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if b.env.values[name] == "" && len(keyless) > 0 && len(readers[name]) == 0 {
			b.lacks(name, keyless, ": add --env-from secret/NAME"+unlessIdentity, unlessIdentity)
		}
	}
}

const unlessIdentity = ", unless the pod has an identity from its cloud"

// lacks tells of a variable that --env does not give. What there is to say about it depends on whether --env-from may.
func (b *bundling) lacks(name string, readers []string, ifNothing, ifSomething string) {
	who := strings.Join(readers, ", ")
	if len(b.env.from) > 0 {
		b.say("variable %s (%s) has to be in %s%s", name, who, b.env.sources(), ifSomething)
		return
	}
	b.say("variable %s (%s) is given by nothing%s", name, who, ifNothing)
}

// keyless are the buckets in use that have no credentials: theirs are found by the AWS SDK.
func (b *bundling) keyless() (list []string) {
	for _, name := range slices.Sorted(maps.Keys(b.specs)) {
		if s3 := b.specs[name].S3; s3 != nil && s3.Credentials == nil {
			list = append(list, "spec.stores."+name+".s3 has no credentials")
		}
	}
	return list
}

// hiddenValue stands for the value of a secret in what overrides a plan.
const hiddenValue = "(set)"

// alwaysSecret are the variables that the AWS SDK takes a secret from, and Bitwarden's access token: whether this plan's runs read them or not.
func alwaysSecret() []string {
	return []string{"AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "BWS_ACCESS_TOKEN"}
}

// lookSecrets refuses secrets as values of --env, which would stand in the manifest.
func (b *bundling) lookSecrets() {
	taken, overridden := map[string][]string{}, map[string][]string{} // fields by variable
	for _, f := range b.allSources() {
		if f.Secret && f.Source.Env != "" {
			taken[f.Source.Env] = append(taken[f.Source.Env], f.Path)
		}
	}
	for _, o := range b.Overrides {
		if o.Value == hiddenValue && !strings.HasPrefix(o.Origin, olderIDs) { // an id opens nothing
			overridden[o.Origin] = append(overridden[o.Origin], o.Field)
		}
	}
	for _, v := range b.env.list {
		fields := taken[v.Name]
		if len(fields) == 0 {
			fields = overridden[v.Name]
		}
		switch {
		case len(fields) > 0:
			b.refuseSecret(v.Name, "the value of "+strings.Join(fields, ", ")+", a secret")
		case slices.Contains(alwaysSecret(), v.Name) && v.Value != "": // made empty, one of a ConfigMap does not count
			b.refuseSecret(v.Name, "a secret")
		}
	}
}

func (b *bundling) refuseSecret(name, what string) {
	b.refuse("--env "+name, "it is %s, and would stand in the manifest: put it into a Secret of namespace %s and name that with --env-from secret/NAME", what, b.namespace())
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
func (b *bundling) sources() []steps.FieldSource {
	list := slices.Concat(b.stepSources(b.mayRun()), b.storeSources(b.specs))
	if b.usesBitwarden() {
		list = append(list, b.tokenSource()...)
	}
	return list
}

// allSources are also those of steps that never run, of stores that no step uses, and of Bitwarden's token where nobody wants it: what is secret
// is so whether it is read or not.
func (b *bundling) allSources() []steps.FieldSource {
	specs := map[string]stores.Spec{}
	for name, section := range b.Stores {
		var spec stores.Spec
		if fields, ok := section.(map[string]any); ok && steps.Decode(fields, &spec) == nil {
			specs[name] = spec
		}
	}
	return slices.Concat(b.stepSources(slices.Concat(b.Steps, b.Finally)), b.storeSources(specs), b.tokenSource())
}

func (b *bundling) stepSources(of []*engine.Step) (list []steps.FieldSource) {
	for _, step := range of {
		if all := b.actions[step.ID]; len(all) > 0 { // a source reads no matrix
			for _, f := range steps.Sources(all[0]) {
				f.Secret = !b.public("kind."+step.Uses, strings.TrimPrefix(f.Path, "with."))
				f.Path = step.ID + "." + f.Path
				list = append(list, f)
			}
		}
	}
	return list
}

func (b *bundling) storeSources(specs map[string]stores.Spec) (list []steps.FieldSource) {
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		for _, f := range specs[name].Fields() {
			if f.Value.From != nil {
				list = append(list, steps.FieldSource{Path: "spec.stores." + name + "." + f.Path, Source: *f.Value.From, Secret: !b.public("store", f.Path)})
			}
		}
	}
	return list
}

func (b *bundling) tokenSource() []steps.FieldSource {
	return []steps.FieldSource{{Path: secrets.TokenField, Source: b.resolver.Token(), Secret: true}}
}

// public tells whether everybody may see what a field takes from outside: the schema has it by name and does not hide it, as a bucket's name. All else
// is secret, such as a job's variables, which its pods get in a Secret for that.
func (b *bundling) public(definition, path string) bool {
	return slices.ContainsFunc(b.lang.Properties(definition), func(p schema.Property) bool { return p.Value && !p.Hidden && p.Name() == path })
}
