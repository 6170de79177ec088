package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"plan/engine"
	"plan/internal/backup"
	"plan/internal/objectstore"
)

// ArtefactFlags say where backups are: in the stores of a plan, below the prefixes of its steps, or in a store by its URL.
type ArtefactFlags struct {
	Plan  string `help:"The plan whose backups are meant: its stores, and the prefixes of its steps." placeholder:"FILE"`
	Store string `help:"A store of the plan by its name; without a plan s3://bucket/prefix?endpoint=URL&region=NAME, or dir:PATH." env:"PLAN_STORE" placeholder:"NAME|URL"`

	Prefix      string `help:"Look below this prefix only." placeholder:"PREFIX"`
	ClusterName string `help:"The cluster's name in backup keys." env:"PLAN_CLUSTER_NAME" placeholder:"NAME"`
	AllowExec   bool   `help:"Let the plan run commands for its values from outside (from: exec)." env:"PLAN_ALLOW_EXEC"`
	SetFlags
	ClusterFlags
}

// artefacts are the places where the backups of a plan are, opened.
type artefacts struct {
	*session
	roots []root
}

// root is a store and a prefix below which each cluster has its folder.
type root struct {
	store, prefix string
	artefact      backup.Artefact // that of the step that it comes from; "" where only the step's fields say it
}

// holds tells whether the places of a kind hold backups, and of which artefact.
func holds(kind string) (backup.Artefact, bool) {
	switch kind {
	case "backup-pvs", "restore-pvs":
		return backup.PVs, true
	case "backup-nodes", "restore-nodes":
		return backup.Nodes, true
	case "prune", "verify-backup":
		return "", true
	}
	return "", false
}

// catalogTimeout bounds the listing of one place with the metadata of all that is there.
const catalogTimeout = 10 * openTimeout

// request is the plan that is meant, or one that has the two kinds of backup in the store named.
func (f ArtefactFlags) request(a *app) (*request, error) {
	set, err := f.values()
	if err != nil {
		return nil, err
	}
	flags := f.ClusterFlags.overrides()
	if f.Plan != "" {
		if f.ClusterName != "" {
			flags = append(flags, engine.Override{Path: []string{"spec", "cluster", "name"}, Value: f.ClusterName, Origin: "--cluster-name", Shown: f.ClusterName})
		}
		src, err := a.source(f.Plan)
		return &request{src: src, set: set, flags: flags}, err
	}
	spec, prefix, err := plainSpec(f.ClusterName, f.Store)
	if err != nil {
		return nil, usage(err)
	}
	var list []any
	for _, kind := range []string{"backup-pvs", "backup-nodes"} {
		step := map[string]any{"id": kind, "uses": kind}
		if prefix != "" {
			step["with"] = map[string]any{"prefix": prefix}
		}
		list = append(list, step)
	}
	spec["steps"] = list
	data, err := yaml.Marshal(plainPlan("backups", spec))
	if err != nil {
		return nil, fmt.Errorf("write the plan: %w", err)
	}
	return &request{src: engine.Source{File: "plan backup", Dir: ".", Data: data}, set: set, single: true, flags: flags}, nil
}

// open opens the stores that hold backups. cluster says that the cluster is wanted too.
func (f ArtefactFlags) open(ctx context.Context, a *app, cluster bool) (*artefacts, error) {
	r, err := f.request(a)
	if err != nil {
		return nil, err
	}
	l, err := a.load(r)
	if err != nil {
		return nil, err
	}
	l.allowExec = f.AllowExec
	s := &session{loaded: l, app: a, storesOnly: !cluster, only: func(step *engine.Step) bool {
		_, ok := holds(step.Uses)
		return ok && (f.Plan == "" || f.Store == "" || step.Store == f.Store)
	}}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	found := &artefacts{session: s}
	for _, p := range s.places() {
		artefact, _ := holds(p.step.Uses)
		r := root{p.Store, strings.TrimSuffix(p.Prefix, s.cluster.Name+"/"), artefact}
		if f.Prefix != "" {
			r.prefix = f.Prefix
		}
		if !slices.Contains(found.roots, r) {
			found.roots = append(found.roots, r)
		}
	}
	if len(found.roots) == 0 {
		return nil, usage(fmt.Errorf("%s has no step that makes, prunes, checks or restores backups in store %q; name a store with --store URL instead", f.Plan, cmp.Or(f.Store, "(any)")))
	}
	return found, s.open(ctx)
}

