package kube_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"plan/internal/errclass"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

var secretsOfNS = kube.Resource{Version: "v1", Resource: "secrets", Namespace: "ns"}

const secretA = `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"ns"},"data":{"k":"djE="}}`

func TestWritesAreWhatTheServerStored(t *testing.T) {
	s := kubetest.New(t)
	c := s.Client(t)
	made, err := c.Create(t.Context(), secretsOfNS, "a", []byte(secretA), kube.WriteOptions{})
	if err != nil || gjson.GetBytes(made, "metadata.uid").String() == "" {
		t.Fatalf("%s, %v", made, err)
	}
	if _, err := c.Create(t.Context(), secretsOfNS, "a", []byte(secretA), kube.WriteOptions{}); !apierrors.IsAlreadyExists(err) || errors.Is(err, kube.ErrUnanswered) {
		t.Errorf("second create: %v", err)
	}
	patched, err := c.Patch(t.Context(), secretsOfNS, "a", []byte(`{"data":{"k":null,"l":"djI="}}`), kube.WriteOptions{})
	if err != nil || gjson.GetBytes(patched, "data").Raw != `{"l":"djI="}` {
		t.Errorf("patch: %s, %v", patched, err)
	}
	if _, err := c.Update(t.Context(), secretsOfNS, "a", made, kube.WriteOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("update of an old version: %v", err)
	}
	if updated, err := c.Update(t.Context(), secretsOfNS, "a", patched, kube.WriteOptions{}); err != nil || gjson.GetBytes(updated, "data.l").String() != "djI=" {
		t.Errorf("update: %s, %v", updated, err)
	}
	got, err := c.Get(t.Context(), secretsOfNS, "a")
	if err != nil || gjson.GetBytes(got, "data.l").String() != "djI=" {
		t.Errorf("get: %s, %v", got, err)
	}
	if _, err := c.Get(t.Context(), secretsOfNS, "b"); !apierrors.IsNotFound(err) {
		t.Errorf("get of what is not there: %v", err)
	}
}

