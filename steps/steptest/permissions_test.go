package steptest

import (
	"testing"

	"plan/internal/kube/kubetest"
	"plan/steps"
)

func TestPermission(t *testing.T) {
	cases := map[string]struct {
		request kubetest.Request
		want    steps.Permission
	}{
		"list":       {kubetest.Request{Method: "GET", Path: "/api/v1/persistentvolumes", Query: "limit=500"}, steps.Permission{Verb: "list", Resource: "persistentvolumes"}},
		"namespaced": {kubetest.Request{Method: "GET", Path: "/api/v1/namespaces/ns/secrets/s"}, steps.Permission{Verb: "get", Resource: "secrets", Namespace: "ns", Name: "s"}},
		"namespace":  {kubetest.Request{Method: "GET", Path: "/api/v1/namespaces/ns"}, steps.Permission{Verb: "get", Resource: "namespaces", Namespace: "ns", Name: "ns"}},
		"group":      {kubetest.Request{Method: "GET", Path: "/apis/storage.k8s.io/v1/storageclasses", Query: "watch=true"}, steps.Permission{Verb: "watch", Group: "storage.k8s.io", Resource: "storageclasses"}},
		"create":     {kubetest.Request{Method: "POST", Path: "/apis/batch/v1/namespaces/ns/jobs"}, steps.Permission{Verb: "create", Group: "batch", Resource: "jobs", Namespace: "ns"}},
		"subresource": {kubetest.Request{Method: "PUT", Path: "/apis/batch/v1/namespaces/ns/jobs/j/status"},
			steps.Permission{Verb: "update", Group: "batch", Resource: "jobs", Namespace: "ns", Name: "j", Subresource: "status"}},
		"delete":     {kubetest.Request{Method: "DELETE", Path: "/api/v1/nodes/n"}, steps.Permission{Verb: "delete", Resource: "nodes", Name: "n"}},
		"delete all": {kubetest.Request{Method: "DELETE", Path: "/api/v1/nodes"}, steps.Permission{Verb: "deletecollection", Resource: "nodes"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got, ok := permission(tc.request); !ok || got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
	for _, path := range []string{"/version", "/api", "/apis", "/api/v1", "/apis/batch/v1", "/healthz"} {
		if got, ok := permission(kubetest.Request{Method: "GET", Path: path}); ok {
			t.Errorf("%s is taken for a resource: %+v", path, got)
		}
	}
}

func TestCovers(t *testing.T) {
	call := steps.Permission{Verb: "get", Resource: "secrets", Namespace: "ns", Name: "s"}
	for name, tc := range map[string]struct {
		granted steps.Permission
		want    bool
	}{
		"exact":           {call, true},
		"any name":        {steps.Permission{Verb: "get", Resource: "secrets", Namespace: "ns"}, true},
		"cluster-wide":    {steps.Permission{Verb: "get", Resource: "secrets"}, true},
		"other namespace": {steps.Permission{Verb: "get", Resource: "secrets", Namespace: "other"}, false},
		"other name":      {steps.Permission{Verb: "get", Resource: "secrets", Name: "other"}, false},
		"other verb":      {steps.Permission{Verb: "list", Resource: "secrets"}, false},
		"other group":     {steps.Permission{Verb: "get", Group: "g", Resource: "secrets"}, false},
	} {
		if covers(tc.granted, call) != tc.want {
			t.Errorf("%s: covers is %v", name, !tc.want)
		}
	}
}
