package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"plan/engine"
	"plan/internal/kube"
)

// builtIn are the groups of Kubernetes itself that plans ask for: each server has them in version v1.
var builtIn = []string{"", "apps", "batch", "coordination.k8s.io", "storage.k8s.io"}

// wantedResource is a resource that may not be there.
type wantedResource struct {
	name     string
	versions []string // empty: any
	optional bool
	askers   []string
}

// servedSet is what came of asking for them.
type servedSet struct {
	checks []check
	absent map[kube.Access]bool // by group and resource alone
}

// without tells whether the API server does not have the resource of a call.
func (r *servedSet) without(a kube.Access) bool {
	return r.absent[kube.Access{Group: a.Group, Resource: a.Resource}]
}

// resourceChecks asks whether the API server has what calls are about, with one request for each version of a group.
func (p *preflight) resourceChecks(ctx context.Context, rights []right) *servedSet {
	found := &servedSet{absent: map[kube.Access]bool{}}
	if p.kube == nil {
		return found
	}
	groups := wantedResources(rights)
	var asking errgroup.Group
	asking.SetLimit(probesAtOnce)
	for _, g := range groups {
		asking.Go(func() error {
			g.look(ctx, p.kube)
			return nil
		})
	}
	_ = asking.Wait() // failures are among the checks
	for _, g := range groups {
		found.checks = append(found.checks, g.checks...)
		for _, name := range g.absent {
			found.absent[kube.Access{Group: g.name, Resource: name}] = true
		}
	}
	return found
}

// apiGroup is an API group of which some resources may not be there.
type apiGroup struct {
	name   string
	wanted []wantedResource

	versions []string            // those that the server has
	served   map[string][]string // resources by version, of those that were asked for

	checks []check
	absent []string
}

// wantedResources are those that may not be there, by group.
func wantedResources(rights []right) (groups []*apiGroup) {
	for _, r := range rights {
		plain := !slices.ContainsFunc(r.Versions, func(version string) bool { return version != "v1" })
		if r.Resource == "*" || slices.Contains(builtIn, r.Group) && plain {
			continue
		}
		g := slices.IndexFunc(groups, func(g *apiGroup) bool { return g.name == r.Group })
		if g < 0 {
			g = len(groups)
			groups = append(groups, &apiGroup{name: r.Group, served: map[string][]string{}})
		}
		list := groups[g].wanted
		i := slices.IndexFunc(list, func(w wantedResource) bool { return w.name == r.Resource })
		if i < 0 {
			i = len(list)
			list = append(list, wantedResource{name: r.Resource, optional: true})
		}
		w := &list[i]
		w.versions, w.askers, w.optional = merged(w.versions, r.Versions...), merged(w.askers, r.For...), w.optional && r.Optional
		groups[g].wanted = list
	}
	return groups
}

// look asks for each resource that is wanted.
func (g *apiGroup) look(ctx context.Context, client *kube.Client) {
	for _, w := range g.wanted {
		versions, err := g.find(ctx, client, w)
		c := check{Check: checkResource, For: w.askers}
		switch {
		case unanswerable(err):
			c = c.warning("it cannot be asked whether the API server has it: %v", err)
		case err != nil:
			c = c.failed(err)
		case len(versions) > 0:
			g.tell(c.ok(""), w.name, versions)
			continue
		case w.optional:
			g.absent = append(g.absent, w.name)
			c = c.ok("the API server does not have it, and the plan does without")
		default:
			g.absent = append(g.absent, w.name)
			c = c.failed(g.missing(ctx, client, w))
		}
		g.tell(c, w.name, w.versions)
	}
}

// find gives the versions in which the server has a resource: all that are wanted, or none.
func (g *apiGroup) find(ctx context.Context, client *kube.Client, w wantedResource) (in []string, err error) {
	if versions := w.versions; len(versions) > 0 {
		for _, version := range versions {
			if has, err := g.has(ctx, client, version, w.name); err != nil || !has {
				return nil, err
			}
		}
		return versions, nil
	}
	return g.anywhere(ctx, client, w.name)
}

// anywhere gives the first version in which the server has a resource.
func (g *apiGroup) anywhere(ctx context.Context, client *kube.Client, name string) ([]string, error) {
	if g.versions == nil {
		err := bounded(ctx, openTimeout, func(ctx context.Context) (err error) {
			g.versions, err = client.GroupVersions(ctx, g.name)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, version := range g.versions {
		if has, err := g.has(ctx, client, version, name); err != nil || has {
			return []string{version}, err
		}
	}
	return nil, nil
}

func (g *apiGroup) has(ctx context.Context, client *kube.Client, version, name string) (bool, error) {
	if _, asked := g.served[version]; !asked {
		err := bounded(ctx, openTimeout, func(ctx context.Context) error {
			names, err := client.ServedBy(ctx, g.name, version)
			if err == nil {
				g.served[version] = names
			}
			return err
		})
		if err != nil {
			return false, err
		}
	}
	return slices.Contains(g.served[version], name), nil
}

// missing says what to do about a resource that is not there.
func (g *apiGroup) missing(ctx context.Context, client *kube.Client, w wantedResource) error {
	text := "the API server does not have it: install what defines it (a CRD), or correct group, version and name"
	if other, err := g.anywhere(ctx, client, w.name); err == nil && len(other) > 0 {
		text = fmt.Sprintf("the API server has it in version %s, not in %s: correct the version, or install what serves it", other[0], strings.Join(w.versions, ", "))
	}
	return exit{code: engine.ExitFailed, err: errors.New(text)}
}

// tell adds what came of a resource, to the line of others of which the same is said.
func (g *apiGroup) tell(c check, name string, versions []string) {
	prefix := strings.TrimSuffix(g.name+"/"+strings.Join(versions, ", "), "/") + ": "
	for i := range g.checks {
		if same := &g.checks[i]; strings.HasPrefix(same.What, prefix) && same.Result == c.Result && same.Detail == c.Detail {
			same.What += ", " + name
			same.For = merged(same.For, c.For...)
			return
		}
	}
	c.What = prefix + name
	g.checks = append(g.checks, c)
}
