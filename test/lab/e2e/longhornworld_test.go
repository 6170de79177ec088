package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

const (
	longhornNamespace = "longhorn-system"
	longhornPath      = "/apis/longhorn.io/v1beta2/namespaces/" + longhornNamespace + "/"
	crdPath           = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
)

// install makes the resources and takes them away, with all objects of them, when the test ends. It tells whether they are of Longhorn 1.8
// or newer, where a BackupVolume says which volume and target it is of.
func (r *rig) install(t *testing.T, crds [][]byte) (modern bool) {
	t.Helper()
	var names []string
	for _, crd := range crds {
		// The server reads YAML; what it answers is JSON.
		made, err := r.kube.RESTClient().Post().AbsPath(crdPath).SetHeader("Content-Type", "application/yaml").SetHeader("Accept", "application/json").Body(crd).DoRaw(t.Context())
		if err != nil {
			t.Fatalf("create a CRD: %v", err)
		}
		var o struct{ Metadata struct{ Name string } }
		decode(t, made, &o)
		names = append(names, o.Metadata.Name)
		modern = modern || o.Metadata.Name == "backupvolumes.longhorn.io" && bytes.Contains(made, []byte(`"volumeName"`))
		t.Cleanup(func() { r.uninstall(t, o.Metadata.Name) })
	}
	t.Cleanup(func() { // runs before those
		for _, resource := range []string{"volumes", "backupvolumes", "backups", "backuptargets", "recurringjobs", "settings"} {
			if err := r.kube.RESTClient().Delete().AbsPath(longhornPath + resource).Do(theEnd()).Error(); err != nil {
				t.Errorf("delete all %s: %v", resource, err)
			}
		}
	})
	for _, name := range names {
		r.until(t, name+" is served", func() bool {
			resource, _, _ := strings.Cut(name, ".")
			_, err := r.kube.RESTClient().Get().AbsPath(longhornPath + resource).DoRaw(t.Context())
			return err == nil
		})
	}
	return modern
}

// uninstall takes one resource away and waits until it is gone, so that another of the name can come.
func (r *rig) uninstall(t *testing.T, crd string) {
	t.Helper()
	if err := r.kube.RESTClient().Delete().AbsPath(crdPath + crd).Do(theEnd()).Error(); err != nil {
		t.Errorf("delete CRD %s: %v", crd, err)
	}
	r.until(t, crd+" is gone", func() bool {
		return apierrors.IsNotFound(r.kube.RESTClient().Get().AbsPath(crdPath + crd).Do(theEnd()).Error())
	})
}

// until waits for what the server does in its own time.
func (r *rig) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("wait until %s: a minute was not enough", what)
}

// make creates an object of Longhorn's, and writes its status as its controllers do: what a creation has of one is dropped.
func (r *rig) make(t *testing.T, resource, name string, o map[string]any) {
	t.Helper()
	kind := map[string]string{"volumes": "Volume", "backupvolumes": "BackupVolume", "backups": "Backup", "backuptargets": "BackupTarget", "recurringjobs": "RecurringJob", "settings": "Setting"}[resource]
	meta, _ := o["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
	}
	meta["name"] = name
	o["apiVersion"], o["kind"], o["metadata"] = "longhorn.io/v1beta2", kind, meta
	body := must(json.Marshal(o))
	if _, err := r.kube.RESTClient().Post().AbsPath(longhornPath+resource).SetHeader("Content-Type", "application/json").Body(body).DoRaw(t.Context()); err != nil {
		t.Fatalf("create %s %s: %v", resource, name, err)
	}
	status, ok := o["status"]
	if !ok {
		return
	}
	patch := must(json.Marshal(map[string]any{"status": status}))
	if _, err := r.kube.RESTClient().Patch(types.MergePatchType).AbsPath(path.Join(longhornPath, resource, name, "status")).Body(patch).DoRaw(t.Context()); err != nil {
		t.Fatalf("write status of %s %s: %v", resource, name, err)
	}
}

// longhornVolumes are the handles of the lab's bound Longhorn volumes by namespace/claim.
func (r *rig) longhornVolumes(t *testing.T) map[string]string {
	var l struct {
		Items []struct {
			Spec struct {
				CSI      *struct{ Driver, VolumeHandle string }
				ClaimRef *struct{ Namespace, Name string }
			}
			Status struct{ Phase string }
		}
	}
	decode(t, r.raw(t, "/api/v1/persistentvolumes"), &l)
	found := map[string]string{}
	for _, pv := range l.Items {
		if pv.Spec.CSI != nil && pv.Spec.CSI.Driver == "driver.longhorn.io" && pv.Status.Phase == "Bound" {
			found[pv.Spec.ClaimRef.Namespace+"/"+pv.Spec.ClaimRef.Name] = pv.Spec.CSI.VolumeHandle
		}
	}
	if len(found) < 15 {
		t.Fatalf("the lab has only %d Longhorn volumes", len(found))
	}
	return found
}

type fields = map[string]any

// fate is what becomes of one volume. Without one a volume has a fresh backup.
type fate struct {
	want   string // finding and verdict
	labels fields
	volume fields // its status
	target string
	stored fields // status of its BackupVolume; nil: there is none
	backup fields // status of a Backup; nil: there is none
}

func before(age time.Duration) string { return time.Now().Add(-age).UTC().Format(time.RFC3339) }

