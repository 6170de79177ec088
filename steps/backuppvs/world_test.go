package backuppvs

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/internal/retention"
	"plan/steps"
	"plan/steps/steptest"
)

// fill puts volumes of all sorts into a cluster, with what belongs to them.
func fill(s *kubetest.Server) {
	s.Add(persistentVolumes, "PersistentVolume",
		`{"metadata":{"name":"pvc-1","managedFields":[{"manager":"x"}]},"spec":{"csi":{"driver":"driver.longhorn.io","fieldOfTomorrow":[1.0,null]},"claimRef":{"namespace":"media","name":"films"}},"status":{"phase":"Bound"}}`,
		`{"metadata":{"name":"unbound"},"spec":{"storageClassName":"longhorn"},"status":{"phase":"Available"}}`,
		`{"metadata":{"name":"bare"}}`)
	s.Add(claims, "PersistentVolumeClaim", `{"metadata":{"name":"films","namespace":"media"},"spec":{"volumeName":"pvc-1"}}`)
	s.Add(storageClasses, "StorageClass", `{"metadata":{"name":"longhorn"},"provisioner":"driver.longhorn.io"}`)
	s.Add(volumeAttachments, "VolumeAttachment", `{"metadata":{"name":"csi-1"},"spec":{"nodeName":"a"}}`)
	s.Add(namespaces, "Namespace",
		`{"metadata":{"name":"media","uid":"u","resourceVersion":"7","labels":{"team":"tv"},"annotations":{"note":"a \"b\""}},"spec":{"finalizers":["kubernetes"]}}`,
		`{"metadata":{"name":"empty","labels":{"team":"none"}}}`)
	s.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret", `{"metadata":{"name":"s","namespace":"media"},"data":{"k":"c2VjcmV0"}}`)
}

func addLonghorn(s *kubetest.Server) {
	for _, r := range extras["longhorn"] {
		s.Add(r, "Longhorn", fmt.Sprintf(`{"apiVersion":"longhorn.io/v1beta2","kind":"Longhorn","metadata":{"name":"%s-1","namespace":"longhorn-system"}}`, r.Resource))
	}
	s.Add(extras["snapshots"][0], "VolumeSnapshotClass", `{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshotClass","metadata":{"name":"snap"}}`)
}

func world(t *testing.T) *steptest.World {
	w := steptest.NewWorld(t)
	fill(w.Kube)
	return w
}

// earlier stores backups of runs on the days before, made in a world of their own.
func earlier(t *testing.T, w *steptest.World, prefix string, days int) []any {
	t.Helper()
	past := world(t)
	var keys []any
	for d := days; d > 0; d-- {
		result, err := (&Action{Prefix: prefix}).Run(t.Context(), onDay(past, -d))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, result.Outputs["key"])
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
	return keys
}

// onDay is the environment of a run of its own.
func onDay(w *steptest.World, day int) *steps.Env {
	env := *w.Env
	env.Scope.Started = steptest.Started.AddDate(0, 0, day)
	env.Scope.Run = fmt.Sprintf("run-%d", day)
	env.Now = func() time.Time { return env.Scope.Started }
	return &env
}

func action(keep *retention.Keep) *Action {
	a := Kind().New().(*Action)
	a.Keep = keep
	return a
}

// truncating keeps the first 3 bytes of what is put and says that all went well.
type truncating struct {
	objectstore.Store
	world *steptest.World
}

func (s *truncating) Put(_ context.Context, key string, body io.ReadSeeker, _ int64, o objectstore.PutOptions) error {
	part := make([]byte, 3)
	if _, err := io.ReadFull(body, part); err != nil {
		return err
	}
	s.world.Store.Add(key, part, o.Metadata)
	return nil
}
