package workload

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// reserved are variables that change what is run, or what is loaded into it, and so are never made of a secret's keys by accident.
var reserved = []string{
	"PATH", "HOME", "SHELL", "IFS", "ENV", "BASH_ENV", "PS4", "PROMPT_COMMAND", "CDPATH", "GLOBIGNORE", "SHELLOPTS", "BASHOPTS",
	"NODE_OPTIONS", "NODE_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PERL5LIB", "PERL5OPT", "PERLLIB", "RUBYLIB", "RUBYOPT",
	"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH", "GCONV_PATH", "LOCPATH", "HOSTALIASES", "RESOLV_HOST_CONF",
	"GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_EXEC_PATH", "GIT_CONFIG_COUNT", "EDITOR", "VISUAL", "PAGER", "BROWSER", "PLAN_OUTPUT",
}

var reservedPrefixes = []string{"LD_", "DYLD_", "BASH_FUNC_", "KUBERNETES_", "JOB_COMPLETION_INDEX", "GIT_CONFIG_"}

// Reserved tells whether a variable of this name may not be made of a secret.
func Reserved(name string) bool {
	return slices.Contains(reserved, name) || slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// reservedBehind tells whether something appended to the prefix makes a reserved variable.
func reservedBehind(prefix string) bool {
	begins := func(name string) bool { return strings.HasPrefix(name, prefix) }
	return slices.ContainsFunc(reserved, begins) || slices.ContainsFunc(reservedPrefixes, begins) || Reserved(prefix)
}

// VariableName is the variable of a key of a secret: <NAME>_<KEY>, in capitals, everything else as an underscore.
func VariableName(secret, key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, secret+"_"+key)
}

// variables are those that a secret gives: variable → key. Those of an existing one whose keys are not named come with EnvFrom.
func (s Secret) variables() map[string]string {
	if s.Env != nil || s.Existing {
		return s.Env
	}
	variables := map[string]string{}
	for key := range s.Data {
		variables[VariableName(s.Name, key)] = key
	}
	return variables
}

// checkNames finds names that collide or that may not be.
func checkNames(s *Spec) error {
	from := map[string]string{} // variable → who gives it
	var problems []error
	give := func(variable, who string) {
		if other, taken := from[variable]; taken {
			problems = append(problems, fmt.Errorf("%s and %s both give the variable %s: name one of them otherwise with env", other, who, variable))
		}
		from[variable] = who
	}
	for _, v := range s.Env {
		if problem := validation.IsEnvVarName(v.Name); len(problem) > 0 || strings.Contains(v.Name, "=") {
			problems = append(problems, fmt.Errorf("env %q is no name of a variable", v.Name))
		}
		if v.Made && Reserved(v.Name) {
			problems = append(problems, fmt.Errorf("env %s: a variable that decides what is run cannot come from a secret", v.Name))
		}
		if slices.Contains([]string{"PLAN_OUTPUT", "JOB_COMPLETION_INDEX"}, v.Name) {
			problems = append(problems, fmt.Errorf("env %s: the variable is set by plan", v.Name))
		}
		give(v.Name, "env "+v.Name)
	}
	seen := map[string]bool{}
	for _, secret := range s.Secrets {
		who := "secret " + secret.Name
		if seen[secret.Name] {
			problems = append(problems, fmt.Errorf("%s is there twice", who))
		}
		seen[secret.Name] = true
		problems = append(problems, checkSecret(secret)...)
		variables, twice := secret.variables(), map[string]string{}
		for _, variable := range slices.Sorted(maps.Keys(variables)) {
			if Reserved(variable) {
				problems = append(problems, fmt.Errorf("%s: its key %q would give the variable %s, which decides what is run: name another with env", who, variables[variable], variable))
			}
			give(variable, who)
		}
		if prefix := VariableName(secret.Name, ""); secret.Existing && secret.Env == nil && reservedBehind(prefix) {
			problems = append(problems, fmt.Errorf("%s: a key of it could give a variable %s… that decides what is run: name its variables with env", who, prefix))
		}
		if secret.Env == nil {
			for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
				variable := VariableName(secret.Name, key)
				if other, taken := twice[variable]; taken {
					problems = append(problems, fmt.Errorf("%s: its keys %q and %q both give the variable %s: name them with env", who, other, key, variable))
				}
				twice[variable] = key
			}
		}
	}
	return errors.Join(append(problems, checkVolumes(s)...)...)
}

