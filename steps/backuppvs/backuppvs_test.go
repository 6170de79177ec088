package backuppvs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/backup"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/internal/retention"
	"plan/steps"
	"plan/steps/steptest"
)

func TestConforms(t *testing.T) {
	steptest.Conforms(t, Kind(), steptest.Fixture{
		With: map[string]any{"prefix": "backups", "include": []any{"longhorn", "snapshots"}, "keep": map[string]any{"last": int64(1)}, "minAge": "1h"},
		World: func(t *testing.T) *steptest.World {
			w := world(t)
			addLonghorn(w.Kube)
			earlier(t, w, "backups", 3)
			return w
		},
	})
}

// objects are the objects of a stored backup, as JSON.
func objects(t *testing.T, w *steptest.World, key any) []string {
	t.Helper()
	var list []string
	for o, err := range backup.Objects(t.Context(), w.Store, key.(string)) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(o.Raw))
	}
	return list
}

func TestBackupHoldsWhatTheServerSaysAndNoSecrets(t *testing.T) {
	w := world(t)
	addLonghorn(w.Kube)
	a := action(nil)
	a.Include = []string{"longhorn", "snapshots"}
	result, err := a.Run(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"longhorn"},"provisioner":"driver.longhorn.io"}`,
		`{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshotClass","metadata":{"name":"snap"}}`,
		`{"apiVersion":"longhorn.io/v1beta2","kind":"Longhorn","metadata":{"name":"settings-1","namespace":"longhorn-system"}}`,
		`{"apiVersion":"longhorn.io/v1beta2","kind":"Longhorn","metadata":{"name":"backuptargets-1","namespace":"longhorn-system"}}`,
		`{"apiVersion":"longhorn.io/v1beta2","kind":"Longhorn","metadata":{"name":"recurringjobs-1","namespace":"longhorn-system"}}`,
		`{"apiVersion":"longhorn.io/v1beta2","kind":"Longhorn","metadata":{"name":"volumes-1","namespace":"longhorn-system"}}`,
		`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pvc-1"},"spec":{"csi":{"driver":"driver.longhorn.io","fieldOfTomorrow":[1.0,null]},"claimRef":{"namespace":"media","name":"films"}},"status":{"phase":"Bound"}}`,
		`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"unbound"},"spec":{"storageClassName":"longhorn"},"status":{"phase":"Available"}}`,
		`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"bare"}}`,
		`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"films","namespace":"media"},"spec":{"volumeName":"pvc-1"}}`,
		`{"apiVersion":"storage.k8s.io/v1","kind":"VolumeAttachment","metadata":{"name":"csi-1"},"spec":{"nodeName":"a"}}`,
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"media","labels":{"team":"tv"},"annotations":{"note":"a \"b\""}}}`,
	}
	if diff := cmp.Diff(want, objects(t, w, result.Outputs["key"])); diff != "" {
		t.Error(diff)
	}
	for _, r := range w.Kube.Requests() {
		if strings.Contains(r.Path, "secrets") {
			t.Errorf("secrets are read: %s", r.Path)
		}
	}
}

func TestUnboundVolumesAndThoseWithoutClassOrStatusAreBackedUp(t *testing.T) {
	w := world(t)
	result, err := action(nil).Run(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	o := result.Outputs
	if o["pvs"] != int64(3) || o["bound"] != int64(1) || o["objects"] != int64(7) {
		t.Errorf("%v", o)
	}
	if want := fmt.Sprintf("3 PVs (1 bound), 7 objects, %d B → %s", o["size"], o["key"]); result.Reason != want {
		t.Errorf("reason %q, want %q", result.Reason, want)
	}
}

func TestEmptyClusterIsBackedUp(t *testing.T) {
	w := steptest.NewWorld(t)
	result, err := action(nil).Run(t.Context(), w.Env)
	if err != nil || result.Outputs["objects"] != int64(0) {
		t.Fatalf("%+v, %v", result, err)
	}
	if got := objects(t, w, result.Outputs["key"]); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestTwoRunsInOneSecondDoNotOverwriteEachOther(t *testing.T) {
	w := world(t)
	first, err := action(nil).Run(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	env := *w.Env
	env.Scope.Run = "run-2"
	second, err := action(nil).Run(t.Context(), &env)
	if err != nil {
		t.Fatal(err)
	}
	if first.Outputs["key"] == second.Outputs["key"] || len(w.Store.Keys()) != 2 {
		t.Errorf("%v and %v; stored are %v", first.Outputs["key"], second.Outputs["key"], w.Store.Keys())
	}
}

func TestRunNeverPrunesItsOwnBackup(t *testing.T) {
	w := world(t)
	for run := range 20 { // all in one second, so that only the hash tells the keys apart
		env := *w.Env
		env.Scope.Run = fmt.Sprintf("run-%d", run)
		result, err := action(&retention.Keep{Last: 1}).Run(t.Context(), &env)
		if err != nil {
			t.Fatal(err)
		}
		if keys := w.Store.Keys(); len(keys) != 1 || keys[0] != result.Outputs["key"] {
			t.Fatalf("run %d stored %v; left are %v", run, result.Outputs["key"], keys)
		}
	}
}

func TestFailedPruneFailsTheStepAndSaysThatTheBackupIsStored(t *testing.T) {
	w := world(t)
	earlier(t, w, "pv-backups", 3)
	w.Store.Fault = func(_ context.Context, op, _ string) error {
		if op == "delete" {
			return objectstore.ErrDenied
		}
		return nil
	}
	result, err := action(&retention.Keep{Last: 1}).Run(t.Context(), w.Env)
	if !errors.Is(err, objectstore.ErrDenied) {
		t.Fatalf("error %v, want ErrDenied", err)
	}
	key, _ := result.Outputs["key"].(string)
	if said := result.Reason + "; " + err.Error(); key == "" || !strings.Contains(said, "the backup is stored and verified, but ") || strings.Count(said, key) != 1 {
		t.Errorf("%s: it should name the stored %q once", said, key)
	}
	if len(w.Store.Keys()) != 4 {
		t.Errorf("stored are %v", w.Store.Keys())
	}
}

func TestTooManyVictimsFailTheStepAfterTheBackup(t *testing.T) {
	w := world(t)
	earlier(t, w, "pv-backups", 5)
	a := action(&retention.Keep{Last: 1})
	a.MaxDelete = 4
	_, err := a.Run(t.Context(), w.Env)
	if _, ok := errors.AsType[*retention.TooManyError](err); !ok || len(w.Store.Keys()) != 6 {
		t.Errorf("%v; stored are %v", err, w.Store.Keys())
	}
}

func TestPruneCountsTheNewBackupAndOnlyWithKeep(t *testing.T) {
	w := world(t)
	old := earlier(t, w, "pv-backups", 4)
	if result, err := action(nil).Run(t.Context(), onDay(w, 0)); err != nil || len(result.Outputs["pruned"].([]any)) != 0 || len(w.Store.Keys()) != 5 {
		t.Fatalf("without keep: %+v, %v", result, err)
	}
	result, err := action(&retention.Keep{Last: 2}).Run(t.Context(), onDay(w, 1))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(old, result.Outputs["pruned"]); diff != "" {
		t.Error(diff)
	}
	if !strings.HasSuffix(result.Reason, ", 4 old backups deleted") {
		t.Errorf("reason %q", result.Reason)
	}
}

func TestBackupOfNoVolumesPrunesNothingWhereThePreviousHadSome(t *testing.T) {
	w := world(t)
	earlier(t, w, "pv-backups", 3)
	w.Kube = kubetest.New(t)
	env := onDay(w, 0)
	env.Kube = w.Kube.Client(t)
	keep := &retention.Keep{Last: 1}
	changes, err := action(keep).Plan(t.Context(), env)
	if err != nil || len(changes) != 1 {
		t.Errorf("Plan: %+v, %v", changes, err)
	}
	result, err := action(keep).Run(t.Context(), env)
	if err != nil || len(w.Store.Keys()) != 4 || len(result.Outputs["pruned"].([]any)) != 0 {
		t.Errorf("%+v, %v; stored are %v", result, err, w.Store.Keys())
	}
	if !strings.Contains(result.Reason, "nothing is deleted") {
		t.Errorf("reason %q does not say why", result.Reason)
	}
}

func TestIncludeOfWhatIsNotInstalledFails(t *testing.T) {
	for word, says := range map[string]string{"longhorn": "Longhorn is not installed", "snapshots": "are not installed"} {
		w := world(t)
		a := action(nil)
		a.Include = []string{word}
		_, err := a.Run(t.Context(), w.Env)
		if err == nil || !strings.Contains(err.Error(), says) || len(w.Store.Keys()) != 0 {
			t.Errorf("%s: error %v; stored are %v", word, err, w.Store.Keys())
		}
	}
}

func TestForbiddenListStoresNothing(t *testing.T) {
	w := world(t)
	w.Kube.Fail(kubetest.Fault{Path: "volumeattachments", Status: 403})
	_, err := action(nil).Run(t.Context(), w.Env)
	if err == nil || !strings.Contains(err.Error(), "volumeattachments") || len(w.Store.Keys()) != 0 {
		t.Errorf("error %v; stored are %v", err, w.Store.Keys())
	}
}

func TestTruncatedUploadIsFoundAndTheNextAttemptTakesAnotherKey(t *testing.T) {
	w := world(t)
	store, _ := w.Env.Store("")
	w.Env.Store = func(string) (objectstore.Store, error) { return &truncating{Store: store, world: w}, nil }
	_, err := action(nil).Run(t.Context(), w.Env)
	if !errors.Is(err, backup.ErrDamaged) {
		t.Fatalf("error %v, want ErrDamaged", err)
	}
	w.Env.Store = func(string) (objectstore.Store, error) { return store, nil }
	again, err := action(nil).Run(t.Context(), w.Env)
	if err != nil || len(w.Store.Keys()) != 2 {
		t.Fatalf("%+v, %v; stored are %v", again, err, w.Store.Keys())
	}
	third, err := action(nil).Run(t.Context(), w.Env)
	if err != nil || third.Outputs["key"] != again.Outputs["key"] || !strings.Contains(third.Reason, "stored by an earlier attempt") {
		t.Errorf("%+v, %v", third, err)
	}
}

func TestIncompleteSettingsAreFoundBeforeAnythingIsDone(t *testing.T) {
	tests := map[string]struct {
		change func(*steps.Env, *Action)
		says   string
	}{
		"no name":      {func(e *steps.Env, _ *Action) { e.Cluster.Name = "" }, "spec.cluster.name"},
		"no UID":       {func(e *steps.Env, _ *Action) { e.Cluster.UID = "" }, "UID"},
		"keep is zero": {func(_ *steps.Env, a *Action) { a.Keep = &retention.Keep{} }, "keep"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, a := world(t), action(nil)
			tt.change(w.Env, a)
			_, err := a.Run(t.Context(), w.Env)
			if err == nil || !strings.Contains(err.Error(), tt.says) || len(w.Store.Calls())+len(w.Kube.Requests()) != 0 {
				t.Errorf("error %v after %d requests", err, len(w.Kube.Requests()))
			}
		})
	}
}

func TestValidate(t *testing.T) {
	a := &Action{Prefix: "../x", Include: []string{"secrets"}}
	err := a.Validate()
	if err == nil || !strings.Contains(err.Error(), "with.prefix") || !strings.Contains(err.Error(), "with.include[0]") {
		t.Errorf("error %v", err)
	}
}

func TestReducedNamespaceIsJSON(t *testing.T) {
	got := only(map[string]bool{"a": true})(json.RawMessage(`{"metadata":{"name":"a","annotations":{}}}`))
	if string(got) != `{"metadata":{"name":"a","annotations":{}}}` {
		t.Errorf("%s", got)
	}
}
