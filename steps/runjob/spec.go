package runjob

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"plan/internal/jobs"
	"plan/internal/workload"
	"plan/steps"
)

// deadlineGrace is how much longer the cluster lets a Job work than we wait for it: for the case that nobody waits any more.
const deadlineGrace = time.Minute

// spec is what the step wants, with its work ready.
func (a *Action) spec(scope steps.Scope, work *carried, value func(steps.Value) (string, error)) (*workload.Spec, error) {
	kind, _ := a.Source.kindOf()
	s := &workload.Spec{
		Name: a.objectName(scope), Namespace: a.namespace(scope),
		Labels: map[string]string{
			workload.ManagedBy: workload.Manager, workload.LabelRun: scope.Run, workload.LabelStep: scope.Step,
			workload.LabelAttempt: strconv.Itoa(scope.Attempt), workload.LabelSource: kind,
		},
		Annotations: map[string]string{workload.AnnotationPlan: scope.Plan},
		Image:       work.image, Command: a.Command, Args: a.Args, Shell: a.Shell, Source: work.source,
		Resources: workload.Resources(a.Resources), Deployment: a.deployment(), Parallelism: int32(a.Parallelism),
		Deadline: scope.Timeout + deadlineGrace, TTL: a.TTL.Duration(), Detached: a.Detach, Queue: a.Queue,
	}
	if scope.Instance != "" {
		s.Labels[workload.LabelInstance] = steps.Scope{Instance: scope.Instance}.Hash(8)
		s.Annotations[workload.AnnotationInstance] = scope.Instance
	}
	if work.commit != "" {
		s.Annotations[workload.AnnotationCommit] = work.commit
	}
	if a.Security != workload.Restricted {
		s.Annotations[workload.AnnotationBaseline] = a.Security
	}
	var err error
	if s.Pod, err = a.pod(); err != nil {
		return nil, err
	}
	if s.Volumes, err = a.volumes(); err != nil {
		return nil, err
	}
	if err := a.values(s, value); err != nil {
		return nil, err
	}
	if a.deployment() {
		s.Deadline = 0
		return s, nil
	}
	s.PodFailurePolicy, err = a.failurePolicy()
	a.counts(s)
	return s, err
}

// counts sets how often pods are tried.
func (a *Action) counts(s *workload.Spec) {
	s.Completions = int32(a.completions())
	pointer := func(n *int) *int32 {
		if n == nil {
			return nil
		}
		return new(int32(*n))
	}
	s.BackoffLimit, s.BackoffLimitPerIndex = pointer(a.BackoffLimit), pointer(a.BackoffLimitPerIndex)
	if s.BackoffLimit == nil && s.BackoffLimitPerIndex == nil {
		s.BackoffLimit = new(int32(0))
	}
}

// values fills variables and secrets.
func (a *Action) values(s *workload.Spec, value func(steps.Value) (string, error)) error {
	for _, name := range slices.Sorted(maps.Keys(a.Env)) {
		v, err := value(a.Env[name])
		if err != nil {
			return fmt.Errorf("with.env.%s: %w", name, err)
		}
		s.Env = append(s.Env, workload.Variable{Name: name, Value: v, Made: a.Env[name].From != nil})
	}
	for i, secret := range a.Secrets {
		made := workload.Secret{Name: secret.Name, Env: secret.Env}
		if secret.Existing != "" {
			made.Name, made.Existing = secret.Existing, true
		} else {
			made.Data = map[string]string{}
		}
		for key, from := range secret.From {
			v, err := value(steps.Value{From: &from})
			if err != nil {
				return fmt.Errorf("with.secrets[%d].from.%s: %w", i, key, err)
			}
			made.Data[key] = v
		}
		s.Secrets = append(s.Secrets, made)
	}
	return nil
}

// blank stands for values that a rendering must not have.
func blank(v steps.Value) (string, error) {
	if v.From != nil {
		return "", nil
	}
	return v.Literal, nil
}

