package workload

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// names are the names of one kind in a pod, with who has each.
type names struct {
	both string // what two do that have one name: "both give the variable"
	from map[string]string
}

// clash is the error of a name that another has already. next is what can be done about it.
func (n names) clash(name, who, next string) error {
	switch other, taken := n.from[name]; {
	case !taken:
		return nil
	case other == who:
		return fmt.Errorf("%s is there twice", who)
	default:
		return fmt.Errorf("%s and %s %s %s: %s", other, who, n.both, name, next)
	}
}

// give notes who has a name that nobody else may have.
func (n names) give(name, who, next string) error {
	err := n.clash(name, who, next)
	n.from[name] = who
	return err
}

// taken are the names that a pod has. Where two have one, the API server refuses the pod, or one of them loses without a word.
type taken struct {
	variables, prefixes, volumes, paths names
}

// What can be done about two that have one name.
const (
	useEnv      = "name one of them otherwise with env"
	useName     = "give one of them another name"
	usePath     = "choose another mountPath"
	useBorrowed = "what secretsOf brings keeps its names, so give the other another name, or leave it out"
)

// CheckNames finds names that collide or that may not be. Build does it, too; of a Spec that is not whole it finds what is wrong in any case.
func CheckNames(s *Spec) error {
	t := &taken{
		variables: names{"both give the variable", map[string]string{"PLAN_OUTPUT": "plan", "JOB_COMPLETION_INDEX": "plan"}},
		prefixes:  names{"both give variables", map[string]string{}},
		volumes:   names{"are both the volume", map[string]string{}},
		paths:     names{"are both mounted at", map[string]string{}},
	}
	if s.Source != nil {
		t.paths.from[Workspace] = "the source"
	}
	return errors.Join(slices.Concat(t.env(s.Env), t.ofSecrets(s.Secrets), t.mounted(s.Volumes), t.borrowed(s.Borrowed))...)
}

// env notes each variable, also one that may not be: cmp.Or has all its arguments evaluated, and takes the first error.
func (t *taken) env(list []Variable) (problems []error) {
	for _, v := range list {
		problems = append(problems, cmp.Or(checkVariable(v), t.variables.give(v.Name, "env "+v.Name, useEnv)))
	}
	return problems
}

func checkVariable(v Variable) error {
	switch {
	case len(validation.IsEnvVarName(v.Name)) > 0 || strings.Contains(v.Name, "="):
		return fmt.Errorf("env %q is no name of a variable", v.Name)
	case v.Name == "PLAN_OUTPUT" || v.Name == "JOB_COMPLETION_INDEX":
		return fmt.Errorf("env %s: the variable is set by plan", v.Name)
	case v.Made && Reserved(v.Name):
		return fmt.Errorf("env %s: a variable that decides what is run cannot come from a secret", v.Name)
	}
	return nil
}

func (t *taken) ofSecrets(list []Secret) (problems []error) {
	for _, secret := range list {
		who := "secret " + secret.Name
		if twice := t.paths.give(secret.path(), who, useName); twice != nil {
			problems = append(problems, twice)
			continue
		}
		problems = append(problems, checkSecret(secret)...)
		problems = append(problems, checkKeys(secret)...)
		problems = append(problems, t.ofVariables(secret, who)...)
		problems = append(problems, t.volumes.give(mountName(secret), who, useName))
	}
	return problems
}

// ofVariables are those of one secret. Which keys an existing one has only the cluster knows; what they give all begins alike.
func (t *taken) ofVariables(secret Secret, who string) (problems []error) {
	variables := secret.variables()
	for _, variable := range slices.Sorted(maps.Keys(variables)) {
		var err error
		if Reserved(variable) {
			err = fmt.Errorf("%s: its key %q would give the variable %s, which decides what is run: name another with env", who, variables[variable], variable)
		}
		problems = append(problems, cmp.Or(err, t.variables.give(variable, who, useEnv)))
	}
	prefix := secret.prefix()
	if prefix == "" {
		return problems
	}
	if reservedBehind(prefix) {
		problems = append(problems, fmt.Errorf("%s: a key of it could give a variable %s… that decides what is run: name its variables with env", who, prefix))
	}
	return append(problems, t.prefixes.give(prefix+"…", who, useEnv))
}

// checkKeys finds keys of a secret that give one variable.
func checkKeys(secret Secret) (problems []error) {
	if secret.Env != nil {
		return nil
	}
	variables := names{"both give the variable", map[string]string{}}
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		problems = append(problems, variables.give(VariableName(secret.Name, key), fmt.Sprintf("key %q of secret %s", key, secret.Name), "name them with env"))
	}
	return problems
}

// mounted are volumes of the step's own, none of them where plan's are.
func (t *taken) mounted(list []Volume) (problems []error) {
	for _, v := range list {
		name, who := v.Mount.Name, "volume "+v.Mount.Name
		if bad := validation.IsDNS1123Label(name); len(bad) > 0 || strings.HasPrefix(name, "plan-") {
			problems = append(problems, fmt.Errorf("volume %q: a name of small letters, digits and dashes that does not begin with plan-", name))
		}
		problems = append(problems, cmp.Or(t.volumes.give(name, who, useName), checkPath(v), t.paths.give(path.Clean(v.Mount.MountPath), who, usePath)))
	}
	return problems
}

func checkPath(v Volume) error {
	mount := path.Clean(v.Mount.MountPath)
	switch {
	case !path.IsAbs(mount):
		return fmt.Errorf("volume %s: mountPath %q is not absolute", v.Mount.Name, v.Mount.MountPath)
	case mount == "/" || mount == "/plan" || strings.HasPrefix(mount, "/plan/"):
		return fmt.Errorf("volume %s: %s is plan's own", v.Mount.Name, mount)
	}
	return nil
}

// borrowed holds what comes from another job's pods against what ours have themselves. Among each other it was in one pod already.
func (t *taken) borrowed(b *Borrowed) (problems []error) {
	if b == nil {
		return nil
	}
	who := func(secret string) string { return "secretsOf (its Secret " + secret + ")" }
	for _, v := range b.Volumes {
		lender := who(v.Secret.SecretName)
		err := t.volumes.clash(v.Name, lender, useBorrowed)
		for _, m := range b.Mounts {
			if m.Name == v.Name {
				err = cmp.Or(t.paths.clash(path.Clean(m.MountPath), lender, useBorrowed), err)
			}
		}
		problems = append(problems, err)
	}
	for _, e := range b.Env {
		problems = append(problems, t.variables.clash(e.Name, who(e.ValueFrom.SecretKeyRef.Name), useBorrowed))
	}
	for _, e := range b.EnvFrom {
		problems = append(problems, t.prefixes.clash(e.Prefix+"…", who(e.SecretRef.Name), useBorrowed))
	}
	return problems
}
