package steptest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"plan/internal/kube/kubetest"
	"plan/steps"
)

func (w *World) failCluster() { w.Kube.Fail(kubetest.Fault{Status: http.StatusForbidden}) }

// checkPermitted wants every request that came in to be covered by the action's permissions.
func checkPermitted(t *testing.T, w *World, a steps.Action) {
	t.Helper()
	permissions := a.Permissions(w.Env.Scope)
	for _, r := range w.Kube.Requests() {
		call, ok := permission(r)
		if ok && !slices.ContainsFunc(permissions, func(p steps.Permission) bool { return covers(p, call) }) {
			t.Errorf("%s %s needs %+v, which is not among the permissions", r.Method, r.Path, call)
		}
	}
}

// covers compares as RBAC does: what a permission leaves open is any.
func covers(p, call steps.Permission) bool {
	return p.Verb == call.Verb && p.Group == call.Group && p.Resource == call.Resource && p.Subresource == call.Subresource &&
		(p.Namespace == "" || p.Namespace == call.Namespace) && (p.Name == "" || p.Name == call.Name)
}

// permission is what the API server authorises for a request (Kubernetes documentation, "Authorization", request attributes). It is
// false for paths that are no resource, such as /version and discovery, which every user may read.
func permission(r kubetest.Request) (steps.Permission, bool) {
	parts := strings.Split(strings.Trim(r.Path, "/"), "/")
	p := steps.Permission{}
	switch {
	case parts[0] == "api" && len(parts) > 2:
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		p.Group, parts = parts[1], parts[3:]
	default:
		return p, false
	}
	if parts[0] == "namespaces" && len(parts) > 1 {
		p.Namespace = parts[1]
		if len(parts) > 2 {
			parts = parts[2:]
		}
	}
	p.Resource = parts[0]
	if len(parts) > 1 {
		p.Name = parts[1]
	}
	if len(parts) > 2 {
		p.Subresource = parts[2]
	}
	p.Verb = verb(r, p.Name != "")
	if p.Verb == "create" {
		p.Name = ""
	}
	return p, true
}

func verb(r kubetest.Request, named bool) string {
	watch := strings.Contains(r.Query, "watch=1") || strings.Contains(r.Query, "watch=true")
	switch {
	case r.Method == http.MethodPost:
		return "create"
	case r.Method == http.MethodPut:
		return "update"
	case r.Method == http.MethodPatch:
		return "patch"
	case r.Method == http.MethodDelete && named:
		return "delete"
	case r.Method == http.MethodDelete:
		return "deletecollection"
	case watch:
		return "watch"
	case named:
		return "get"
	}
	return "list"
}
