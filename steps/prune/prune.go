// Package prune removes backups that retention rules do not keep.
package prune

import (
	"context"
	_ "embed"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"

	"plan/internal/backup"
	"plan/internal/objectstore"
	"plan/internal/retention"
	"plan/steps"
)

//go:embed schema.json
var schema []byte

//go:embed README.md
var doc string

// Kind describes the kind.
func Kind() steps.Kind {
	return steps.Kind{
		Name:   "prune",
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "deleted", Type: steps.List, Doc: "the keys that were deleted, oldest first"},
			{Name: "kept", Type: steps.Integer, Doc: "how many backups the rules keep"},
		},
		New: func() steps.Action { return &Action{MaxDelete: 50} },
	}
}

// Action is the step's with.
type Action struct {
	Store     string          `yaml:"store"`
	Artefact  backup.Artefact `yaml:"artefact"`
	Prefix    *string         `yaml:"prefix"` // nil is the prefix of the kind that makes the artefact
	Keep      retention.Keep  `yaml:"keep"`
	MaxDelete int             `yaml:"maxDelete"`
	MinAge    steps.Dur       `yaml:"minAge"`
}

// Validate wants a usable prefix. Whether keep has a rule above 0 may be known only at run time; Survey looks then.
func (a *Action) Validate() error {
	if _, err := backup.CleanPrefix(a.prefix()); err != nil {
		return fmt.Errorf("with.prefix: %w", err)
	}
	return nil
}

func (a *Action) prefix() string {
	switch {
	case a.Prefix != nil:
		return *a.Prefix
	case a.Artefact == backup.Nodes:
		return "nodes-backups/"
	}
	return "pv-backups/"
}

// Needs is the folder of this cluster's backups: what the step lists, and where its keys are.
func (a *Action) Needs(scope steps.Scope) steps.Needs {
	return steps.Needs{Places: []steps.Place{{Store: a.Store, Prefix: backup.Folder(a.prefix(), scope.Cluster), Deletes: true}}}
}

// Permissions has what the cluster's UID takes: only backups with that UID are this cluster's.
func (a *Action) Permissions(steps.Scope) []steps.Permission {
	return []steps.Permission{{Verb: "get", Resource: "namespaces", Name: "kube-system"}}
}

// Render gives nothing: no object is made.
func (a *Action) Render(steps.Scope) ([]runtime.Object, error) { return nil, nil }

// Plan names the backups that would be deleted.
func (a *Action) Plan(ctx context.Context, env *steps.Env) ([]steps.Change, error) {
	store, plan, err := a.survey(ctx, env)
	if err == nil {
		err = retention.Check(ctx, store, plan)
	}
	if err != nil {
		return nil, err
	}
	if plan.Held != "" {
		env.Log("%s", plan.Held)
	}
	changes := make([]steps.Change, len(plan.Remove))
	for i, c := range plan.Remove {
		changes[i] = steps.Change{Op: steps.Delete, Target: place(store, c.Key), Detail: "of " + c.Time.Format("2006-01-02 15:04:05Z")}
	}
	return changes, nil
}

// Run deletes them.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	store, plan, err := a.survey(ctx, env)
	if err != nil {
		return steps.Result{}, err
	}
	report, err := retention.Execute(ctx, store, plan)
	result := steps.Result{
		Outputs: map[string]any{"deleted": list(report.Deleted), "kept": int64(report.Kept)},
		Reason:  fmt.Sprintf("%d deleted, %d kept", len(report.Deleted), report.Kept),
	}
	if report.Held != "" {
		result.Reason = report.Held
	}
	return result, err
}

func (a *Action) survey(ctx context.Context, env *steps.Env) (objectstore.Store, retention.Plan, error) {
	store, err := env.Store(a.Store)
	if err != nil {
		return nil, retention.Plan{}, err
	}
	plan, err := retention.Survey(ctx, store, retention.Options{
		Prefix: a.prefix(), Cluster: env.Cluster.Name, ClusterUID: env.Cluster.UID, Artefact: a.Artefact,
		Keep: a.Keep, MaxDelete: a.MaxDelete, MinAge: a.MinAge.Duration(), Now: env.Now(), Progress: env.Progress,
	})
	for _, reason := range plan.Ignored.Reasons() {
		env.Log("left alone, not counted: %s", reason)
	}
	for _, e := range plan.Ignored.Examples {
		env.Log("left alone, not counted: %q: %s", e.Key, e.Reason)
	}
	return store, plan, err
}

// place is where a key is, as far as the store says.
func place(store objectstore.Store, key string) string {
	if s, ok := store.(fmt.Stringer); ok {
		return s.String() + " " + key
	}
	return key
}

func list(keys []string) []any {
	out := make([]any, len(keys))
	for i, key := range keys {
		out[i] = key
	}
	return out
}
