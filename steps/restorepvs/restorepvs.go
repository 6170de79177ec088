// Package restorepvs brings PersistentVolumes, their claims, classes and namespaces back from a backup.
package restorepvs

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"

	"plan/internal/backup"
	"plan/internal/restore"
	"plan/steps"
)

//go:embed schema.json
var schema []byte

//go:embed README.md
var doc string

// Kind describes the kind.
func Kind() steps.Kind {
	return steps.Kind{
		Name:   "restore-pvs",
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "created", Type: steps.Integer, Doc: "objects that were made, finished or, with overwrite, changed"},
			{Name: "unchanged", Type: steps.Integer, Doc: "objects that were there as in the backup"},
			{Name: "different", Type: steps.Integer, Doc: "objects that are there and different, and claims that were not made for that reason"},
		},
		New: func() steps.Action { return &Action{} },
	}
}

// Action is the step's with.
type Action struct {
	Store     string            `yaml:"store"`
	Key       string            `yaml:"key"`
	Only      []string          `yaml:"only"`
	Handles   map[string]string `yaml:"handles"`
	Overwrite bool              `yaml:"overwrite"`

	pause func(ctx context.Context, try int) error // nil but in tests
}

// Validate wants the key of a backup of volumes, and patterns that can be read. The key may be known only at run time.
func (a *Action) Validate() error {
	problems := restore.CheckChoice(a.Key, backup.PVs, a.Only)
	for old, to := range a.Handles {
		if old == "" || to == "" {
			problems = append(problems, errors.New("with.handles: a handle is empty"))
		}
	}
	return errors.Join(problems...)
}

// Needs is the folder that the backup is in; the key may be known only at run time.
func (a *Action) Needs(steps.Scope) steps.Needs {
	return steps.Needs{Places: []steps.Place{{Store: a.Store, Prefix: restore.Folder(a.Key)}}}
}

// Permissions are those of comparing and creating, of putting reclaim policies back, and of changing only with overwrite. What was
// created without an answer is read by its name.
func (a *Action) Permissions(steps.Scope) []steps.Permission {
	list := []steps.Permission{{Verb: "list", Resource: "nodes"}}
	for _, r := range restore.Resources() {
		for _, verb := range []string{"list", "get", "create"} {
			list = append(list, steps.Permission{Verb: verb, Group: r.Group, Resource: r.Resource, Optional: restore.Extra(r)})
		}
		if a.Overwrite && r.Resource != "namespaces" || r.Resource == "persistentvolumes" {
			list = append(list, steps.Permission{Verb: "patch", Group: r.Group, Resource: r.Resource, Optional: restore.Extra(r)})
		}
	}
	return list
}

// Render gives nothing: what is created stands in the backup, not in the plan.
func (a *Action) Render(steps.Scope) ([]runtime.Object, error) { return nil, nil }

// Plan names what would be created, finished or changed.
func (a *Action) Plan(ctx context.Context, env *steps.Env) ([]steps.Change, error) {
	plan, err := a.survey(ctx, env)
	if err != nil {
		return nil, err
	}
	var changes []steps.Change
	for _, item := range plan.Items {
		change := steps.Change{Target: item.ID.String(), Before: item.Have, After: item.Want}
		switch {
		case item.State == restore.Missing:
			change.Op, change.Detail = steps.Create, item.Detail()
		case item.State == restore.Unfinished:
			change.Op, change.Detail = steps.Update, item.Detail()
		case item.State == restore.Different && a.Overwrite:
			change.Op, change.Detail = steps.Update, "as in the backup, as far as the API server allows"
		case item.State == restore.Different:
			env.Log("%s is there and different, and would be left as it is: %v", item.ID, item.Paths)
			continue
		case item.State == restore.Held:
			env.Log("%s would not be made: its volume here is not the one of the backup", item.ID)
			continue
		default:
			continue
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// Run makes what is missing. Run again, after whatever end, it goes on.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	plan, err := a.survey(ctx, env)
	if err != nil {
		return steps.Result{}, err
	}
	report, err := restore.Execute(ctx, env.Kube, plan)
	return steps.Result{
		Outputs: map[string]any{"created": report.Created, "unchanged": report.Unchanged, "different": report.Different},
		Reason:  fmt.Sprintf("%d created, %d unchanged, %d different", report.Created, report.Unchanged, report.Different),
	}, err
}

// survey is the computation that Plan and Run share. It tells where the backup comes from, and what a person should know before.
func (a *Action) survey(ctx context.Context, env *steps.Env) (*restore.Plan, error) {
	store, err := env.Store(a.Store)
	if err != nil {
		return nil, err
	}
	b, err := restore.Read(ctx, store, a.Key, backup.PVs)
	if err != nil {
		return nil, err
	}
	env.Log("%s", b.Origin())
	for _, line := range b.Unrestored() {
		env.Log("%s", line)
	}
	plan, err := restore.Survey(ctx, env.Kube, b, restore.Options{
		Only: a.Only, Handles: a.Handles, Overwrite: a.Overwrite, Pause: a.pause, Log: env.Log, Progress: env.Progress,
	})
	if err != nil {
		return nil, fmt.Errorf("restore %s: nothing was changed: %w", a.Key, err)
	}
	for _, warning := range plan.Warnings {
		env.Log("%s", warning)
	}
	return plan, nil
}
