package backupnodes

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/backup"
	"plan/steps"
	"plan/steps/steptest"
)

func world(t *testing.T) *steptest.World {
	w := steptest.NewWorld(t)
	w.Kube.Add(nodes, "Node",
		`{"metadata":{"name":"a","labels":{"zone":"1"},"managedFields":[]},"spec":{"taints":[{"key":"k","effect":"NoSchedule"}]},"status":{"capacity":{"cpu":"4"},"nodeInfo":{"kubeletVersion":"v1.35.4+k3s1"}}}`,
		`{"metadata":{"name":"b"}}`)
	return w
}

// onDay is the environment of a run of its own.
func onDay(w *steptest.World, day int) *steps.Env {
	env := *w.Env
	env.Scope.Started = steptest.Started.AddDate(0, 0, day)
	env.Scope.Run = fmt.Sprintf("run-%d", day)
	env.Now = func() time.Time { return env.Scope.Started }
	return &env
}

func TestConforms(t *testing.T) {
	steptest.Conforms(t, Kind(), steptest.Fixture{
		With: map[string]any{"keep": map[string]any{"last": int64(1)}, "maxDelete": int64(5)},
		World: func(t *testing.T) *steptest.World {
			w := world(t)
			past := world(t)
			for d := range 2 {
				if _, err := Kind().New().Run(t.Context(), onDay(past, -1-d)); err != nil {
					t.Fatal(err)
				}
			}
			for _, key := range past.Store.Keys() {
				body, info, err := past.Store.Get(t.Context(), key, 0, -1)
				if err != nil {
					t.Fatal(err)
				}
				data, err := io.ReadAll(body)
				if err != nil {
					t.Fatal(err)
				}
				w.Store.Add(key, data, info.Metadata)
			}
			return w
		},
	})
}

func TestNodesWithoutCapacityAreBackedUp(t *testing.T) {
	w := world(t)
	result, err := Kind().New().Run(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for o, err := range backup.Objects(t.Context(), w.Store, result.Outputs["key"].(string)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(o.Raw))
	}
	want := []string{
		`{"apiVersion":"v1","kind":"Node","metadata":{"name":"a","labels":{"zone":"1"}},"spec":{"taints":[{"key":"k","effect":"NoSchedule"}]},"status":{"capacity":{"cpu":"4"},"nodeInfo":{"kubeletVersion":"v1.35.4+k3s1"}}}`,
		`{"apiVersion":"v1","kind":"Node","metadata":{"name":"b"}}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want := fmt.Sprintf("2 nodes, %d B → %s", result.Outputs["size"], result.Outputs["key"]); result.Reason != want {
		t.Errorf("reason %q, want %q", result.Reason, want)
	}
}

func TestClusterWithoutNodesIsBackedUp(t *testing.T) {
	w := steptest.NewWorld(t)
	result, err := Kind().New().Run(t.Context(), w.Env)
	if err != nil || result.Outputs["nodes"] != int64(0) {
		t.Errorf("%+v, %v", result, err)
	}
}
