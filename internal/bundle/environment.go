package bundle

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"plan/internal/workload"
)

// Fixed are variables that have the same value in every pod.
func Fixed() map[string]string { return map[string]string{"HOME": temporary, "TMPDIR": temporary} }

// own are the variables that the pod gets besides those of the Spec.
func (s *Spec) own() []corev1.EnvVar {
	job := &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.labels['batch.kubernetes.io/controller-uid']"}}
	var env []corev1.EnvVar
	for _, name := range slices.Sorted(maps.Keys(Fixed())) {
		env = append(env, corev1.EnvVar{Name: name, Value: Fixed()[name]})
	}
	return append(env, corev1.EnvVar{Name: s.RunVariable, ValueFrom: job})
}

// variables are the pod's. What they say wins over the same names in EnvFrom.
func (s *Spec) variables() (env []corev1.EnvVar, from []corev1.EnvFromSource) {
	env = s.own()
	for _, v := range s.Env {
		env = append(env, corev1.EnvVar{Name: v.Name, Value: workload.Literal(v.Value)})
	}
	for _, r := range s.EnvFrom {
		name := corev1.LocalObjectReference{Name: r.Name}
		if r.Secret {
			from = append(from, corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: name}})
		} else {
			from = append(from, corev1.EnvFromSource{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: name}})
		}
	}
	return env, from
}

// checkEnvironment finds names that the pod cannot have, or that would be there twice.
func (s *Spec) checkEnvironment() (problems []error) {
	seen := map[string]bool{}
	for _, v := range s.Env {
		switch bad := validation.IsEnvVarName(v.Name); {
		case len(bad) > 0 || strings.Contains(v.Name, "="):
			problems = append(problems, fmt.Errorf("env %q is no name of a variable", v.Name))
		case slices.ContainsFunc(s.own(), func(o corev1.EnvVar) bool { return o.Name == v.Name }):
			problems = append(problems, fmt.Errorf("env %s: the pod sets this variable itself", v.Name))
		case seen[v.Name]:
			problems = append(problems, fmt.Errorf("env %s is there twice", v.Name))
		case strings.ContainsRune(v.Value, 0):
			problems = append(problems, fmt.Errorf("env %s: its value has a NUL in it, which no variable can hold", v.Name))
		}
		seen[v.Name] = true
	}
	for _, r := range s.EnvFrom {
		if bad := validation.IsDNS1123Subdomain(r.Name); len(bad) > 0 {
			problems = append(problems, fmt.Errorf("env-from %q: %s", r.Name, bad[0]))
		}
	}
	for _, folder := range s.HostFolders {
		if reserved := checkFolder(folder); reserved != "" {
			problems = append(problems, fmt.Errorf("the folder %s of the node cannot be mounted: %s", folder, reserved))
		}
	}
	return problems
}

// checkFolder is why a folder of the node cannot be where it is in the pod, too; empty if it can.
func checkFolder(folder string) string {
	if !path.IsAbs(folder) || path.Clean(folder) != folder || folder == "/" {
		return "it is not an absolute path of a folder"
	}
	for _, ours := range []string{temporary, work, parts, "/dev", "/proc", "/sys", "/var/run/secrets"} {
		if folder == ours || strings.HasPrefix(folder, ours+"/") || strings.HasPrefix(ours, folder+"/") {
			return "the pod has " + ours + " of its own"
		}
	}
	return ""
}