// stored is the status of a BackupVolume that was read just now.
func stored(lastBackupAt string) fields {
	return fields{"lastBackupAt": lastBackupAt, "lastBackupName": "", "lastSyncedAt": before(0), "dataStored": "1073741824", "messages": nil}
}

// fates are those of volumes that are not simply well, by claim.
func fates(modern bool) map[string]fate {
	const day = 24 * time.Hour
	fresh, old := stored(before(3*time.Hour)), stored(before(5*day))
	all := map[string]fate{
		"media/sonarr-config":            {want: "STALE=fail", stored: old},
		"media/radarr-config":            {want: "STALE=fail", stored: old, volume: fields{"state": "detached", "robustness": "unknown"}},
		"media/prowlarr-config":          {want: "NO_BACKUP=fail", stored: stored("")},
		"media/audiobooks-config":        {want: "NO_BACKUP_JOB=fail", labels: fields{"recurring-job-group.longhorn.io/snapshots": "enabled"}},
		"monitoring/grafana":             {want: "LAST_BACKUP_FAILED=fail", stored: fresh, backup: fields{"state": "Error", "error": "failed to upload\nstack"}},
		"monitoring/loki-data-loki-0":    {want: "OK=pass", stored: stored(""), backup: fields{"state": "Completed", "snapshotCreatedAt": before(4 * time.Hour)}},
		"home-automation/mosquitto-data": {want: "STATUS_FROZEN=unknown", stored: fields{"lastBackupAt": before(5 * time.Hour), "lastSyncedAt": before(2 * time.Hour)}},
		"photos/immich-library":          {want: "FUTURE_DATED=fail", stored: stored(before(-day))},
		"photos/immich-model-cache":      {want: "UNREADABLE=unknown", stored: stored("yesterday")},
		"databases/data-postgres-0":      {want: "EXCLUDED=none", stored: old},
		"databases/data-postgres-1":      {want: "STUCK=fail", stored: stored(before(9 * day)), backup: fields{"state": "InProgress", "snapshotCreatedAt": before(5 * day)}},
	}
	if modern { // there is one target only before
		all["git/forgejo-data"] = fate{want: "TARGET_UNAVAILABLE=unknown", stored: fresh, target: "nas"}
	}
	return all
}

// fill makes what Longhorn would have of the volumes. Claim databases/data-postgres-0 says that its volume is not to be verified.
func (r *rig) fill(t *testing.T, volumes map[string]string, modern bool) {
	t.Helper()
	synced := fields{"available": true, "lastSyncedAt": before(time.Minute), "conditions": []any{}}
	r.make(t, "backuptargets", "default", fields{"spec": fields{"backupTargetURL": "s3://backups@eu/", "pollInterval": "5m0s"}, "status": synced})
	r.make(t, "backuptargets", "nas", fields{"spec": fields{"backupTargetURL": "nfs://nas:/backups", "pollInterval": "5m0s"}, "status": fields{"available": false}})
	r.make(t, "recurringjobs", "nightly", fields{"spec": fields{"name": "nightly", "task": "backup", "cron": "0 2 * * *", "groups": []any{"default"}}})
	r.make(t, "recurringjobs", "hourly", fields{"spec": fields{"name": "hourly", "task": "snapshot", "cron": "0 * * * *", "groups": []any{"snapshots"}}})
	r.make(t, "settings", "allow-recurring-job-while-volume-detached", fields{"value": "false"})
	all := fates(modern)
	for claim, handle := range volumes {
		f, ok := all[claim]
		if !ok {
			f = fate{stored: stored(before(3 * time.Hour))}
		}
		r.fulfil(t, handle, f, modern)
	}
	r.annotate(t, "databases/data-postgres-0", `"skip"`)
	t.Cleanup(func() { r.annotate(t, "databases/data-postgres-0", "null") })
}

// fulfil makes one volume with its backups. The older resources have nothing but names and labels to say whose a backup is.
func (r *rig) fulfil(t *testing.T, handle string, f fate, modern bool) {
	t.Helper()
	if f.target == "" {
		f.target = "default"
	}
	if f.volume == nil {
		f.volume = fields{"state": "attached", "robustness": "healthy"}
	}
	r.make(t, "volumes", handle, fields{"metadata": fields{"labels": f.labels}, "spec": fields{"size": "1073741824", "backupTargetName": f.target}, "status": f.volume})
	labels := fields{"backup-volume": handle, "backup-target": f.target}
	name, spec := handle, fields{}
	if modern {
		name, spec = handle+"-1a2b3c4d", fields{"volumeName": handle, "backupTargetName": f.target}
	}
	if f.stored != nil {
		r.make(t, "backupvolumes", name, fields{"metadata": fields{"labels": labels}, "spec": spec, "status": f.stored})
	}
	if f.backup != nil {
		r.make(t, "backups", "backup-"+handle, fields{"metadata": fields{"labels": labels}, "spec": fields{"snapshotName": "s-" + handle}, "status": f.backup})
	}
}

// annotate sets the annotation of a claim that says whether it is verified, or takes it away.
func (r *rig) annotate(t *testing.T, claim, value string) {
	namespace, name, _ := strings.Cut(claim, "/")
	patch := fmt.Sprintf(`{"metadata":{"annotations":{"plan/verify":%s}}}`, value)
	err := r.kube.RESTClient().Patch(types.MergePatchType).AbsPath("/api/v1/namespaces", namespace, "persistentvolumeclaims", name).Body([]byte(patch)).Do(theEnd()).Error()
	if err != nil {
		t.Errorf("annotate claim %s: %v", claim, err)
	}
}
