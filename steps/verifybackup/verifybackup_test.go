package verifybackup_test

import (
	"testing"

	"plan/internal/backup"
	"plan/internal/checks/checktest"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/restore/restoretest"
	"plan/steps"
	"plan/steps/steptest"
	"plan/steps/verifybackup"
)

// world has a backup of one volume, and one of one node.
func world(t *testing.T) *steptest.World {
	from := kubetest.New(t)
	from.Add(kube.Resource{Version: "v1", Resource: "persistentvolumes"}, "PersistentVolume", `{"metadata":{"name":"a"},"spec":{"capacity":{"storage":"1Gi"}}}`)
	from.Add(kube.Resource{Version: "v1", Resource: "nodes"}, "Node", `{"metadata":{"name":"n","labels":{"a":"b"}},"spec":{"taints":[{"key":"k","effect":"NoSchedule"}]}}`)
	w := steptest.NewWorld(t)
	restoretest.Backup(t, from, w.Store, restoretest.Made{At: steptest.Started.AddDate(0, 0, -1), Prefix: "b/"})
	restoretest.Backup(t, from, w.Store, restoretest.Made{At: steptest.Started.AddDate(0, 0, -1), Prefix: "b/", Artefact: backup.Nodes})
	return w
}

func TestConforms(t *testing.T) {
	for artefact := range map[string]bool{"pvs": true, "nodes": true} {
		t.Run(artefact, func(t *testing.T) {
			steptest.Conforms(t, verifybackup.Kind(), steptest.Fixture{
				With:  map[string]any{"artefact": artefact, "prefix": "b", "maxAge": "2d", "rehearse": true},
				World: world,
			})
		})
	}
}

func TestPassHasKeyAndObjects(t *testing.T) {
	w := world(t)
	before := w.Kube.Objects()
	a := verifybackup.Kind().New()
	if err := steps.Decode(map[string]any{"artefact": "nodes", "prefix": "b", "rehearse": true}, a); err != nil {
		t.Fatal(err)
	}
	result, err := a.Run(t.Context(), w.Env)
	if err != nil || result.Verdict != steps.Pass || result.Outputs["key"] != "b/k3s/nodes-20260301-020000-00000000.json.gz" || result.Outputs["objects"] != int64(1) {
		t.Errorf("%+v, %v", result, err)
	}
	checktest.Complete(t, result.Outputs["findings"])
	if len(before) != len(w.Kube.Objects()) {
		t.Error("a rehearsal has stored something")
	}
}
