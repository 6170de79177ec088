// Package listpvs lists PersistentVolumes.
package listpvs

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/tidwall/gjson"
	"k8s.io/apimachinery/pkg/runtime"

	"plan/internal/kube"
	"plan/internal/printable"
	"plan/steps"
)

//go:embed schema.json
var schema []byte

//go:embed README.md
var doc string

// Kind describes the kind.
func Kind() steps.Kind {
	return steps.Kind{
		Name:   "list-pvs",
		Schema: schema,
		Doc:    doc,
		Outputs: []steps.Output{
			{Name: "total", Type: steps.Integer, Doc: "PersistentVolumes in the cluster"},
			{Name: "bound", Type: steps.Integer, Doc: "those of them that are bound"},
			{Name: "pvs", Type: steps.List, Doc: "name, phase, capacity, class, claim, driver and handle of each; what it does not have is empty"},
		},
		New: func() steps.Action { return &Action{} },
	}
}

// Action is the step's with: nothing.
type Action struct{}

// Validate has nothing to find.
func (a *Action) Validate() error { return nil }

// Needs is empty: no store is used.
func (a *Action) Needs(steps.Scope) steps.Needs { return steps.Needs{} }

// Permissions is a list of the PersistentVolumes.
func (a *Action) Permissions(steps.Scope) []steps.Permission {
	return []steps.Permission{{Verb: "list", Resource: "persistentvolumes"}}
}

// Render gives nothing: no object is made.
func (a *Action) Render(steps.Scope) ([]runtime.Object, error) { return nil, nil }

// Plan gives nothing: a list changes nothing.
func (a *Action) Plan(context.Context, *steps.Env) ([]steps.Change, error) { return nil, nil }

// Run lists the volumes, as a table in the log and as an output.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	var volumes []volume
	bound := 0
	for page, err := range env.Kube.List(ctx, kube.Resource{Version: "v1", Resource: "persistentvolumes"}, 0) {
		if err != nil {
			return steps.Result{}, err
		}
		for _, item := range page.Items {
			v := read(item)
			if v.phase == "Bound" {
				bound++
			}
			volumes = append(volumes, v)
		}
		env.Progress("listing persistentvolumes", int64(len(volumes)), int64(len(volumes))+page.Remaining, "objects")
	}
	for _, line := range table(volumes) {
		env.Log("%s", line)
	}
	list := make([]any, len(volumes))
	for i, v := range volumes {
		list[i] = v.output()
	}
	return steps.Result{
		Outputs: map[string]any{"total": int64(len(volumes)), "bound": int64(bound), "pvs": list},
		Reason:  fmt.Sprintf("%d PVs (%d bound)", len(volumes), bound),
	}, nil
}

// volume is what is told of a PersistentVolume. What it does not have is empty.
type volume struct{ name, phase, capacity, class, claim, driver, handle string }

func (v volume) output() map[string]any {
	return map[string]any{
		"name": v.name, "phase": v.phase, "capacity": v.capacity, "class": v.class, "claim": v.claim, "driver": v.driver, "handle": v.handle,
	}
}

// read takes a volume as the server wrote it; every field may be missing.
func read(item []byte) volume {
	get := func(path string) string { return gjson.GetBytes(item, path).String() }
	v := volume{
		name: get("metadata.name"), phase: get("status.phase"), capacity: get("spec.capacity.storage"), class: get("spec.storageClassName"),
		driver: get("spec.csi.driver"), handle: get("spec.csi.volumeHandle"),
	}
	if name := get("spec.claimRef.name"); name != "" {
		v.claim = get("spec.claimRef.namespace") + "/" + name
	}
	switch {
	case v.driver != "":
	case gjson.GetBytes(item, "spec.nfs").Exists():
		v.driver, v.handle = "nfs", get("spec.nfs.server")+":"+get("spec.nfs.path")
	case gjson.GetBytes(item, "spec.hostPath").Exists():
		v.driver, v.handle = "hostPath", get("spec.hostPath.path")
	case gjson.GetBytes(item, "spec.local").Exists():
		v.driver, v.handle = "local", get("spec.local.path")
	}
	return v
}

// table has a heading and a line for each volume; none at all without volumes.
func table(volumes []volume) []string {
	if len(volumes) == 0 {
		return nil
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATUS\tCAPACITY\tCLASS\tCLAIM\tDRIVER")
	for _, v := range volumes {
		row := []string{v.name, v.phase, v.capacity, v.class, v.claim, v.driver}
		for i, cell := range row {
			if row[i] = printable.String(cell); cell == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush() // a strings.Builder takes everything
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}