func checkSecret(secret Secret) (problems []error) {
	valid := validation.IsDNS1123Label
	if secret.Existing {
		valid = validation.IsDNS1123Subdomain
	}
	if bad := valid(secret.Name); len(bad) > 0 {
		problems = append(problems, fmt.Errorf("secret %q: %s", secret.Name, bad[0]))
	}
	if !secret.Existing && len(secret.Data) == 0 {
		problems = append(problems, fmt.Errorf("secret %s: from names no key", secret.Name))
	}
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		if bad := validation.IsConfigMapKey(key); len(bad) > 0 {
			problems = append(problems, fmt.Errorf("secret %s: key %q: %s", secret.Name, key, bad[0]))
		}
	}
	for variable, key := range secret.Env {
		if bad := validation.IsEnvVarName(variable); len(bad) > 0 {
			problems = append(problems, fmt.Errorf("secret %s: %q is no name of a variable", secret.Name, variable))
		}
		if _, there := secret.Data[key]; !secret.Existing && !there {
			problems = append(problems, fmt.Errorf("secret %s: env %s wants the key %q, which from does not name", secret.Name, variable, key))
		}
	}
	return problems
}

// checkVolumes wants each name and each path once, and none where plan's own are.
func checkVolumes(s *Spec) (problems []error) {
	names, paths := map[string]bool{}, map[string]string{}
	for _, v := range s.Volumes {
		name, mount := v.Mount.Name, path.Clean(v.Mount.MountPath)
		if bad := validation.IsDNS1123Label(name); len(bad) > 0 || strings.HasPrefix(name, "plan-") {
			problems = append(problems, fmt.Errorf("volume %q: a name of small letters, digits and dashes that does not begin with plan-", name))
		}
		if names[name] {
			problems = append(problems, fmt.Errorf("volume %s is there twice", name))
		}
		names[name] = true
		switch other := paths[mount]; {
		case !path.IsAbs(v.Mount.MountPath):
			problems = append(problems, fmt.Errorf("volume %s: mountPath %q is not absolute", name, v.Mount.MountPath))
		case other != "":
			problems = append(problems, fmt.Errorf("volumes %s and %s are both mounted at %s", other, name, mount))
		case mount == "/" || mount == "/plan" || strings.HasPrefix(mount, "/plan/") || mount == Workspace && s.Source != nil:
			problems = append(problems, fmt.Errorf("volume %s: %s is plan's own", name, mount))
		}
		paths[mount] = name
	}
	return problems
}

// environment is what the main container gets of variables.
func (s *Spec) environment() (env []corev1.EnvVar, from []corev1.EnvFromSource) {
	env = []corev1.EnvVar{{Name: "HOME", Value: Workspace}, {Name: "PLAN_OUTPUT", Value: outputPath}}
	reference := func(variable, secret, key string) corev1.EnvVar {
		return corev1.EnvVar{Name: variable, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key}}}
	}
	for _, v := range s.Env {
		env = slices.DeleteFunc(env, func(e corev1.EnvVar) bool { return e.Name == v.Name })
		if v.Made {
			env = append(env, reference(v.Name, s.envSecret(), v.Name))
		} else {
			env = append(env, corev1.EnvVar{Name: v.Name, Value: Literal(v.Value)})
		}
	}
	for _, secret := range s.Secrets {
		variables := secret.variables()
		for _, variable := range slices.Sorted(maps.Keys(variables)) {
			env = append(env, reference(variable, s.secretName(secret), variables[variable]))
		}
		if secret.Existing && secret.Env == nil {
			from = append(from, corev1.EnvFromSource{Prefix: VariableName(secret.Name, ""), SecretRef: &corev1.SecretEnvSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: secret.Name}}})
		}
	}
	if s.Borrowed != nil {
		env, from = append(env, s.Borrowed.Env...), append(from, s.Borrowed.EnvFrom...)
	}
	return env, from
}

// Literal keeps the kubelet from reading $(NAME) and $$ in a text (Kubernetes API reference, Container, command and env).
func Literal(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteByte(text[i])
		if text[i] == '$' && i+1 < len(text) && (text[i+1] == '$' || text[i+1] == '(') {
			b.WriteByte('$')
		}
	}
	return b.String()
}