// Render gives the ConfigMaps, the Secrets without their values, and the workload itself, stopped, or for kubectl one that works. What only a
// run can know stands as UNKNOWN(…) in it.
func (a *Action) Render(scope steps.Scope) ([]runtime.Object, error) {
	objects, _, err := a.rendered(context.Background(), scope, nil)
	if err != nil {
		return nil, err
	}
	objects.Redact()
	if scope.Runnable {
		objects.Release()
	}
	var list []runtime.Object
	for _, m := range objects.ConfigMaps {
		list = append(list, m)
	}
	for _, s := range objects.Secrets {
		list = append(list, s)
	}
	if objects.Deployment != nil {
		return append(list, objects.Deployment), nil
	}
	return append(list, objects.Job), nil
}

// rendered makes the objects offline.
func (a *Action) rendered(ctx context.Context, scope steps.Scope, noted map[string]string) (*workload.Objects, *carried, error) {
	c := &courier{action: a, dir: scope.Dir, value: blank, noted: noted, log: func(string, ...any) {}}
	if scope.Runnable {
		c.part = workload.KubectlPart
	}
	work, err := c.bring(ctx)
	if err != nil {
		return nil, nil, err
	}
	spec, err := a.spec(scope, work, blank)
	if err != nil {
		return nil, nil, err
	}
	spec.Borrowed = a.unread(scope)
	objects, err := workload.Build(spec)
	return objects, work, err
}

// Permissions are those of the one workload, its parts, its pods and their logs.
func (a *Action) Permissions(scope steps.Scope) []steps.Permission {
	namespace, name := a.namespace(scope), a.objectName(scope)
	group, resource := "batch", "jobs"
	if a.deployment() {
		group, resource = "apps", "deployments"
	}
	own := func(verb string) steps.Permission {
		p := steps.Permission{Verb: verb, Group: group, Resource: resource, Namespace: namespace, Name: name}
		if verb == "create" {
			p.Name = ""
		}
		return p
	}
	core := func(verb, resource string) steps.Permission {
		return steps.Permission{Verb: verb, Resource: resource, Namespace: namespace}
	}
	list := []steps.Permission{own("get"), own("create"), own("patch"), own("delete"), own("list"), own("watch")}
	if a.SecretsOf != "" {
		list = append(list, steps.Permission{Verb: "get", Group: "batch", Resource: "jobs", Namespace: namespace, Name: a.SecretsOf})
	}
	kind, _ := a.Source.kindOf()
	if kind == "directory" || kind == "git" && a.Source.Git.Fetch != fetchPod {
		list = append(list, core("create", "configmaps"), core("get", "configmaps"))
	}
	for _, secret := range a.madeSecrets(name) {
		get := core("get", "secrets")
		get.Name = secret
		list = append(list, get)
	}
	if len(a.madeSecrets(name)) > 0 {
		list = append(list, core("create", "secrets"))
	}
	log := core("get", "pods")
	log.Subresource = "log"
	return append(list, core("list", "pods"), core("watch", "pods"), core("delete", "pods"), log, core("list", "events"))
}

// madeSecrets are the names of the Secrets that are made.
func (a *Action) madeSecrets(name string) (names []string) {
	s := &workload.Spec{Name: name, Source: &workload.Source{}}
	for variable, value := range a.Env {
		if value.From != nil {
			s.Env = append(s.Env, workload.Variable{Name: variable, Made: true})
		}
	}
	for _, secret := range a.Secrets {
		s.Secrets = append(s.Secrets, workload.Secret{Name: secret.Name, Existing: secret.Existing != ""})
	}
	if git := a.Source.Git; git != nil && git.Fetch == fetchPod && (git.Credentials != Credentials{} || git.CAFile != "") {
		s.Source.Git = &workload.Git{Credentials: map[string]string{}}
	}
	return s.SecretNames()
}

// runner is what works on the cluster for this attempt.
func (a *Action) runner(env *steps.Env) *jobs.Runner {
	return &jobs.Runner{
		Kube: env.Kube, Namespace: a.namespace(env.Scope), Name: a.objectName(env.Scope), Deployment: a.deployment(),
		Selector: labels.Set(workload.Selector(a.identity(env.Scope))).String(),
		Note:     env.Note, Noted: env.Noted, Key: noteWorkload + strconv.Itoa(env.Scope.Attempt), TTL: a.TTL.Duration(), Log: env.Log,
	}
}
