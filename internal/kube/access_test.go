package kube_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

func TestAllowedAsksAsTheCallWillBeAuthorised(t *testing.T) {
	s := kubetest.New(t)
	var asked kube.Access
	s.Allow = func(a kube.Access) bool { asked = a; return a.Verb == "get" }
	for _, a := range []kube.Access{
		{Verb: "get", Resource: "pods", Subresource: "log", Namespace: "work"},
		{Verb: "patch", Group: "batch", Resource: "jobs", Namespace: "work", Name: "one"},
	} {
		allowed, _, err := s.Client(t).Allowed(t.Context(), a)
		if err != nil || allowed != (a.Verb == "get") || asked != a {
			t.Errorf("%v: %t, %v; asked %v", a, allowed, err, asked)
		}
	}
}

func TestAllowedAsksAgainWhenTheAnswerIsLost(t *testing.T) {
	s := kubetest.New(t)
	s.Fail(kubetest.Fault{Path: "selfsubjectaccessreviews", Kth: 1, Status: 503})
	s.Fail(kubetest.Fault{Path: "selfsubjectaccessreviews", Kth: 2, Cut: 10})
	if allowed, _, err := s.Client(t).Allowed(t.Context(), kube.Access{Verb: "get", Resource: "pods"}); err != nil || !allowed {
		t.Errorf("%t, %v", allowed, err)
	}
	s.Fail(kubetest.Fault{Path: "selfsubjectaccessreviews", Status: 403})
	if _, _, err := s.Client(t).Allowed(t.Context(), kube.Access{Verb: "get", Resource: "pods"}); !apierrors.IsForbidden(err) {
		t.Errorf("%v", err)
	}
}

func TestAccessInWords(t *testing.T) {
	for want, a := range map[string]kube.Access{
		"get secrets work/token":            {Verb: "get", Resource: "secrets", Namespace: "work", Name: "token"},
		"create jobs.batch in work":         {Verb: "create", Group: "batch", Resource: "jobs", Namespace: "work"},
		"get namespaces kube-system":        {Verb: "get", Resource: "namespaces", Name: "kube-system"},
		"list nodes in all namespaces":      {Verb: "list", Resource: "nodes"},
		"get pods/log in work":              {Verb: "get", Resource: "pods", Subresource: "log", Namespace: "work"},
		"update leases.coordination.k8s.io": {Verb: "update", Group: "coordination.k8s.io", Resource: "leases"},
	} {
		if got := a.String(); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
