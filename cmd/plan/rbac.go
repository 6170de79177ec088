package main

import (
	"cmp"

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
	rights, err := s.rights(c.State == "cluster")
	if err != nil {
		return err
	}
	objects := rbac.Objects(rbac.Subject{Name: cmp.Or(c.Name, s.Name), Namespace: s.namespace()}, permissions(rights), nil)
	if c.Output == "json" {
		return a.printList(objects)
	}
	return a.printManifests(objects)
}

// permissions are rights without those who want them.
func permissions(rights []right) (list []steps.Permission) {
	for _, r := range rights {
		list = append(list, r.Permission)
	}
	return list
}
