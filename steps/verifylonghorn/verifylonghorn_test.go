package verifylonghorn_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"plan/internal/checks"
	"plan/internal/checks/longhorn"
	"plan/internal/kube"
	"plan/steps"
	"plan/steps/steptest"
	"plan/steps/verifylonghorn"
)

func add(w *steptest.World, resource, kind string, objects ...string) {
	r := kube.Resource{Version: "v1", Resource: resource}
	if kind != "PersistentVolume" && kind != "PersistentVolumeClaim" {
		r.Group, r.Version = "longhorn.io", "v1beta2"
	}
	w.Kube.Add(r, kind, objects...)
}

// world has one volume with a backup of that time.
func world(t *testing.T, lastBackupAt string) *steptest.World {
	w := steptest.NewWorld(t)
	add(w, "persistentvolumes", "PersistentVolume", `{"metadata":{"name":"pvc-1"},"spec":{"storageClassName":"longhorn","csi":{"driver":"driver.longhorn.io","volumeHandle":"pvc-1"},
		"claimRef":{"namespace":"media","name":"films"}},"status":{"phase":"Bound"}}`)
	add(w, "persistentvolumeclaims", "PersistentVolumeClaim", `{"metadata":{"name":"films","namespace":"media"},"spec":{"volumeName":"pvc-1"}}`)
	add(w, "volumes", "Volume", `{"metadata":{"name":"pvc-1","namespace":"longhorn-system"},"status":{"state":"attached","robustness":"healthy"}}`)
	add(w, "backupvolumes", "BackupVolume", `{"metadata":{"name":"pvc-1","namespace":"longhorn-system"},"status":{"lastBackupAt":"`+lastBackupAt+`","lastSyncedAt":"2026-03-02T01:58:00Z"}}`)
	add(w, "backups", "Backup")
	add(w, "backuptargets", "BackupTarget", `{"metadata":{"name":"default","namespace":"longhorn-system"},"spec":{"backupTargetURL":"s3://b@r/","pollInterval":"5m0s"},
		"status":{"available":true,"lastSyncedAt":"2026-03-02T01:58:00Z"}}`)
	add(w, "recurringjobs", "RecurringJob", `{"metadata":{"name":"nightly","namespace":"longhorn-system"},"spec":{"task":"backup","cron":"0 2 * * *","groups":["default"]}}`)
	add(w, "settings", "Setting")
	return w
}

func TestConforms(t *testing.T) {
	steptest.Conforms(t, verifylonghorn.Kind(), steptest.Fixture{
		With: map[string]any{
			"namespace": "longhorn-system", "maxAge": "1d", "target": "any", "failOn": []any{"STALE", "NO_BACKUP"},
			"include": []any{map[string]any{"namespace": "med*", "storageClass": "longhorn"}}, "exclude": []any{map[string]any{"name": "*-cache"}},
		},
		World: func(t *testing.T) *steptest.World { return world(t, "2026-03-01T23:00:00Z") },
	})
}

// TestFailedVerificationFails: the older tool printed STALE and exited 0 (A12).
func TestFailedVerificationFails(t *testing.T) {
	cases := map[string]struct {
		lastBackupAt string
		want         steps.Verdict
		reason       string
	}{
		"fresh": {"2026-03-01T02:00:00Z", steps.Pass, "media/films: 1d old"},
		"stale": {"2026-02-20T02:00:00Z", steps.Fail, "STALE: media/films: 10d old, over the limit of 2d: job nightly (0 2 * * *) should have made one and has not; the volume is attached"},
		"none":  {"", steps.Fail, "NO_BACKUP: media/films: it has no backup: job nightly (0 2 * * *) should have made one and has not; the volume is attached"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			result, err := verifylonghorn.Kind().New().Run(t.Context(), world(t, tc.lastBackupAt).Env)
			if err != nil || result.Verdict != tc.want || result.Reason != tc.reason {
				t.Errorf("%s %q, %v", result.Verdict, result.Reason, err)
			}
		})
	}
}

// TestNotInstalledIsUnknown: alone the check was asked for, so that its not applying is no pass.
func TestNotInstalledIsUnknown(t *testing.T) {
	result, err := verifylonghorn.Kind().New().Run(t.Context(), steptest.NewWorld(t).Env)
	if err != nil || result.Verdict != steps.Unknown || !strings.Contains(result.Reason, "Longhorn is not installed") {
		t.Errorf("%s %q, %v", result.Verdict, result.Reason, err)
	}
}

// TestSchemaAndREADMEKnowEveryFinding keeps the words that failOn takes, the table and the code together.
func TestSchemaAndREADMEKnowEveryFinding(t *testing.T) {
	kind := verifylonghorn.Kind()
	var schema struct {
		Properties struct {
			FailOn struct {
				Items struct{ Enum []checks.Name }
			}
		}
	}
	if err := json.Unmarshal(kind.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(longhorn.Findings(), func(n checks.Name) bool { return n == checks.OK })
	got := schema.Properties.FailOn.Items.Enum
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the schema has %v, the check %v", got, want)
	}
	for _, name := range longhorn.Findings() {
		if !strings.Contains(kind.Doc, "| "+string(name)) && !strings.Contains(kind.Doc, ", "+string(name)) {
			t.Errorf("README.md does not tell of %s", name)
		}
	}
}
