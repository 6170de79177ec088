// Package backuppvs backs up PersistentVolumes with what is needed to bring them back.
package backuppvs

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"

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
		Name:   "backup-pvs",
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "key", Type: steps.String, Doc: "the backup's key in the store"},
			{Name: "sha256", Type: steps.String, Doc: "SHA-256 of the stored bytes, in hex"},
			{Name: "size", Type: steps.Integer, Doc: "stored bytes"},
			{Name: "objects", Type: steps.Integer, Doc: "objects of all kinds in the backup"},
			{Name: "pvs", Type: steps.Integer, Doc: "PersistentVolumes in it"},
			{Name: "bound", Type: steps.Integer, Doc: "those of them that are bound"},
			{Name: "pruned", Type: steps.List, Doc: "keys of the old backups that were deleted, oldest first"},
		},
		New: func() steps.Action { return &Action{Prefix: "pv-backups/", MaxDelete: 50} },
	}
}

// Action is the step's with.
type Action struct {
	Store     string          `yaml:"store"`
	Prefix    string          `yaml:"prefix"`
	Include   []string        `yaml:"include"`
	Keep      *retention.Keep `yaml:"keep"` // nil: nothing is deleted
	MaxDelete int             `yaml:"maxDelete"`
	MinAge    steps.Dur       `yaml:"minAge"`
}

// Validate wants a usable prefix and known words in include. Whether keep has a rule above 0 may be known only at run time.
func (a *Action) Validate() error {
	var problems []error
	if _, err := backup.CleanPrefix(a.Prefix); err != nil {
		problems = append(problems, fmt.Errorf("with.prefix: %w", err))
	}
	for i, word := range a.Include {
		if _, ok := extras[word]; !ok {
			problems = append(problems, fmt.Errorf("with.include[%d]: %q is neither longhorn nor snapshots", i, word))
		}
	}
	return errors.Join(problems...)
}

// Needs is the folder of this cluster's backups: what the step lists, and where its keys are.
func (a *Action) Needs(scope steps.Scope) steps.Needs {
	return steps.Needs{Places: []steps.Place{{Store: a.Store, Prefix: backup.Folder(a.Prefix, scope.Cluster), Puts: true, Deletes: a.Keep != nil}}}
}

// Permissions is a list of each resource over all namespaces, and the namespace whose UID identifies the cluster.
func (a *Action) Permissions(steps.Scope) []steps.Permission {
	list := []steps.Permission{{Verb: "get", Resource: "namespaces", Name: "kube-system"}}
	for _, r := range a.resources() {
		list = append(list, steps.Permission{Verb: "list", Group: r.Group, Version: r.Version, Resource: r.Resource})
	}
	return list
}

// Render gives nothing: no object is made.
func (a *Action) Render(steps.Scope) ([]runtime.Object, error) { return nil, nil }

// Plan names the key that would be written and the backups that would be deleted.
func (a *Action) Plan(ctx context.Context, env *steps.Env) ([]steps.Change, error) {
	j, err := a.job(env)
	if err != nil {
		return nil, err
	}
	return j.Changes(ctx, "PV")
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
			"key":     report.Key.String(),
			"sha256":  fmt.Sprintf("%x", report.Meta.SHA256),
			"size":    report.Size,
			"objects": report.Index.Objects,
			"pvs":     report.Index.Primary(),
			"bound":   report.Index.Bound(),
			"pruned":  report.List(),
		},
		Reason: fmt.Sprintf("%s (%d bound), %s, %s → %s%s", english.Plural(int(report.Index.Primary()), "PV", ""), report.Index.Bound(),
			english.Plural(int(report.Index.Objects), "object", ""), humanize.IBytes(uint64(report.Size)), report.Key, report.Tail()),
	}, err
}

// job is the computation that Plan and Run share.
func (a *Action) job(env *steps.Env) (job.Job, error) {
	store, err := env.Store(a.Store)
	if err != nil {
		return job.Job{}, err
	}
	return job.Job{
		Artefact: backup.PVs, Prefix: a.Prefix, Keep: a.Keep, Max: a.MaxDelete, MinAge: a.MinAge.Duration(),
		Cluster: backup.Cluster{Name: env.Cluster.Name, UID: env.Cluster.UID},
		Run:     env.Scope.Run, Started: env.Scope.Started, Hash: job.Numbered(env.Scope.Hash),
		Kube: env.Kube, Store: store, Now: env.Now(), Log: env.Log, Progress: env.Progress,
		Primary: persistentVolumes, Collect: a.collect,
	}, nil
}

// collect lists everything, namespaces last: which of them have claims is known only then.
func (a *Action) collect(ctx context.Context, list job.List) error {
	claimed := map[string]bool{}
	for _, r := range a.resources() {
		var reduce backup.Reduce
		switch r {
		case claims:
			reduce = noting(claimed)
		case namespaces:
			reduce = only(claimed)
		}
		if err := list(ctx, r, reduce); err != nil {
			return explain(r, err)
		}
	}
	return nil
}

// explain says what it means that an included resource is not there.
func explain(r kube.Resource, err error) error {
	if !errors.Is(err, kube.ErrNotServed) {
		return err
	}
	switch r.Group {
	case longhornGroup:
		return fmt.Errorf("include has longhorn, but Longhorn is not installed in this cluster (or is older than 1.3): %w", err)
	case snapshotGroup:
		return fmt.Errorf("include has snapshots, but the CRDs of %s are not installed in this cluster: %w", snapshotGroup, err)
	}
	return err
}

// resources is what is listed, in the order in which it is stored.
func (a *Action) resources() []kube.Resource {
	list := []kube.Resource{storageClasses}
	for _, word := range []string{"snapshots", "longhorn"} {
		if slices.Contains(a.Include, word) {
			list = append(list, extras[word]...)
		}
	}
	return append(list, persistentVolumes, claims, volumeAttachments, namespaces)
}

const (
	longhornGroup = "longhorn.io"
	snapshotGroup = "snapshot.storage.k8s.io"
)

var (
	persistentVolumes = kube.Resource{Version: "v1", Resource: "persistentvolumes"}
	claims            = kube.Resource{Version: "v1", Resource: "persistentvolumeclaims"}
	namespaces        = kube.Resource{Version: "v1", Resource: "namespaces"}
	storageClasses    = kube.Resource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}
	volumeAttachments = kube.Resource{Group: "storage.k8s.io", Version: "v1", Resource: "volumeattachments"}

	// extras is what include adds.
	extras = map[string][]kube.Resource{
		"longhorn":  longhorn("settings", "backuptargets", "recurringjobs", "volumes"),
		"snapshots": {{Group: snapshotGroup, Version: "v1", Resource: "volumesnapshotclasses"}},
	}
)

func longhorn(names ...string) []kube.Resource {
	list := make([]kube.Resource, len(names))
	for i, name := range names {
		list[i] = kube.Resource{Group: longhornGroup, Version: "v1beta2", Resource: name}
	}
	return list
}
