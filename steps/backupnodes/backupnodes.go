// Package backupnodes backs up nodes: labels, taints, annotations, addresses, versions and whatever else the server knows of them.
package backupnodes

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"k8s.io/apimachinery/pkg/runtime"

	"plan/internal/backup"
	"plan/internal/backup/job"
	"plan/internal/kube"
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
		Name:   "backup-nodes",
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "key", Type: steps.String, Doc: "the backup's key in the store"},
			{Name: "sha256", Type: steps.String, Doc: "SHA-256 of the stored bytes, in hex"},
			{Name: "size", Type: steps.Integer, Doc: "stored bytes"},
			{Name: "nodes", Type: steps.Integer, Doc: "nodes in the backup"},
			{Name: "pruned", Type: steps.List, Doc: "keys of the old backups that were deleted, oldest first"},
		},
		New: func() steps.Action { return &Action{Prefix: "nodes-backups/", MaxDelete: 50} },
	}
}

// Action is the step's with.
type Action struct {
	Store     string          `yaml:"store"`
	Prefix    string          `yaml:"prefix"`
	Keep      *retention.Keep `yaml:"keep"` // nil: nothing is deleted
	MaxDelete int             `yaml:"maxDelete"`
	MinAge    steps.Dur       `yaml:"minAge"`
}

// Validate wants a usable prefix. Whether keep has a rule above 0 may be known only at run time.
func (a *Action) Validate() error {
	if _, err := backup.CleanPrefix(a.Prefix); err != nil {
		return fmt.Errorf("with.prefix: %w", err)
	}
	return nil
}

// Needs is the folder of this cluster's backups: what the step lists, and where its keys are.
func (a *Action) Needs(scope steps.Scope) steps.Needs {
	return steps.Needs{Places: []steps.Place{{Store: a.Store, Prefix: backup.Folder(a.Prefix, scope.Cluster), Puts: true, Deletes: a.Keep != nil}}}
}

// Permissions is a list of the nodes, and the namespace whose UID identifies the cluster.
func (a *Action) Permissions(steps.Scope) []steps.Permission {
	return []steps.Permission{
		{Verb: "get", Resource: "namespaces", Name: "kube-system"},
		{Verb: "list", Resource: nodes.Resource},
	}
}

// Render gives nothing: no object is made.
func (a *Action) Render(steps.Scope) ([]runtime.Object, error) { return nil, nil }

// Plan names the key that would be written and the backups that would be deleted.
func (a *Action) Plan(ctx context.Context, env *steps.Env) ([]steps.Change, error) {
	j, err := a.job(env)
	if err != nil {
		return nil, err
	}
	return j.Changes(ctx, "node")
}

// Run makes the backup.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	j, err := a.job(env)
	if err != nil {
		return steps.Result{}, err
	}
	report, err := j.Make(ctx)
	if report.Size == 0 {
		return steps.Result{}, err
	}
	return steps.Result{
		Outputs: map[string]any{
			"key":    report.Key.String(),
			"sha256": fmt.Sprintf("%x", report.Meta.SHA256),
			"size":   report.Size,
			"nodes":  report.Index.Primary(),
			"pruned": report.List(),
		},
		Reason: fmt.Sprintf("%s, %s → %s%s", english.Plural(int(report.Index.Primary()), "node", ""), humanize.IBytes(uint64(report.Size)), report.Key, report.Tail()),
	}, err
}

var nodes = kube.Resource{Version: "v1", Resource: "nodes"}

// job is the computation that Plan and Run share.
func (a *Action) job(env *steps.Env) (job.Job, error) {
	store, err := env.Store(a.Store)
	if err != nil {
		return job.Job{}, err
	}
	return job.Job{
		Artefact: backup.Nodes, Prefix: a.Prefix, Keep: a.Keep, Max: a.MaxDelete, MinAge: a.MinAge.Duration(),
		Cluster: backup.Cluster{Name: env.Cluster.Name, UID: env.Cluster.UID},
		Run:     env.Scope.Run, Started: env.Scope.Started, Hash: job.Numbered(env.Scope.Hash),
		Kube: env.Kube, Store: store, Now: env.Now(), Log: env.Log, Progress: env.Progress,
		Primary: nodes,
		Collect: func(ctx context.Context, list job.List) error { return list(ctx, nodes, nil) },
	}, nil
}
