package kube_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

func TestWhatTheServerHas(t *testing.T) {
	s := kubetest.New(t)
	for _, version := range []string{"v1", "v1alpha1"} {
		s.Add(kube.Resource{Group: "velero.io", Version: version, Resource: "backups"}, "Backup")
	}
	s.Add(kube.Resource{Group: "velero.io", Version: "v1", Resource: "schedules"}, "Schedule")
	c := s.Client(t)
	for name, tc := range map[string]struct {
		group, version string // without a version: which there are
		want           []string
		reason         string
	}{
		"versions":         {"velero.io", "", []string{"v1", "v1alpha1"}, "all that serve something"},
		"no group":         {"longhorn.io", "", nil, "a server answers 404"},
		"core":             {"", "", []string{"v1"}, "it is asked for elsewhere"},
		"resources":        {"velero.io", "v1", []string{"backups", "schedules"}, "of this version"},
		"in another":       {"velero.io", "v1alpha1", []string{"backups"}, "versions differ in what they have"},
		"no version":       {"velero.io", "v2", nil, "a server answers 404"},
		"core's resources": {"", "v1", []string{"configmaps", "namespaces", "nodes", "persistentvolumeclaims", "persistentvolumes", "pods", "secrets"}, "they lie below /api"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.ServedBy(t.Context(), tc.group, tc.version)
			if tc.version == "" {
				got, err = c.GroupVersions(t.Context(), tc.group)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%s: %v\n%s", tc.reason, err, diff)
			}
		})
	}
	s.Fail(kubetest.Fault{Path: "/apis/velero.io", Status: http.StatusServiceUnavailable}) // as of an APIService whose backend is gone
	if got, err := c.GroupVersions(t.Context(), "velero.io"); err == nil {
		t.Errorf("an answer that did not come is taken for %v", got)
	}
}
