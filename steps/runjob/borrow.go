package runjob

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"plan/internal/kube"
	"plan/internal/workload"
	"plan/steps"
)

// borrow reads which Secrets the pods of another job have, and where. Values are not read: pods get them from the cluster.
func (a *Action) borrow(ctx context.Context, env *steps.Env) (*workload.Borrowed, error) {
	if a.SecretsOf == "" {
		return nil, nil
	}
	namespace := a.namespace(env.Scope)
	data, err := env.Kube.Get(ctx, kube.Resource{Group: "batch", Version: "v1", Resource: "jobs", Namespace: namespace}, a.SecretsOf)
	if err != nil {
		return nil, fmt.Errorf("with.secretsOf: %w", err)
	}
	var other batchv1.Job
	if err := json.Unmarshal(data, &other); err != nil {
		return nil, fmt.Errorf("with.secretsOf: read job %s/%s: %w", namespace, a.SecretsOf, err)
	}
	if other.Labels[workload.ManagedBy] != workload.Manager {
		return nil, fmt.Errorf("with.secretsOf: job %s/%s was not made by plan: name its Secrets with secrets: [{existing: NAME}]", namespace, a.SecretsOf)
	}
	b := borrowed(&other.Spec.Template.Spec)
	if len(b.Volumes) == 0 && len(b.Env) == 0 && len(b.EnvFrom) == 0 {
		return nil, fmt.Errorf("with.secretsOf: job %s/%s has no secrets", namespace, a.SecretsOf)
	}
	return b, nil
}

// borrowed is what of a pod has to do with Secrets of its step: the volumes are plan's own by their names.
func borrowed(pod *corev1.PodSpec) *workload.Borrowed {
	b := &workload.Borrowed{}
	taken := map[string]bool{}
	for _, v := range pod.Volumes {
		if v.Secret != nil && strings.HasPrefix(v.Name, workload.SecretVolume) {
			taken[v.Name] = true
			b.Volumes = append(b.Volumes, v)
		}
	}
	for _, c := range pod.Containers {
		if c.Name != workload.MainContainer {
			continue
		}
		for _, m := range c.VolumeMounts {
			if taken[m.Name] {
				b.Mounts = append(b.Mounts, m)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				b.Env = append(b.Env, e)
			}
		}
		for _, e := range c.EnvFrom {
			if e.SecretRef != nil {
				b.EnvFrom = append(b.EnvFrom, e)
			}
		}
	}
	return b
}
