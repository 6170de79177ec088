package verifyobject_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/kube"
	"plan/steps"
	"plan/steps/steptest"
)

// k8up is a Backup or Check as K8up leaves it when its job has ended.
func k8up(name, reason string, age time.Duration) string {
	return object(name, map[string]any{"creationTimestamp": ago(age + time.Minute), "status": map[string]any{"started": true, "finished": true, "conditions": []any{
		map[string]any{"type": "PreBackupPodReady", "status": "True", "reason": "NoPreBackupPodsFound", "message": "no container definitions found", "lastTransitionTime": ago(age + time.Minute)},
		map[string]any{"type": "Progressing", "status": "False", "reason": "Finished", "message": "the job is done", "lastTransitionTime": ago(age)},
		map[string]any{"type": "Completed", "status": "True", "reason": reason, "message": "the job ended", "lastTransitionTime": ago(age)},
	}}})
}

// cnpg is a Backup of CloudNativePG.
func cnpg(name, cluster, phase string, age time.Duration) string {
	return object(name, map[string]any{"creationTimestamp": ago(age + time.Minute), "spec": map[string]any{"cluster": map[string]any{"name": cluster}, "method": "plugin"},
		"status": map[string]any{"phase": phase, "startedAt": ago(age + time.Minute), "stoppedAt": ago(age)}})
}

func withCondition(name, condition, status string) string {
	return object(name, map[string]any{"status": map[string]any{"conditions": []any{map[string]any{"type": condition, "status": status, "reason": "R", "message": "m"}}}})
}

func phase(name, phase string, more map[string]any) string {
	status := map[string]any{"phase": phase}
	for key, value := range more {
		status[key] = value
	}
	return object(name, map[string]any{"status": status})
}

var (
	k8upBackups  = kube.Resource{Group: "k8up.io", Version: "v1", Resource: "backups"}
	k8upChecks   = kube.Resource{Group: "k8up.io", Version: "v1", Resource: "checks"}
	cnpgBackups  = kube.Resource{Group: "postgresql.cnpg.io", Version: "v1", Resource: "backups"}
	cnpgClusters = kube.Resource{Group: "postgresql.cnpg.io", Version: "v1", Resource: "clusters"}
	schedules    = kube.Resource{Group: "velero.io", Version: "v1", Resource: "schedules"}
	locations    = kube.Resource{Group: "velero.io", Version: "v1", Resource: "backupstoragelocations"}
)

// TestExamplePlans runs the steps of the plans for other tools on objects as those leave them, in order and not.
func TestExamplePlans(t *testing.T) {
	validated := map[string]any{"lastValidationTime": ago(time.Minute)}
	cases := map[string]struct {
		plan    string
		objects map[kube.Resource][]string
		want    string // verdicts of the steps
	}{
		"velero": {"velero", map[kube.Resource][]string{
			veleroBackups: {velero("daily-1", "daily", "Completed", 2*hour), velero("daily-0", "daily", "Completed", 26*hour), velero("by-hand", "", "Failed", 900*hour)},
			schedules:     {phase("velero/daily", "Enabled", nil)}, locations: {phase("velero/default", "Available", validated)},
		}, "schedules=pass enabled=pass locations=pass"},
		"velero, failing": {"velero", map[kube.Resource][]string{
			veleroBackups: {velero("daily-1", "daily", "PartiallyFailed", 2*hour), velero("daily-0", "daily", "Completed", 50*hour), velero("weekly-1", "weekly", "Completed", hour)},
			schedules:     {phase("velero/daily", "FailedValidation", nil)}, locations: {phase("velero/default", "Unavailable", validated)},
		}, "schedules=fail enabled=fail locations=fail"},
		"velero, not installed": {"velero", nil, "schedules=unknown enabled=unknown locations=unknown"},
		"k8up": {"k8up", map[kube.Resource][]string{
			k8upBackups: {k8up("a/1", "Succeeded", 2*hour), k8up("a/0", "Failed", 3*hour), k8up("b/1", "Succeeded", 20*hour)}, k8upChecks: {k8up("a/1", "Succeeded", 100*hour)},
		}, "backups=pass checks=pass"},
		"k8up, one namespace fails": {"k8up", map[kube.Resource][]string{
			k8upBackups: {k8up("a/1", "Succeeded", 2*hour), k8up("b/1", "Failed", 2*hour), k8up("b/0", "Succeeded", 30*hour)}, k8upChecks: {k8up("a/1", "Failed", hour)},
		}, "backups=fail checks=fail"},
		"volsync":          {"volsync", map[kube.Resource][]string{sources: {source("a/x", "Successful", 2*hour), source("b/x", "Successful", 20*hour)}}, "sources=pass"},
		"volsync, one not": {"volsync", map[kube.Resource][]string{sources: {source("a/x", "Successful", 2*hour), source("b/x", "Failed", 20*hour)}}, "sources=fail"},
		"volsync, none":    {"volsync", map[kube.Resource][]string{sources: nil}, "sources=fail"},
		"cloudnativepg": {"cloudnativepg", map[kube.Resource][]string{
			cnpgBackups:  {cnpg("databases/1", "a", "completed", 2*hour), cnpg("databases/2", "b", "completed", 3*hour), cnpg("databases/3", "b", "running", 0)},
			cnpgClusters: {withCondition("databases/a", "ContinuousArchiving", "True"), withCondition("databases/b", "ContinuousArchiving", "True")},
		}, "backups=pass archive=pass"},
		"cloudnativepg, one not": {"cloudnativepg", map[kube.Resource][]string{
			cnpgBackups:  {cnpg("databases/1", "a", "completed", 2*hour), cnpg("databases/2", "b", "failed", 3*hour)},
			cnpgClusters: {withCondition("databases/a", "ContinuousArchiving", "True"), withCondition("databases/b", "ContinuousArchiving", "False")},
		}, "backups=fail archive=fail"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := steptest.NewWorld(t)
			for resource, objects := range tc.objects {
				w.Kube.Add(resource, "Kind", objects...)
			}
			if diff := cmp.Diff(tc.want, verdicts(t, w, tc.plan)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// verdicts runs the steps of an example plan one after the other.
func verdicts(t *testing.T, w *steptest.World, plan string) string {
	t.Helper()
	file := filepath.Join("..", "..", "examples", "plans", "verify-"+plan+".yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list, err := steps.ExampleSteps(data)
	if err != nil || len(list) == 0 {
		t.Fatalf("%s: %d steps, %v", file, len(list), err)
	}
	var all []string
	for _, s := range list {
		if s.With["maxAge"] == "${{ params.maxAge }}" {
			s.With["maxAge"] = "1d2h" // its default
		}
		result, err := run(t, w, s.With)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s=%s", s.ID, result.Verdict))
	}
	return strings.Join(all, " ")
}
