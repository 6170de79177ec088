package restorepvs

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/backup"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/restore/restoretest"
	"plan/steps"
	"plan/steps/steptest"
)

const key = "pv-backups/home/pvs-20260302-020000-00000000.json.gz"

var (
	volumes  = kube.Resource{Version: "v1", Resource: "persistentvolumes"}
	claims   = kube.Resource{Version: "v1", Resource: "persistentvolumeclaims"}
	classes  = kube.Resource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}
	spaces   = kube.Resource{Version: "v1", Resource: "namespaces"}
	longhorn = kube.Resource{Group: "longhorn.io", Version: "v1beta2", Resource: "volumes"}
)

const films = `{"metadata":{"name":"films","uid":"u1"},"spec":{"capacity":{"storage":"2Gi"},"storageClassName":"fast","persistentVolumeReclaimPolicy":"Delete","csi":{"driver":"driver.longhorn.io","volumeHandle":"h-0"},"claimRef":{"namespace":"media","name":"films"}}}`

// source is the cluster that was backed up.
func source(t *testing.T) *kubetest.Server {
	s := kubetest.New(t)
	s.BindVolumes()
	s.Add(spaces, "Namespace", `{"metadata":{"name":"media","labels":{"team":"tv"}}}`)
	s.Add(classes, "StorageClass", `{"metadata":{"name":"fast"},"provisioner":"driver.longhorn.io"}`)
	s.Add(volumes, "PersistentVolume", films,
		`{"metadata":{"name":"free","uid":"u3"},"spec":{"capacity":{"storage":"1Gi"},"persistentVolumeReclaimPolicy":"Delete","hostPath":{"path":"/srv"},"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/hostname","operator":"In","values":["gone"]}]}]}}}}`)
	s.Add(claims, "PersistentVolumeClaim",
		`{"metadata":{"name":"films","namespace":"media","uid":"u2"},"spec":{"volumeName":"films","storageClassName":"fast","resources":{"requests":{"storage":"2Gi"}}}}`)
	s.Add(longhorn, "Volume", `{"apiVersion":"longhorn.io/v1beta2","kind":"Volume","metadata":{"name":"h-0","namespace":"longhorn-system"}}`)
	return s
}

// world is an empty cluster beside a backup of another one.
func world(t *testing.T) *steptest.World {
	w := steptest.NewWorld(t)
	w.Kube.BindVolumes()
	w.Kube.Add(kube.Resource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotclasses"}, "VolumeSnapshotClass")
	if got := restoretest.Backup(t, source(t), w.Store, restoretest.Made{Cluster: "home", UID: "another"}, longhorn); got != key {
		t.Fatal(got)
	}
	return w
}

func quick(a *Action) *Action {
	a.pause = func(ctx context.Context, try int) error {
		if try > 100 {
			return errors.New("waited long enough")
		}
		return ctx.Err()
	}
	return a
}

func TestConforms(t *testing.T) {
	steptest.Conforms(t, Kind(), steptest.Fixture{
		With: map[string]any{
			"key": key, "only": []any{"sc/*", "pv/*", "pvc/media/film?"}, "handles": map[string]any{"h-0": "h-1"}, "overwrite": true,
		},
		World:   world,
		Prepare: func(_ *testing.T, _ *steptest.World, a steps.Action) { quick(a.(*Action)) },
	})
}

// TestConformsWithoutOverwrite: the permissions are fewer then.
func TestConformsWithoutOverwrite(t *testing.T) {
	steptest.Conforms(t, Kind(), steptest.Fixture{
		With:    map[string]any{"key": key},
		World:   world,
		Prepare: func(_ *testing.T, _ *steptest.World, a steps.Action) { quick(a.(*Action)) },
	})
}

func TestPlanShowsWhatRunDoes(t *testing.T) {
	w := world(t)
	a := quick(&Action{Key: key})
	changes, err := a.Plan(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, string(c.Op)+" "+c.Target+" ("+c.Detail+")")
		if c.Before != nil || c.After == nil {
			t.Errorf("%s: before %s, after %s", c.Target, c.Before, c.After)
		}
	}
	want := []string{
		"create namespace media ()", "create storageclass fast ()",
		"create persistentvolume films (csi driver.longhorn.io h-0, for claim media/films, reclaim policy Retain until it is bound, then Delete)",
		"create persistentvolume free ()", "create persistentvolumeclaim media/films ()",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	result, err := a.Run(t.Context(), w.Env)
	if err != nil || result.Reason != "5 created, 0 unchanged, 0 different" {
		t.Errorf("%+v, %v", result, err)
	}
	said := w.Said()
	for _, want := range []string{
		"the backup " + key + " is of cluster home (UID another), made 2026-03-02T02:00:00Z",
		"not restored: 1 objects of Longhorn", "spec.fromBackup",
		"persistentvolume free lies on host gone, and no node here has that name",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it did not say %q:\n%s", want, said)
		}
	}
}

func TestDifferentVolumeIsLeftAndItsClaimIsNotMade(t *testing.T) {
	w := world(t)
	there := strings.Replace(films, `"h-0"`, `"other"`, 1)
	w.Kube.Add(volumes, "PersistentVolume", strings.Replace(there, `"uid":"u1"`, `"uid":"u9"`, 1))
	before := w.Kube.Objects()["/api/v1/persistentvolumes/films"]
	result, err := quick(&Action{Key: key}).Run(t.Context(), w.Env)
	if err == nil || !strings.Contains(err.Error(), "persistentvolume films is there and different, and was left as it is: spec.csi.volumeHandle") ||
		!strings.Contains(err.Error(), "persistentvolumeclaim media/films was not made") {
		t.Errorf("error %v", err)
	}
	want := map[string]any{"created": int64(3), "unchanged": int64(0), "different": int64(2)}
	if diff := cmp.Diff(want, result.Outputs); diff != "" {
		t.Error(diff)
	}
	after := w.Kube.Objects()
	if _, made := after["/api/v1/namespaces/media/persistentvolumeclaims/films"]; made {
		t.Error("the claim would be bound to a volume that is not its own")
	}
	if !strings.Contains(after["/api/v1/persistentvolumes/films"], `"other"`) || !strings.Contains(before, `"other"`) {
		t.Error("the volume was overwritten")
	}
}

func TestValidateRefuses(t *testing.T) {
	for name, a := range map[string]*Action{
		"no key of ours":     {Key: "x"},
		"nodes":              {Key: "p/k3s/nodes-20260302-020000-00000000.json.gz"},
		"pattern of a kind":  {Only: []string{"pods/x"}},
		"pattern not closed": {Only: []string{"a["}},
		"pattern too long":   {Only: []string{"pvc/a/b/c"}},
		"empty part":         {Only: []string{"pvc//b"}},
		"empty handle":       {Handles: map[string]string{"a": ""}},
	} {
		if err := a.Validate(); err == nil || !strings.Contains(err.Error(), "with.") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (&Action{}).Validate(); err != nil {
		t.Errorf("a key that is not known yet: %v", err)
	}
}

func TestDamagedBackupChangesNothing(t *testing.T) {
	w := world(t)
	info, body := restoretest.Fetch(t, w.Store, key)
	body[len(body)-9] ^= 4 // in the checksum at the end: everything before decodes
	w.Store.Add(key, body, info.Metadata)
	before := w.Kube.Objects()
	if _, err := quick(&Action{Key: key}).Run(t.Context(), w.Env); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(before, w.Kube.Objects()); diff != "" {
		t.Error(diff)
	}
}
