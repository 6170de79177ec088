package kube_test

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

func TestUIDAndVersion(t *testing.T) {
	c := kubetest.New(t).Client(t)
	uid, err := c.UID(t.Context())
	if err != nil || uid != kubetest.UID {
		t.Errorf("UID %q, %v", uid, err)
	}
	version, err := c.Version(t.Context())
	if err != nil || version != kubetest.Version {
		t.Errorf("version %q, %v", version, err)
	}
}

// TestOneObjectSaysWhatItIs, as that of a real server does; only the items of a list of built-in objects do not.
func TestOneObjectSaysWhatItIs(t *testing.T) {
	s := kubetest.New(t)
	s.Add(kube.Resource{Version: "v1", Resource: "nodes"}, "Node", `{"metadata":{"name":"a"}}`)
	got, err := s.Client(t).Get(t.Context(), kube.Resource{Version: "v1", Resource: "nodes"}, "a")
	if err != nil || string(got) != `{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestSecretKey(t *testing.T) {
	s := kubetest.New(t)
	s.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret",
		`{"metadata":{"name":"token","namespace":"a"},"data":{"tls.crt":"aGVsbG8=","bad":"c2VjcmV0!"}}`)
	c := s.Client(t)
	value, err := c.SecretKey(t.Context(), "a", "token", "tls.crt")
	if err != nil || string(value) != "hello" {
		t.Errorf("value %q, %v", value, err)
	}
	_, err = c.SecretKey(t.Context(), "a", "token", "tls")
	if !errors.Is(err, kube.ErrNoKey) || !strings.Contains(err.Error(), "bad, tls.crt") {
		t.Errorf("missing key: %v", err)
	}
	if strings.Contains(err.Error(), "aGVsbG8") {
		t.Errorf("the error has a value: %v", err)
	}
	_, err = c.SecretKey(t.Context(), "a", "token", "bad")
	if err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
		t.Errorf("not base64: %v", err)
	}
	if _, err = c.SecretKey(t.Context(), "b", "token", "tls.crt"); !apierrors.IsNotFound(err) {
		t.Errorf("other namespace: %v", err)
	}
}
