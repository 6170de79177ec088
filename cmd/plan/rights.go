package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"plan/engine"
	"plan/internal/lock"
	"plan/internal/runstore"
	"plan/internal/secrets"
	"plan/steps"
)

// right is a call to the cluster, and who makes it: "step pvs", "the lock", the field that takes its value from there.
type right struct {
	steps.Permission
	For      []string
	Versions []string // of the resource, that are asked for; a right has none
	Check    bool     // only checks want it: what they may not read makes their verdict unknown
}

// unknown tells of a resource that only the run can name.
func (r right) unknown() bool { return r.Resource == steps.UnknownResource }

// rightSet collects rights, each once, in the order in which they come.
type rightSet struct {
	list []right
	at   map[steps.Permission]int
}

// add takes a right in. One that somebody cannot do without is not optional, nor only for checks, whoever else wants it.
func (r *rightSet) add(who string, p steps.Permission, check bool) {
	key := p
	key.Optional, key.Version = false, ""
	i, known := r.at[key]
	if !known {
		if r.at == nil {
			r.at = map[steps.Permission]int{}
		}
		i, r.at[key] = len(r.list), len(r.list)
		r.list = append(r.list, right{Permission: p, Check: check})
	}
	r.list[i].Optional = r.list[i].Optional && p.Optional
	r.list[i].Check = r.list[i].Check && check
	if p.Version != "" && !slices.Contains(r.list[i].Versions, p.Version) {
		r.list[i].Versions = append(r.list[i].Versions, p.Version)
	}
	if !slices.Contains(r.list[i].For, who) {
		r.list[i].For = append(r.list[i].For, who)
	}
}

// rights are all calls to the cluster that a run of the plan may make. Names that only a run can know are left out: the right is then one for
// every object of that kind. In a cluster a run is recorded there.
func (s *session) rights(inCluster bool) ([]right, error) {
	var set rightSet
	for _, step := range s.mayRun() {
		if s.storesOnly {
			break
		}
		if err := s.stepRights(&set, step); err != nil {
			return nil, err
		}
	}
	for _, w := range s.resolver.Wanted() {
		for _, field := range w.Fields {
			if w.Kubernetes != (secrets.Kubernetes{}) {
				set.add(field, steps.Permission{Verb: "get", Resource: "secrets", Namespace: cmp.Or(w.Kubernetes.Namespace, s.namespace()), Name: w.Kubernetes.Name}, false)
			}
		}
	}
	if inCluster {
		for _, verb := range (&runstore.ClusterStore{}).Verbs() {
			set.add("the record of the run", steps.Permission{Verb: verb, Resource: "configmaps", Namespace: s.namespace()}, false)
		}
	}
	if len(set.list) == 0 && s.cluster.ExpectUID == "" {
		return nil, nil
	}
	if c := s.Concurrency; c != nil {
		for _, r := range lock.LeaseRights(cmp.Or(c.Namespace, s.namespace(), "default"), c.Group) {
			set.add("the lock", steps.Permission{Verb: r.Verb, Group: r.Group, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name}, false)
		}
		if inCluster { // whether the pod is gone that had the lock before this one; without it the Lease has to run out
			set.add("the lock", steps.Permission{Verb: "get", Resource: "pods", Namespace: s.namespace(), Optional: true}, false)
		}
	}
	set.add("to know the cluster", steps.Permission{Verb: "get", Resource: "namespaces", Name: "kube-system"}, false)
	return set.list, nil
}

// stepRights are those of a step, of all its instances. What differs between two runs is a name that only a run can know.
func (s *session) stepRights(set *rightSet, step *engine.Step) error {
	one, other := s.scope(), s.scope()
	one.Run, other.Run = "a", "b"
	for i, action := range s.actions[step.ID] {
		one.Step, other.Step = step.ID, step.ID
		if step.Matrix != nil && i < len(step.Matrix.Instances) {
			one.Instance, other.Instance = step.Matrix.Instances[i].Key, step.Matrix.Instances[i].Key
		}
		list, again := action.Permissions(one), action.Permissions(other)
		if len(list) != len(again) {
			return fmt.Errorf("find the rights of step %s: they differ from run to run", step.ID)
		}
		for k, p := range list {
			if p != again[k] {
				p.Name = ""
			}
			set.add("step "+step.ID, p, s.kinds[step.Uses].Check)
		}
	}
	return nil
}

// offlineSession decodes a plan for who only looks at it: no value is read and nothing is opened.
func (a *app) offlineSession(r *request) (*session, error) {
	plan, err := a.load(r)
	if err != nil {
		return nil, err
	}
	s := &session{loaded: plan, app: a}
	if err := s.readSpecs(); err != nil {
		return nil, err
	}
	if s.kube = s.offlineClient(); s.kube == nil && s.cluster.Namespace == "" {
		return nil, usage(errors.New("in which namespace? Name it with --namespace, or in spec.cluster.namespace"))
	}
	return s, nil
}
