package runjob

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"plan/internal/workload"
	"plan/steps"
)

// early makes the objects without what lies in files. Numbers and names of Kubernetes' own types that wait for a run are errors of that.
func early(action steps.Action) error {
	spec, err := action.(*Action).spec(steps.Scope{Plan: "plan", Run: "run", Step: "step", Attempt: 1}, &carried{image: defaultImage}, blank)
	if err != nil {
		return err
	}
	objects, err := workload.Build(spec)
	if err != nil {
		return err
	}
	var labels map[string]string // of the pods; those of all else are plan's own
	if objects.Job != nil {
		labels = objects.Job.Spec.Template.Labels
	} else {
		labels = objects.Deployment.Spec.Template.Labels
	}
	var problems []error
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		if strings.Contains(labels[label], unknownMark) {
			problems = append(problems, fmt.Errorf("podTemplate: the label %s is %s", label, labels[label]))
		}
	}
	return errors.Join(problems...)
}

// unread stands for the secrets of another job, of which only the cluster knows.
func (a *Action) unread(scope steps.Scope) *workload.Borrowed {
	if a.SecretsOf == "" {
		return nil
	}
	name := unknown("secrets of job " + strings.TrimPrefix(a.namespace(scope)+"/"+a.SecretsOf, "/"))
	return &workload.Borrowed{EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}}}
}