// located is an object in a place.
type located struct {
	store string
	backup.Entry
}

// catalog lists everything in all places, newest first.
func (t *artefacts) catalog(ctx context.Context) ([]located, error) {
	var list []located
	seen := map[string]bool{}
	for _, root := range t.roots {
		var entries []backup.Entry
		if seen[root.store+"\n"+root.prefix] {
			continue
		}
		seen[root.store+"\n"+root.prefix] = true
		err := bounded(ctx, catalogTimeout, func(ctx context.Context) (err error) {
			entries, err = backup.Catalog(ctx, t.stores[root.store], root.prefix)
			return err
		})
		if err != nil {
			return nil, storeError(t.storeName(root.store), err)
		}
		for _, e := range entries {
			list = append(list, located{root.store, e})
		}
	}
	slices.SortStableFunc(list, func(a, b located) int { return b.Time().Compare(a.Time()) })
	return list, nil
}

// find gives the one object that a word means: a whole key, the last part of one, or the eight digits of its hash.
func (t *artefacts) find(ctx context.Context, word string) (located, error) {
	list, err := t.catalog(ctx)
	if err != nil {
		return located{}, err
	}
	var found []located
	for _, l := range list {
		if l.Key == word {
			return l, nil
		}
		if path.Base(l.Key) == word || l.Name.Hash == word && word != "" {
			found = append(found, l)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return located{}, usage(fmt.Errorf("there is no backup %q in %s; `plan backup ls` lists what is there", word, t.where()))
	}
	var keys []string
	for _, l := range found {
		keys = append(keys, l.Key)
	}
	return located{}, usage(fmt.Errorf("%q means several backups; give the whole key: %s", word, strings.Join(keys, ", ")))
}

// where names the places for messages.
func (t *artefacts) where() string {
	var names []string
	for _, root := range t.roots {
		names = append(names, fmt.Sprintf("store %s below %s", t.storeName(root.store), cmp.Or(root.prefix, "its top")))
	}
	return strings.Join(slices.Compact(names), " and ")
}

func (t *artefacts) storeOf(l located) objectstore.Store { return t.stores[l.store] }

// derived is a request for a plan that has everything of the one that is meant but its steps, and these steps instead.
func (f ArtefactFlags) derived(a *app, name string, list ...map[string]any) (*request, error) {
	r, err := f.request(a)
	if err != nil {
		return nil, err
	}
	if _, err := a.load(r); err != nil {
		return nil, err
	}
	var plan struct {
		Spec map[string]any `yaml:"spec"`
	}
	if err := yaml.Unmarshal(r.src.Data, &plan); err != nil {
		return nil, fmt.Errorf("read the plan again: %w", err)
	}
	spec := map[string]any{}
	for _, section := range []string{"cluster", "concurrency", "env", "params", "secrets", "stores"} {
		if value, ok := plan.Spec[section]; ok {
			spec[section] = value
		}
	}
	if defaults, ok := plan.Spec["defaults"].(map[string]any); ok && defaults["store"] != nil {
		spec["defaults"] = map[string]any{"store": defaults["store"]}
	}
	var all []any
	for _, step := range list {
		all = append(all, step)
	}
	spec["steps"] = all
	data, err := yaml.Marshal(plainPlan(name, spec))
	if err != nil {
		return nil, fmt.Errorf("write the plan: %w", err)
	}
	r.src.File, r.src.Data, r.derived = "plan "+name, data, true
	maps.DeleteFunc(r.set, func(name, _ string) bool { return strings.HasPrefix(name, "steps.") }) // those of the plan's own steps
	return r, nil
}

var errNotABackup = errors.New("not a backup of plan")