func TestDeleteRemovesWhatItMeans(t *testing.T) {
	s := kubetest.New(t)
	c := s.Client(t)
	made, err := c.Create(t.Context(), secretsOfNS, "a", []byte(secretA), kube.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	uid, version := gjson.GetBytes(made, "metadata.uid").String(), gjson.GetBytes(made, "metadata.resourceVersion").String()
	if err := c.Delete(t.Context(), secretsOfNS, "a", "another", version); !apierrors.IsConflict(err) {
		t.Errorf("another object: %v", err)
	}
	if err := c.Delete(t.Context(), secretsOfNS, "a", uid, "1"); !apierrors.IsConflict(err) {
		t.Errorf("another version: %v", err)
	}
	if err := c.Delete(t.Context(), secretsOfNS, "a", uid, version); err != nil {
		t.Error(err)
	}
	if err := c.Delete(t.Context(), secretsOfNS, "a", uid, version); !apierrors.IsNotFound(err) {
		t.Errorf("the second time: %v", err)
	}
}

func TestDryRunStoresNothing(t *testing.T) {
	s := kubetest.New(t)
	before := fmt.Sprint(s.Objects())
	if _, err := s.Client(t).Create(t.Context(), secretsOfNS, "a", []byte(secretA), kube.WriteOptions{DryRun: true}); err != nil {
		t.Fatal(err)
	}
	if after := fmt.Sprint(s.Objects()); after != before {
		t.Errorf("it has %s", after)
	}
}

func TestWarningsOfAWriteAreHandedOn(t *testing.T) {
	s := kubetest.New(t)
	want := []string{`would violate PodSecurity "restricted:latest": (container "main")`, `a \ b`}
	s.Warn = func(string, map[string]any) []string { return want }
	var got []string
	o := kube.WriteOptions{DryRun: true, Warn: func(text string) { got = append(got, text) }}
	if _, err := s.Client(t).Create(t.Context(), secretsOfNS, "a", []byte(secretA), o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A write whose answer is missing may have been executed; a refusal was not.
func TestWhichWritesMayHaveBeenExecuted(t *testing.T) {
	cases := map[string]struct {
		fault      kubetest.Fault
		unanswered bool
		executed   bool
	}{
		"answer cut":        {kubetest.Fault{Cut: 10}, true, true},
		"answer cut, whole": {kubetest.Fault{Cut: 10, Honest: true}, true, true},
		"forbidden":         {kubetest.Fault{Status: http.StatusForbidden}, false, false},
		"server error":      {kubetest.Fault{Status: http.StatusInternalServerError}, true, false},
		"gateway":           {kubetest.Fault{Status: http.StatusGatewayTimeout, Plain: true}, true, false},
		"busy, then done":   {kubetest.Fault{Status: http.StatusTooManyRequests, RetryAfter: "0", Kth: 1}, false, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			s.Fail(tc.fault)
			_, err := s.Client(t).Create(t.Context(), secretsOfNS, "a", []byte(secretA), kube.WriteOptions{})
			if errors.Is(err, kube.ErrUnanswered) != tc.unanswered {
				t.Errorf("error %v", err)
			}
			if err != nil && (!strings.Contains(err.Error(), "create secrets ns/a") || strings.Contains(err.Error(), "djE=")) {
				t.Errorf("error %v", err)
			}
			if _, there := s.Objects()["/api/v1/namespaces/ns/secrets/a"]; there != tc.executed {
				t.Errorf("executed: %t", there)
			}
			if posts := len(s.Requests()); posts > 1 && name != "busy, then done" {
				t.Errorf("it was sent %d times", posts)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := kubetest.New(t).Client(t).Create(ctx, secretsOfNS, "a", []byte(secretA), kube.WriteOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// An answer that breaks off is no refusal: a create that meets an object of that name and one that is not allowed look alike then.
func TestRefusalThatBreaksOffIsNone(t *testing.T) {
	const whole = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"secrets \"a\" already exists","reason":"AlreadyExists","code":409}`
	cases := map[string]struct {
		sent    string
		length  int
		refused bool
	}{
		"whole":                        {whole, len(whole), true},
		"cut":                          {whole[:30], len(whole), false},
		"cut before the first byte":    {"", len(whole), false},
		"cut, with a length that fits": {whole[:30], 30, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Content-Length", strconv.Itoa(tc.length))
				w.WriteHeader(http.StatusConflict)
				_, _ = w.Write([]byte(tc.sent))
			}))
			defer s.Close()
			c, err := kube.New(&rest.Config{Host: s.URL}, "", "")
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range []kube.WriteOptions{{}, {DryRun: true}} {
				_, err = c.Create(t.Context(), secretsOfNS, "a", []byte(secretA), o)
				if apierrors.IsAlreadyExists(err) != tc.refused || apierrors.IsConflict(err) || kube.Passing(err) == tc.refused {
					t.Errorf("dry run %t: %v", o.DryRun, err)
				}
				if unanswered := errors.Is(err, kube.ErrUnanswered); unanswered != (!tc.refused && !o.DryRun) {
					t.Errorf("dry run %t: unanswered %t: %v", o.DryRun, unanswered, err)
				}
			}
		})
	}
}

// The end of the time that a caller gives a call is the server's silence; the end of the caller's own context is not.
func TestSilenceIsAnUnreachableServer(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	silent := fmt.Errorf("list configmaps: %w", context.DeadlineExceeded)
	for name, tc := range map[string]struct {
		ctx  context.Context
		err  error
		want errclass.Kind
	}{
		"silence":            {t.Context(), silent, errclass.Unreachable},
		"the caller's end":   {ended, silent, errclass.Other},
		"something else":     {t.Context(), apierrors.NewForbidden(schema.GroupResource{}, "a", nil), errclass.Denied},
		"nothing went wrong": {t.Context(), nil, errclass.Other},
	} {
		t.Run(name, func(t *testing.T) {
			err := kube.TimedOut(tc.ctx, time.Minute, tc.err)
			if got := errclass.Classify(err).Kind; got != tc.want || (err == nil) != (tc.err == nil) {
				t.Errorf("%v is of kind %q, want %q", err, got, tc.want)
			}
		})
	}
}
