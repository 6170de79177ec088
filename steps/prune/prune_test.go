package prune_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/backup"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/internal/retention/retentiontest"
	"plan/internal/spool"
	"plan/steps"
	"plan/steps/prune"
	"plan/steps/steptest"
)

// store puts a sound backup of the world's cluster into its store, made so many nights before the run.
func store(t *testing.T, w *steptest.World, artefact backup.Artefact, prefix string, nights int) string {
	t.Helper()
	at := steptest.Started.AddDate(0, 0, -nights)
	index := backup.Index{
		Artefact: artefact, Cluster: backup.Cluster{Name: "k3s", UID: kubetest.UID}, KubernetesVersion: kubetest.Version,
		Run: fmt.Sprintf("run-%d", nights), CreatedAt: at,
	}
	buffer := spool.New(t.TempDir())
	defer buffer.Close()
	writer, err := backup.NewWriter(buffer, index)
	if err != nil {
		t.Fatal(err)
	}
	resource := kube.Resource{Version: "v1", Resource: "persistentvolumes"}
	if artefact == backup.Nodes {
		resource.Resource = "nodes"
	}
	if err := writer.List(t.Context(), w.Env.Kube, resource, nil, func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	if index, err = writer.Close(); err != nil {
		t.Fatal(err)
	}
	keys := func(int) (backup.Key, error) {
		return backup.NewKey(prefix, "k3s", artefact, at, fmt.Sprintf("%08x", nights))
	}
	stored, err := backup.Upload(t.Context(), w.Store, keys, backup.Content{Spool: buffer, Index: index}, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	return stored.Key.String()
}

// world has five nightly backups of one volume each, and nothing that the step did is recorded yet.
func world(t *testing.T) *steptest.World {
	w := steptest.NewWorld(t)
	w.Kube.Add(kube.Resource{Version: "v1", Resource: "persistentvolumes"}, "PersistentVolume", `{"metadata":{"name":"pv-1"},"status":{"phase":"Bound"}}`)
	w.Kube.Add(kube.Resource{Version: "v1", Resource: "nodes"}, "Node", `{"metadata":{"name":"node-1"}}`)
	for nights := range 5 {
		store(t, w, backup.PVs, "pv-backups/", nights)
	}
	fresh := steptest.NewWorld(t)
	for _, key := range w.Store.Keys() {
		info, body := fetch(t, w.Store, key)
		fresh.Store.Add(key, body, info.Metadata)
	}
	return fresh
}

func fetch(t *testing.T, s *retentiontest.Store, key string) (objectstore.Info, []byte) {
	t.Helper()
	r, info, err := s.Get(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return info, body
}

func TestConforms(t *testing.T) {
	steptest.Conforms(t, prune.Kind(), steptest.Fixture{
		With:  map[string]any{"artefact": "pvs", "keep": map[string]any{"last": 2, "daily": 3}, "maxDelete": 10, "minAge": "1h"},
		World: world,
	})
}

func run(t *testing.T, w *steptest.World, with map[string]any) (steps.Result, error) {
	t.Helper()
	action := prune.Kind().New()
	if err := steps.Decode(with, action); err != nil {
		t.Fatal(err)
	}
	if err := action.Validate(); err != nil {
		t.Fatal(err)
	}
	return action.Run(t.Context(), w.Env)
}

func TestPruneReportsWhatIsGone(t *testing.T) {
	w := world(t)
	keys := w.Store.Keys()
	result, err := run(t, w, map[string]any{"artefact": "pvs", "keep": map[string]any{"last": 3}})
	if err != nil {
		t.Fatal(err)
	}
	want := steps.Result{Outputs: map[string]any{"deleted": []any{keys[0], keys[1]}, "kept": int64(3)}, Reason: "2 deleted, 3 kept"}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(keys[2:], w.Store.Keys()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestPrefixFollowsTheArtefact(t *testing.T) {
	cases := map[string]struct {
		with map[string]any
		want string
	}{
		"pvs":   {map[string]any{"artefact": "pvs"}, "pv-backups/k3s/"},
		"nodes": {map[string]any{"artefact": "nodes"}, "nodes-backups/k3s/"},
		"given": {map[string]any{"artefact": "nodes", "prefix": "a/b"}, "a/b/k3s/"},
		"none":  {map[string]any{"artefact": "pvs", "prefix": ""}, "k3s/"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := steptest.NewWorld(t)
			tc.with["keep"] = map[string]any{"last": 1}
			if _, err := run(t, w, tc.with); err != nil {
				t.Fatal(err)
			}
			if got := w.Store.Calls()[0]; got != (retentiontest.Call{Op: "list", Key: tc.want}) {
				t.Errorf("first call %v, want a list of %s", got, tc.want)
			}
		})
	}
}

func TestPruneWithADamagedNewestDeletesNothing(t *testing.T) {
	w := world(t)
	keys := w.Store.Keys()
	info, body := fetch(t, w.Store, keys[4])
	body[len(body)/2] ^= 1
	w.Store.Add(keys[4], body, info.Metadata)
	_, err := run(t, w, map[string]any{"artefact": "pvs", "keep": map[string]any{"last": 1}})
	if !errors.Is(err, backup.ErrDamaged) || !strings.Contains(err.Error(), "nothing is deleted") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(keys, w.Store.Keys()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// A backup that was cut off is seen by its size: it neither counts nor goes.
func TestPruneDoesNotCountWhatWasCutOff(t *testing.T) {
	w := world(t)
	keys := w.Store.Keys()
	info, body := fetch(t, w.Store, keys[4])
	w.Store.Add(keys[4], body[:3], info.Metadata)
	if _, err := run(t, w, map[string]any{"artefact": "pvs", "keep": map[string]any{"last": 2}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keys[2:], w.Store.Keys()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestFailedPruneFailsTheStep(t *testing.T) {
	w := world(t)
	w.Store.Fault = func(_ context.Context, op, _ string) error {
		if op == "delete" {
			return objectstore.ErrDenied
		}
		return nil
	}
	result, err := run(t, w, map[string]any{"artefact": "pvs", "keep": map[string]any{"last": 1}})
	if !errors.Is(err, objectstore.ErrDenied) || !strings.Contains(err.Error(), "4 of 4 old backups stay: ") {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestPruneTellsWhatItLeavesAlone(t *testing.T) {
	w := world(t)
	w.Store.Add("pv-backups/k3s/README", nil, nil)
	if _, err := run(t, w, map[string]any{"artefact": "pvs", "keep": map[string]any{"last": 9}}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.Said(), "1 × not a backup's name") || !strings.Contains(w.Said(), `"pv-backups/k3s/README"`) {
		t.Errorf("said:\n%s", w.Said())
	}
}
