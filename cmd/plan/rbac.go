package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"plan/internal/rbac"
	"plan/steps"
)

// RBACCmd prints the rights that a plan needs.
type RBACCmd struct {
	FileArg
	SetFlags
	ClusterFlags
	Name   string `help:"The ServiceAccount's name. Default: the plan's." placeholder:"NAME"`
	State  string `help:"Where runs are recorded: in the cluster, as in a pod, or local." enum:"cluster,local" default:"cluster" placeholder:"WHERE"`
	Output string `short:"o" help:"yaml or json." enum:"yaml,json" default:"yaml" placeholder:"FORMAT"`
}

// Run is `plan rbac`. It is offline.
func (c *RBACCmd) Run(a *app) error {
	r, err := a.offlineRequest(c.FileArg, c.SetFlags)
	if err != nil {
		return err
	}
	r.flags = c.ClusterFlags.overrides()
	s, err := a.offlineSession(r)
	if err != nil {
		return err
	}
	subject := rbac.Subject{Name: cmp.Or(c.Name, s.Name), Namespace: s.namespace()}
	if err := subject.Check(); err != nil {
		return usage(err)
	}
	rights, err := s.rights(c.State == "cluster")
	if err != nil {
		return err
	}
	list, err := grantable(rights)
	if err != nil {
		return err
	}
	objects := rbac.Objects(subject, list, nil)
	if c.Output == "json" {
		return a.printList(objects)
	}
	return a.printManifests(objects)
}

// grantable are rights without those who want them. One to a resource, or in a namespace, that is not known before a run could only be granted for
// all of them, which is an error instead, as is one in a namespace that no cluster has.
func grantable(rights []right) (list []steps.Permission, err error) {
	who := map[string][]string{}
	for _, r := range rights {
		if r.unknown() {
			who[r.Unknown] = merged(who[r.Unknown], r.For...)
		}
		if bad := validation.IsDNS1123Label(r.Namespace); r.Namespace != "" && len(bad) > 0 {
			return nil, usage(fmt.Errorf("%s: namespace %q: %s", strings.Join(r.For, ", "), r.Namespace, bad[0]))
		}
		list = append(list, r.Permission)
	}
	var problems []error
	for _, what := range slices.Sorted(maps.Keys(who)) {
		problems = append(problems, fmt.Errorf("rights cannot be written out where the %s is not known before a run (%s): write it into the plan, or a matrix of those that it may be; "+
			"a parameter gets its value with --set", what, strings.Join(who[what], ", ")))
	}
	if len(problems) > 0 {
		return nil, usage(errors.Join(problems...))
	}
	return list, nil
}
