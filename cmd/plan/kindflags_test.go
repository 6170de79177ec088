package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"plan/engine"
	"plan/steps"
	"plan/steps/all"
)

// Every field of every kind is a flag of `plan run`, and no two are the same one.
func TestEveryFieldIsAFlag(t *testing.T) {
	common := []string{"store", "cluster-name", "show-plan", "kubeconfig", "context", "namespace", "output", "events", "run-id", "max-parallel",
		"timeout", "strict", "state-dir", "help"}
	for _, kind := range all.Kinds() {
		seen := slices.Clone(common)
		covered := map[string]bool{"store": true}
		for _, f := range kindFields(kind) {
			if slices.Contains(seen, f.flag) {
				t.Errorf("%s: the flag --%s is there twice", kind.Name, f.flag)
			}
			if f.help == "" {
				t.Errorf("%s: --%s has no help", kind.Name, f.flag)
			}
			seen = append(seen, f.flag)
			covered[f.path[0]] = true
		}
		gjson.GetBytes(kind.Schema, "properties").ForEach(func(name, _ gjson.Result) bool {
			if !covered[name.String()] {
				t.Errorf("%s: the field %s has no flag", kind.Name, name)
			}
			return true
		})
	}
}

func TestKebab(t *testing.T) {
	for in, want := range map[string]string{"maxDelete": "max-delete", "url": "url", "keep-last": "keep-last"} {
		if got := kebab(in); got != want {
			t.Errorf("kebab(%q) = %q, want %q", in, got, want)
		}
	}
}

// A variable of the older tool that holds the same as the file is no conflict and no override.
func TestOlderVariables(t *testing.T) {
	backup := map[string]any{"id": "a", "uses": "backup-pvs", "with": map[string]any{"keep": map[string]any{"last": int64(3)}}}
	file := map[string]any{"spec": map[string]any{"steps": []any{backup, map[string]any{"id": "b", "uses": "backup-nodes"},
		map[string]any{"id": "c", "uses": "prune", "with": map[string]any{"artefact": "nodes", "keep": map[string]any{"last": int64(1)}}}}}}
	env := map[string]string{"RETENTION_PV_BACKUPS": "30", "RETENTION_NODE_BACKUPS": "20", "S3_PV_BACKUP_PREFIX": "p/", "S3_NODES_BACKUP_PREFIX": "n/", "CLUSTER_NAME": "home"}
	list, err := (&request{flags: []engine.Override{{Path: []string{"spec", "cluster", "name"}, Value: "flag", Origin: "--x"}}}).overrides(file, func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range list {
		got = append(got, strings.Join(o.Path, ".")+" "+o.Origin)
	}
	want := []string{
		"spec.steps.0.with.prefix S3_PV_BACKUP_PREFIX", "spec.steps.0.with.keep.last RETENTION_PV_BACKUPS",
		"spec.steps.1.with.prefix S3_NODES_BACKUP_PREFIX",
		"spec.steps.2.with.prefix S3_NODES_BACKUP_PREFIX", "spec.steps.2.with.keep.last RETENTION_NODE_BACKUPS",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// The folder of this cluster's backups is what is listed before the first step, as the step itself will do: a key may be allowed no more.
func TestTheClustersFolderIsListedBeforeTheFirstStep(t *testing.T) {
	want := map[string]string{"backup-pvs": "pv-backups/home/", "backup-nodes": "nodes-backups/home/", "prune": "pv-backups/home/"}
	for name, prefix := range want {
		kind, ok := kindNamed(name)
		if !ok {
			t.Fatalf("there is no kind %s", name)
		}
		if got := kind.New().Needs(steps.Scope{Cluster: "home"}).Places; len(got) != 1 || got[0].Prefix != prefix {
			t.Errorf("%s lists %v, want %q", name, got, prefix)
		}
	}
}
