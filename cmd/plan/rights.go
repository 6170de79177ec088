package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plan/engine"
	"plan/internal/lock"
	"plan/internal/runstore"
	"plan/internal/secrets"
	"plan/schema"
	"plan/steps"
)

// right is a call to the cluster, and who makes it: "step pvs", "the lock", the field that takes its value from there.
type right struct {
	steps.Permission
	For      []string
	Versions []string // of the resource, that are asked for; a right has none
	Check    bool     // only checks want it: what they may not read makes their verdict unknown
	Unknown  string   // what of it only a run can know: "resource" or "namespace"; "" is nothing. Nobody asks for it, and nothing grants it
}

// unknown tells that only the run can know it.
func (r right) unknown() bool { return r.Unknown != "" }

// rightSet collects rights, each once, in the order in which they come.
type rightSet struct {
	list []right
	at   map[rightKey]int
}

type rightKey struct {
	steps.Permission
	unknown string
}

// add takes a right in. One that somebody cannot do without is not optional, nor only for checks, whoever else wants it.
func (r *rightSet) add(who string, one right) {
	key := rightKey{one.Permission, one.Unknown}
	key.Optional, key.Version = false, ""
	i, known := r.at[key]
	if !known {
		if r.at == nil {
			r.at = map[rightKey]int{}
		}
		i, r.at[key] = len(r.list), len(r.list)
		r.list = append(r.list, one)
	}
	r.list[i].Optional = r.list[i].Optional && one.Optional
	r.list[i].Check = r.list[i].Check && one.Check
	if one.Version != "" && !slices.Contains(r.list[i].Versions, one.Version) {
		r.list[i].Versions = append(r.list[i].Versions, one.Version)
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
				set.add(field, right{Permission: steps.Permission{Verb: "get", Resource: "secrets", Namespace: cmp.Or(w.Kubernetes.Namespace, s.namespace()), Name: w.Kubernetes.Name}})
			}
		}
	}
	if inCluster {
		for _, verb := range (&runstore.ClusterStore{}).Verbs() {
			set.add("the record of the run", right{Permission: steps.Permission{Verb: verb, Resource: "configmaps", Namespace: s.namespace()}})
		}
	}
	if len(set.list) == 0 && s.cluster.ExpectUID == "" {
		return nil, nil
	}
	if c := s.Concurrency; c != nil {
		for _, r := range lock.LeaseRights(cmp.Or(c.Namespace, s.namespace(), "default"), c.Group) {
			set.add("the lock", right{Permission: steps.Permission{Verb: r.Verb, Group: r.Group, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name}})
		}
		if inCluster { // whether the pod is gone that had the lock before this one; without it the Lease has to run out
			set.add("the lock", right{Permission: steps.Permission{Verb: "get", Resource: "pods", Namespace: s.namespace(), Optional: true}})
		}
	}
	set.add("to know the cluster", right{Permission: steps.Permission{Verb: "get", Resource: "namespaces", Name: "kube-system"}})
	return set.list, nil
}

// stepRights are those of a step, of all its instances. What differs between two runs only a run can know.
func (s *session) stepRights(set *rightSet, step *engine.Step) error {
	for i, action := range s.actions[step.ID] {
		var instance *engine.Instance
		if step.Matrix != nil && i < len(step.Matrix.Instances) {
			instance = step.Matrix.Instances[i]
		}
		list, unknown := s.permissions(step, instance, action, "a")
		again, _ := s.permissions(step, instance, action, "b")
		if len(list) != len(again) {
			return fmt.Errorf("find the rights of step %s: they differ from run to run", step.ID)
		}
		for k, p := range list {
			what := unknown
			switch {
			case p.Resource == steps.UnknownResource:
				what = "resource"
			case what == "" && (p.Namespace != again[k].Namespace || standsIn(p.Namespace)):
				what = "namespace"
			}
			if what != "" {
				p.Namespace = ""
			}
			if p.Name != again[k].Name || standsIn(p.Name) {
				p.Name = ""
			}
			set.add("step "+step.ID, right{Permission: p, Check: s.kinds[step.Uses].Check, Unknown: what})
		}
	}
	return nil
}

// standsIn tells UNKNOWN(…) and ${{ … }} from a name.
func standsIn(name string) bool { return strings.ContainsAny(name, "({") }

// permissions are those of an instance in a run of that id, with its fields as far as they are known before one; unknown is "namespace" where that
// is what is not.
func (s *session) permissions(step *engine.Step, instance *engine.Instance, action steps.Action, run string) (list []steps.Permission, unknown string) {
	in := *s
	in.run = run
	one, err := in.previewed(step, instance)
	if err != nil { // a field that is no string waits for the run; action leaves it out
		one.action = action
		problems, _ := engine.AsProblems(err)
		if slices.ContainsFunc(problems, func(p schema.Problem) bool { return strings.HasSuffix(p.Path, ".namespace") }) {
			unknown = "namespace"
		}
	}
	return one.action.Permissions(one.scope(&in)), unknown
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
	s.kube, err = s.offlineClient()
	switch {
	case err != nil:
		return nil, err
	case s.kube == nil && s.cluster.Namespace == "":
		return nil, usage(errors.New("in which namespace? Name it with --namespace, or in spec.cluster.namespace"))
	}
	return s, nil
}
