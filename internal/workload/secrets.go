package workload

import (
	"fmt"
	"maps"
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

// prefix is what the variables of an existing one begin with whose keys are not named; else there is none.
func (s Secret) prefix() string {
	if !s.Existing || s.Env != nil {
		return ""
	}
	return VariableName(s.Name, "")
}

// path is where its files are.
func (s Secret) path() string { return secretsDir + "/" + s.Name }

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
	for _, variable := range slices.Sorted(maps.Keys(secret.Env)) {
		key := secret.Env[variable]
		if bad := validation.IsEnvVarName(variable); len(bad) > 0 {
			problems = append(problems, fmt.Errorf("secret %s: %q is no name of a variable", secret.Name, variable))
		}
		if _, there := secret.Data[key]; !secret.Existing && !there {
			problems = append(problems, fmt.Errorf("secret %s: env %s wants the key %q, which from does not name", secret.Name, variable, key))
		}
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
		if prefix := secret.prefix(); prefix != "" {
			from = append(from, corev1.EnvFromSource{Prefix: prefix, SecretRef: &corev1.SecretEnvSource{
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
