package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	strict "sigs.k8s.io/json"
)

// The levels of Pod Security (kubernetes.io/docs/concepts/security/pod-security-standards).
const (
	Restricted = "restricted"
	Baseline   = "baseline"
)

// Strict decodes a value of a plan into a type of Kubernetes. A field that the type does not have, one that is there twice or one of another
// type is an error that begins with field.
func Strict(field string, value, into any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	problems, err := strict.UnmarshalStrict(data, into)
	if err != nil {
		return fmt.Errorf("%s: %s", field, strings.TrimPrefix(err.Error(), "json: "))
	}
	var all []error
	for _, problem := range problems {
		all = append(all, fmt.Errorf("%s: %w", field, problem))
	}
	return errors.Join(all...)
}

// patched lays a strategic merge patch over a template. What plan itself relies on stays as it is.
func patched(t corev1.PodTemplateSpec, patch map[string]any) (corev1.PodTemplateSpec, error) {
	if len(patch) == 0 {
		return t, nil
	}
	if err := Strict("podTemplate", withoutDirectives(patch), &corev1.PodTemplateSpec{}); err != nil {
		return t, err
	}
	before, err := json.Marshal(t)
	if err != nil {
		return t, fmt.Errorf("podTemplate: %w", err)
	}
	data, err := json.Marshal(patch)
	if err != nil {
		return t, fmt.Errorf("podTemplate: %w", err)
	}
	after, err := strategicpatch.StrategicMergePatch(before, data, corev1.PodTemplateSpec{})
	if err != nil {
		return t, fmt.Errorf("podTemplate: %w", err)
	}
	var out corev1.PodTemplateSpec
	if err := json.Unmarshal(after, &out); err != nil {
		return t, fmt.Errorf("podTemplate: %w", err)
	}
	return out, kept(&t, &out)
}

// withoutDirectives leaves out $patch, $retainKeys and their like, which are no fields (Kubernetes: strategic merge patch).
func withoutDirectives(v any) any {
	switch v := v.(type) {
	case map[string]any:
		fields := map[string]any{}
		for key, value := range v {
			if !strings.HasPrefix(key, "$") {
				fields[key] = withoutDirectives(value)
			}
		}
		return fields
	case []any:
		list := []any{}
		for _, value := range v {
			if m, ok := value.(map[string]any); !ok || m["$patch"] == nil || len(m) > 1 {
				list = append(list, withoutDirectives(value))
			}
		}
		return list
	}
	return v
}

// kept finds what a patch has changed that plan relies on.
func kept(before, after *corev1.PodTemplateSpec) error {
	var problems []error
	if after.Spec.RestartPolicy != before.Spec.RestartPolicy {
		problems = append(problems, fmt.Errorf("podTemplate: spec.restartPolicy is %s: a pod that failed is counted, and replaced by another", before.Spec.RestartPolicy))
	}
	for label, value := range before.Labels {
		if after.Labels[label] != value {
			problems = append(problems, fmt.Errorf("podTemplate: the label %s is plan's own", label))
		}
	}
	for name := range containers(before) {
		if !containers(after)[name] {
			problems = append(problems, fmt.Errorf("podTemplate: the container %s must stay", name))
		}
	}
	return errors.Join(problems...)
}

func containers(t *corev1.PodTemplateSpec) map[string]bool {
	names := map[string]bool{}
	for _, c := range t.Spec.Containers {
		names[c.Name] = true
	}
	for _, c := range t.Spec.InitContainers {
		names[c.Name] = true
	}
	return names
}

// evaluator is that of the API server's admission, at its newest version.
var evaluator = sync.OnceValues(func() (policy.Evaluator, error) { return policy.NewEvaluator(policy.DefaultChecks(), nil) })

// CheckSecurity holds the template against a level of Pod Security, as a namespace that enforces it would.
func CheckSecurity(level string, t *corev1.PodTemplateSpec) error {
	checks, err := evaluator()
	if err != nil {
		return fmt.Errorf("pod security: %w", err)
	}
	var problems []error
	for _, r := range checks.EvaluatePod(api.LevelVersion{Level: api.Level(level), Version: api.LatestVersion()}, &t.ObjectMeta, &t.Spec) {
		if !r.Allowed {
			problems = append(problems, fmt.Errorf("the pod is not %s: %s (%s)", level, r.ForbiddenReason, r.ForbiddenDetail))
		}
	}
	return errors.Join(problems...)
}
