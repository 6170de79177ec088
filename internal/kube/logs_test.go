package kube_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

var logTime = time.Date(2026, 3, 2, 2, 0, 0, 900_000_000, time.FixedZone("", 3600))

// logOf reads a log to its end.
func logOf(t *testing.T, s *kubetest.Server, o kube.LogOptions) (string, error) {
	t.Helper()
	body, err := s.Client(t).Logs(t.Context(), "jobs", "a", o)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	return string(text), err
}

func TestLogOptionsReachTheServer(t *testing.T) {
	s := kubetest.New(t)
	log := s.Log("jobs", "a", "main")
	log.Start()
	log.Write(logTime, "before")
	log.Start()
	log.Write(logTime, "one")
	log.Write(logTime.Add(time.Second), "two")
	for name, tc := range map[string]struct {
		o           kube.LogOptions
		query, want string
	}{
		"all":        {kube.LogOptions{Container: "main"}, "container=main", "one\ntwo\n"},
		"timestamps": {kube.LogOptions{Container: "main", Timestamps: true}, "container=main&timestamps=true", "2026-03-02T01:00:00.900000000Z one\n2026-03-02T01:00:01.900000000Z two\n"},
		"since a second, its fraction cut off": {kube.LogOptions{Container: "main", Since: logTime.Add(time.Second)},
			"container=main&sinceTime=2026-03-02T01%3A00%3A01Z", "two\n"},
		"tail":     {kube.LogOptions{Container: "main", Tail: 1}, "container=main&tailLines=1", "two\n"},
		"previous": {kube.LogOptions{Container: "main", Previous: true}, "container=main&previous=true", "before\n"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := logOf(t, s, tc.o)
			if diff := cmp.Diff(tc.want, text); diff != "" || err != nil {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
			requests := s.Requests()
			if diff := cmp.Diff(kubetest.Request{Method: "GET", Path: "/api/v1/namespaces/jobs/pods/a/log", Query: tc.query}, requests[len(requests)-1]); diff != "" {
				t.Errorf("request, -want +got:\n%s", diff)
			}
		})
	}
}

func TestALogIsFollowed(t *testing.T) {
	s := kubetest.New(t)
	log := s.Log("jobs", "a", "main")
	log.Start()
	body, err := s.Client(t).Logs(t.Context(), "jobs", "a", kube.LogOptions{Container: "main", Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	for _, line := range []string{"one\n", "two\n"} {
		log.Part(logTime, line)
		got := make([]byte, len(line))
		if _, err := io.ReadFull(body, got); err != nil || string(got) != line {
			t.Fatalf("%q, %v", got, err)
		}
	}
	log.End()
	if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestALogThatCannotBeOpenedSaysWhy(t *testing.T) {
	s := kubetest.New(t)
	s.Log("jobs", "a", "main")
	for name, tc := range map[string]struct {
		o    kube.LogOptions
		is   func(error) bool
		want string
	}{
		"the container waits": {kube.LogOptions{Container: "main"}, apierrors.IsBadRequest, "get log of pod jobs/a container main at http"},
		"no such container":   {kube.LogOptions{Container: "side"}, apierrors.IsBadRequest, "container side is not valid for pod a"},
		"no former instance":  {kube.LogOptions{Container: "main", Previous: true}, apierrors.IsBadRequest, "previous terminated container"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := logOf(t, s, tc.o); !tc.is(err) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v", err)
			}
		})
	}
	_, err := s.Client(t).Logs(t.Context(), "jobs", "b", kube.LogOptions{})
	if status, ok := errors.AsType[*apierrors.StatusError](err); !ok || !apierrors.IsNotFound(err) || status.ErrStatus.Details.Kind != "pods" {
		t.Errorf("no such pod: %v", err)
	}
}

func TestABusyServerIsAskedForTheLogAgain(t *testing.T) {
	s := kubetest.New(t)
	s.Fail(kubetest.Fault{Status: http.StatusTooManyRequests, RetryAfter: "0", Kth: 1})
	log := s.Log("jobs", "a", "main")
	log.Start()
	log.Write(logTime, "one")
	if text, err := logOf(t, s, kube.LogOptions{Container: "main"}); err != nil || text != "one\n" || len(s.Requests()) != 2 {
		t.Errorf("%q, %v, %d requests", text, err, len(s.Requests()))
	}
}

func TestALogThatBreaksOffIsAnErrorUnlessItEndsInOrder(t *testing.T) {
	s := kubetest.New(t)
	s.Fail(kubetest.Fault{Cut: 5, Kth: 1})
	s.Fail(kubetest.Fault{Cut: 5, Kth: 2, Honest: true})
	log := s.Log("jobs", "a", "main")
	log.Start()
	log.Write(logTime, "one two")
	if text, err := logOf(t, s, kube.LogOptions{Container: "main"}); text != "one t" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := logOf(t, s, kube.LogOptions{Container: "main"}); text != "one t" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

func TestTheEndOfTheContextEndsALog(t *testing.T) {
	s := kubetest.New(t)
	s.Log("jobs", "a", "main").Start()
	ctx, cancel := context.WithCancel(t.Context())
	body, err := s.Client(t).Logs(ctx, "jobs", "a", kube.LogOptions{Container: "main", Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	cancel()
	if _, err := io.ReadAll(body); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
