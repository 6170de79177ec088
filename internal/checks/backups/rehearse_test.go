package backups_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/backup"
	"plan/internal/checks/backups"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/restore/restoretest"
	"plan/steps/steptest"
)

// TestRehearsal looks at what the API server says to a dry run.
func TestRehearsal(t *testing.T) {
	tests := map[string]struct {
		from func(s *kubetest.Server)
		to   func(s *kubetest.Server)
		want string
		says string
	}{
		"all is taken": {want: "OK=pass OK=pass", says: ""},
		"all is there": {to: func(s *kubetest.Server) {
			s.Add(kube.Resource{Version: "v1", Resource: "namespaces"}, "Namespace", `{"metadata":{"name":"media"}}`)
			s.Add(volumes, "PersistentVolume", `{"metadata":{"name":"films"}}`)
			s.Add(claims, "PersistentVolumeClaim", `{"metadata":{"name":"films","namespace":"media"}}`)
		}, want: "OK=pass OK=pass"},
		"an object is invalid": {to: func(s *kubetest.Server) {
			s.React = func(_, kind string, _ map[string]any) error {
				if kind == "PersistentVolume" {
					return errors.New("spec.hostPath: Required value")
				}
				return nil
			}
		}, want: "REJECTED=fail OK=pass", says: "persistentvolume films: rehearsed: the API server does not take it: create persistentvolumes films"},
		"not permitted": {to: refusing(http.StatusForbidden, `persistentvolumeclaims is forbidden: User "system:serviceaccount:backup:plan" cannot create resource "persistentvolumeclaims" in API group "" in the namespace "media"`),
			want: "NOT_ALLOWED=unknown OK=pass"},
		"no credentials": {to: refusing(http.StatusUnauthorized, "Unauthorized"), want: "NOT_ALLOWED=unknown OK=pass"},
		"a policy says no": {to: refusing(http.StatusForbidden, `admission webhook "policy.example.org" denied the request: storage class fast is not for this namespace`),
			want: "REJECTED=fail OK=pass", says: "is not for this namespace"},
		"a webhook says no": {to: refusing(http.StatusBadRequest, `admission webhook "policy.example.org" denied the request: no owner`),
			want: "REJECTED=fail OK=pass", says: "no owner"},
		"a quota says no": {to: refusing(http.StatusForbidden, `persistentvolumeclaims "films" is forbidden: exceeded quota: claims, requested: persistentvolumeclaims=1, used: persistentvolumeclaims=9, limited: persistentvolumeclaims=9`),
			want: "OK=pass QUOTA=none"},
		"a webhook without dry run": {to: refusing(http.StatusBadRequest, `admission webhook "policy.example.org" does not support dry run`), want: "UNREADABLE=unknown OK=pass"},
		"a conflict":                {to: refusing(http.StatusConflict, "the object has been modified"), want: "UNREADABLE=unknown OK=pass"},
		"out of order": {to: func(s *kubetest.Server) {
			s.Fail(kubetest.Fault{Path: "persistentvolumes", Status: http.StatusServiceUnavailable})
		}, want: "UNREACHABLE=unknown OK=pass"},
		"claim too large": {from: func(s *kubetest.Server) {
			s.Add(volumes, "PersistentVolume", `{"metadata":{"name":"x"},"spec":{"capacity":{"storage":"1Gi"},"claimRef":{"namespace":"media","name":"x"}}}`)
			s.Add(claims, "PersistentVolumeClaim", `{"metadata":{"name":"x","namespace":"media"},"spec":{"volumeName":"x","resources":{"requests":{"storage":"2Gi"}}}}`)
		}, want: "MISMATCHED=fail OK=pass"},
		"CRD not installed": {from: func(s *kubetest.Server) {
			s.Add(snapshots, "VolumeSnapshotClass", `{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshotClass","metadata":{"name":"s"}}`)
		}, want: "REJECTED=fail OK=pass", says: "volumesnapshotclass s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, from := steptest.NewWorld(t), source(t)
			var more []kube.Resource
			if tt.from != nil {
				if tt.from(from); strings.Contains(name, "CRD") {
					more = append(more, snapshots)
				}
			}
			restoretest.Backup(t, from, w.Store, made(backup.PVs, 1), more...)
			if tt.to != nil {
				tt.to(w.Kube)
			}
			before := w.Kube.Objects()
			result, _ := run(t, w, func(c *backups.Check) { c.Artefact, c.Rehearse = backup.PVs, true })
			if names(result) != tt.want || !strings.Contains(w.Said(), tt.says) {
				t.Errorf("%s; want %s\n%s", names(result), tt.want, w.Said())
			}
			if diff := cmp.Diff(before, w.Kube.Objects()); diff != "" {
				t.Errorf("something was stored:\n%s", diff)
			}
		})
	}
}

// refusing answers to whoever creates a claim.
func refusing(status int, message string) func(s *kubetest.Server) {
	return func(s *kubetest.Server) {
		s.Fail(kubetest.Fault{Path: "persistentvolumeclaims", Status: status, Message: message})
	}
}

var snapshots = kube.Resource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotclasses"}

// TestClaimsOfAMissingNamespaceAreRehearsedElsewhere: into a namespace that is not there nothing is admitted.
func TestClaimsOfAMissingNamespaceAreRehearsedElsewhere(t *testing.T) {
	for _, there := range []bool{false, true} {
		w := steptest.NewWorld(t)
		restoretest.Backup(t, source(t), w.Store, made(backup.PVs, 1))
		want := "/api/v1/namespaces/default/persistentvolumeclaims"
		if there {
			w.Kube.Add(kube.Resource{Version: "v1", Resource: "namespaces"}, "Namespace", `{"metadata":{"name":"media"}}`)
			want = "/api/v1/namespaces/media/persistentvolumeclaims"
		}
		run(t, w, func(c *backups.Check) { c.Artefact, c.Rehearse = backup.PVs, true })
		if !slices.ContainsFunc(w.Kube.Requests(), func(r kubetest.Request) bool {
			return r.Method == http.MethodPost && r.Path == want && strings.Contains(r.Query, "dryRun=All")
		}) {
			t.Errorf("there %t: no request to %s", there, want)
		}
	}
}
