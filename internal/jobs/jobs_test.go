package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/errclass"
	"plan/internal/jobs"
	"plan/internal/jobs/jobstest"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/workload"
)

var jobResource = kube.Resource{Group: "batch", Version: "v1", Resource: "jobs", Namespace: "work"}

// world is a cluster and one attempt's Runner.
type world struct {
	*jobs.Runner
	server *kubetest.Server
	notes  map[string]string
	mu     sync.Mutex
	said   []string
}

func newWorld(t *testing.T) *world {
	w := &world{server: kubetest.New(t), notes: map[string]string{}}
	w.Runner = w.another(t)
	return w
}

// another is the Runner of another process of the same attempt.
func (w *world) another(t *testing.T) *jobs.Runner {
	return &jobs.Runner{
		Kube: w.server.Client(t), Namespace: "work", Name: "report", Key: "workload 1", Noted: maps.Clone(w.notes),
		Note: func(key, value string) error { w.notes[key] = value; return nil },
		Log: func(format string, args ...any) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.said = append(w.said, fmt.Sprintf(format, args...))
		},
	}
}

func (w *world) heard() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.said, "\n")
}

func spec() *workload.Spec {
	return &workload.Spec{
		Name: "report", Namespace: "work", Image: "alpine:3.22", Parallelism: 1, Completions: 1, BackoffLimit: new(int32(0)),
		Labels:  map[string]string{workload.ManagedBy: workload.Manager, workload.LabelRun: "r1", workload.LabelStep: "report", workload.LabelAttempt: "1"},
		Pod:     workload.Pod{Security: workload.Restricted, RunAsUser: 65532},
		Source:  &workload.Source{Helper: "busybox:1", Parts: [][]byte{[]byte("a"), []byte("b")}},
		Secrets: []workload.Secret{{Name: "db", Data: map[string]string{"password": "x"}}},
	}
}

func objects(t *testing.T, change func(*workload.Spec)) *workload.Objects {
	t.Helper()
	s := spec()
	if change != nil {
		change(s)
	}
	o, err := workload.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func done(int, int) jobstest.Pod { return jobstest.Pod{} }

// creations counts the Jobs that were ever made: none is deleted in these tests unless they say so.
func (w *world) creations() (n int) {
	for path := range w.server.Objects() {
		if strings.Contains(path, "/jobs/") {
			n++
		}
	}
	return n
}

func TestAJobIsStartedLastAndFollowedToItsEnd(t *testing.T) {
	w := newWorld(t)
	jobstest.Start(t, w.server, done)
	h, err := w.Start(t.Context(), objects(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	var writes []string
	for _, r := range w.server.Requests() {
		if r.Method != http.MethodGet && !strings.HasSuffix(r.Path, "/pods") && !strings.Contains(r.Path, "status") {
			writes = append(writes, r.Method+" "+r.Path[strings.LastIndexByte(r.Path, '/')+1:])
		}
	}
	want := []string{"POST jobs", "POST configmaps", "POST configmaps", "POST secrets", "PATCH report"}
	if diff := cmp.Diff(want, writes[:5]); diff != "" {
		t.Error(diff)
	}
	o, err := w.Follow(t.Context(), h, jobs.Watching{})
	if err != nil || o.Failed || len(o.Pods) != 1 || !o.Pods[0].OK() {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestStartedTwiceThereIsOneJob: after an end at any request, and an answer that was lost at any request, another process comes to the same
// Job, and it is made once.
func TestStartedTwiceThereIsOneJob(t *testing.T) {
	for _, cut := range []bool{false, true} {
		for kth := 1; kth <= 5; kth++ {
			t.Run(fmt.Sprintf("cut %v at request %d", cut, kth), func(t *testing.T) {
				w := newWorld(t)
				fault := kubetest.Fault{Path: "/", Kth: kth, Status: http.StatusForbidden} // the end: nothing comes after a refusal
				if cut {
					fault = kubetest.Fault{Path: "/", Kth: kth, Cut: 1} // executed, and the answer lost
				}
				w.server.Fail(fault)
				_, err := w.Start(t.Context(), objects(t, nil))
				if cut && err != nil {
					t.Fatalf("what was executed is looked for: %v", err)
				}
				again := w.another(t)
				h, err := again.Adopt(t.Context())
				if err == nil && h == nil {
					var started jobs.Handle
					started, err = again.Start(t.Context(), objects(t, nil))
					h = &started
				}
				if err != nil {
					t.Fatal(err)
				}
				if n := w.creations(); n != 1 {
					t.Errorf("%d jobs", n)
				}
				jobstest.Start(t, w.server, done)
				if o, err := again.Follow(t.Context(), *h, jobs.Watching{}); err != nil || o.Failed {
					t.Errorf("%+v, %v", o, err)
				}
			})
		}
	}
}

// TestNothingStartsBeforeItsUIDIsNoted: else a crash could leave a Job at work of which nobody knows.
func TestNothingStartsBeforeItsUIDIsNoted(t *testing.T) {
	w := newWorld(t)
	w.Note = func(string, string) error { return errors.New("the disk is full") }
	if _, err := w.Start(t.Context(), objects(t, nil)); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Fatalf("%v", err)
	}
	for path, object := range w.server.Objects() {
		if strings.Contains(path, "/jobs/") && !strings.Contains(object, `"suspend":true`) {
			t.Error("it was started")
		}
	}
}

func TestAJobThatIsKnownAndGoneIsLost(t *testing.T) {
	w := newWorld(t)
	h, err := w.Start(t.Context(), objects(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Kube.Delete(t.Context(), jobResource, "report", h.UID, ""); err != nil {
		t.Fatal(err)
	}
	if h, err := w.another(t).Adopt(t.Context()); errclass.Classify(err).Class != errclass.Lost {
		t.Errorf("%v, %v", h, err)
	}
}

// TestAForeignObjectIsNeverTouched: ConfigMaps and Secrets of the same name were once overwritten.
func TestAForeignObjectIsNeverTouched(t *testing.T) {
	for resource, foreign := range map[string]string{
		"jobs":       `{"metadata":{"name":"report","namespace":"work","uid":"other","labels":{"app.kubernetes.io/managed-by":"plan"}},"spec":{}}`,
		"configmaps": `{"metadata":{"name":"report-source-1","namespace":"work","uid":"other"},"data":{"a":"b"}}`,
		"secrets":    `{"metadata":{"name":"report-secret-db","namespace":"work","uid":"other"},"data":{"a":"Yg=="}}`,
	} {
		t.Run(resource, func(t *testing.T) {
			w := newWorld(t)
			r := kube.Resource{Version: "v1", Resource: resource}
			if resource == "jobs" {
				r = jobResource
			}
			w.server.Add(r, "", foreign)
			_, err := w.Start(t.Context(), objects(t, nil))
			if !errors.Is(err, jobs.ErrForeign) {
				t.Errorf("%v", err)
			}
			for path, object := range w.server.Objects() {
				if strings.Contains(object, `"other"`) && object != foreign {
					t.Errorf("%s has become %s", path, object)
				}
				if strings.Contains(path, "/jobs/") && strings.Contains(object, `"suspend":false`) {
					t.Error("the job was started")
				}
			}
		})
	}
}

// TestWhatWasNeverStartedAndIsOfOldContentIsRemoved: the source has changed between a crash and the resume.
func TestWhatWasNeverStartedAndIsOfOldContentIsRemoved(t *testing.T) {
	w := newWorld(t)
	w.server.Fail(kubetest.Fault{Path: "configmaps", Status: http.StatusForbidden})
	if _, err := w.Start(t.Context(), objects(t, nil)); err == nil {
		t.Fatal("no error")
	}
	_, err := w.another(t).Start(t.Context(), objects(t, func(s *workload.Spec) { s.Image = "alpine:3.23" }))
	if !errors.Is(err, jobs.ErrChanged) || w.creations() != 0 {
		t.Errorf("%d jobs, %v", w.creations(), err)
	}
}

// TestAFailedPodDoesNotEndTheWatch: the monitor once gave up at the first failed pod, though the Job tried again and completed.
func TestAFailedPodDoesNotEndTheWatch(t *testing.T) {
	w := newWorld(t)
	jobstest.Start(t, w.server, func(_, try int) jobstest.Pod { return jobstest.Pod{ExitCode: 1 - min(try/2, 1)} })
	h, err := w.Start(t.Context(), objects(t, func(s *workload.Spec) { s.BackoffLimit = new(int32(3)) }))
	if err != nil {
		t.Fatal(err)
	}
	o, err := w.Follow(t.Context(), h, jobs.Watching{})
	if err != nil || o.Failed || len(o.Pods) != 3 || len(o.Last()) != 1 || !o.Last()[0].OK() {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestErrorsOfTheServerNeverEndTheWatch: one 429 once ended it, with exit code 0.
func TestErrorsOfTheServerNeverEndTheWatch(t *testing.T) {
	w := newWorld(t)
	h, err := w.Start(t.Context(), objects(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	for i, status := range []int{429, 500, 403, 401, 404} {
		w.server.Fail(kubetest.Fault{Path: "metadata.name", Kth: 1 + i%2, Status: status})
	}
	jobstest.Start(t, w.server, done)
	if o, err := w.Follow(t.Context(), h, jobs.Watching{Log: w.Log}); err != nil || o.Failed {
		t.Errorf("%+v, %v", o, err)
	}
	if !strings.Contains(w.heard(), "it is watched on") {
		t.Errorf("nothing was said: %q", w.heard())
	}
}

func TestAFailedJobSaysHowItsPodsEnded(t *testing.T) {
	w := newWorld(t)
	jobstest.Start(t, w.server, func(index, _ int) jobstest.Pod {
		return []jobstest.Pod{{}, {ExitCode: 137, Reason: "OOMKilled"}}[index]
	})
	h, err := w.Start(t.Context(), objects(t, func(s *workload.Spec) { s.Parallelism, s.Completions = 2, 2 }))
	if err != nil {
		t.Fatal(err)
	}
	o, err := w.Follow(t.Context(), h, jobs.Watching{})
	if err != nil || !o.Failed {
		t.Fatalf("%+v, %v", o, err)
	}
	failed := &jobs.JobFailed{What: "job work/report", Outcome: o}
	if text := failed.Error(); !strings.Contains(text, "BackoffLimitExceeded") || !strings.Contains(text, "OOMKilled (exit code 137)") {
		t.Error(text)
	}
	if diff := cmp.Diff([]int{137}, failed.ExitCodes()); diff != "" {
		t.Error(diff)
	}
}

// TestPodsThatCannotStartEndTheWait with the reason and what to do; ImagePullBackOff once waited for an hour in silence.
func TestPodsThatCannotStartEndTheWait(t *testing.T) {
	for reason, next := range map[string]string{"ImagePullBackOff": "imagePullSecrets", "CreateContainerConfigError": "missing", "InvalidImageName": "image's name"} {
		w := newWorld(t)
		jobstest.Start(t, w.server, func(int, int) jobstest.Pod { return jobstest.Pod{Waiting: reason, Message: "said the kubelet"} })
		h, err := w.Start(t.Context(), objects(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Follow(t.Context(), h, jobs.Watching{StartTimeout: 300 * time.Millisecond, Log: w.Log})
		stuck, ok := errors.AsType[*jobs.Stuck](err)
		if !ok || !strings.Contains(stuck.Reason, reason+": said the kubelet") || !strings.Contains(stuck.Next, next) {
			t.Errorf("%s: %v", reason, err)
		}
		if !strings.Contains(w.heard(), reason) {
			t.Errorf("%s was not told while it waited: %q", reason, w.heard())
		}
	}
}

// TestWithoutPodsTheEventsSayWhy: quota and admission refuse pods, and only events tell.
func TestWithoutPodsTheEventsSayWhy(t *testing.T) {
	w := newWorld(t)
	h, err := w.Start(t.Context(), objects(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	w.server.Add(kube.Resource{Version: "v1", Resource: "events"}, "Event", `{"metadata":{"name":"e","namespace":"work"},"type":"Warning","involvedObject":{"uid":"`+h.UID+`"},"reason":"FailedCreate",`+
		`"message":"pods \"report-0-x\" is forbidden: exceeded quota: q","lastTimestamp":"2026-01-01T00:00:00Z"}`)
	_, err = w.Follow(t.Context(), h, jobs.Watching{StartTimeout: 100 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "exceeded quota") || !strings.Contains(err.Error(), "quota is used up") {
		t.Errorf("%v", err)
	}
}

func TestRemovedIsSaidOnlyWhenThePodsAreGone(t *testing.T) {
	w := newWorld(t)
	cluster := jobstest.Start(t, w.server, func(int, int) jobstest.Pod { return jobstest.Pod{Forever: true} })
	h, err := w.Start(t.Context(), objects(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	for cluster.Made(h.UID) == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := w.Remove(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	for path := range w.server.Objects() {
		if strings.Contains(path, "/jobs/") || strings.Contains(path, "/pods/") {
			t.Errorf("%s is there", path)
		}
	}
}

// TestAJobThatWasBeingTakenAwayIsSeenGone: a process that is killed in the middle of a deletion leaves nothing that cannot be known.
func TestAJobThatWasBeingTakenAwayIsSeenGone(t *testing.T) {
	for _, asked := range []bool{false, true} {
		w := newWorld(t)
		h, err := w.Start(t.Context(), objects(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		if !asked {
			cancel() // it was killed before its request
		}
		if gone, err := w.Abandon(ended, &h, nil); !gone || (err == nil) != asked {
			t.Errorf("%v, %v", gone, err)
		}
		cancel()
		if h, err := w.another(t).Adopt(t.Context()); !errors.Is(err, jobs.ErrRemoved) || h != nil || w.creations() != 0 {
			t.Errorf("asked %v: %v, %v, %d jobs", asked, h, err, w.creations())
		}
	}
}

func TestARemovalThatIsNotConfirmedIsLost(t *testing.T) {
	w := newWorld(t)
	h, err := w.Start(t.Context(), objects(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	w.server.Fail(kubetest.Fault{Path: "/", Status: http.StatusServiceUnavailable})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := w.Remove(ctx, h); errclass.Classify(err).Class != errclass.Lost {
		t.Errorf("%v", err)
	}
}

func TestReplacedIsOnlyWhatPlanHasMade(t *testing.T) {
	w := newWorld(t)
	jobstest.Start(t, w.server, func(int, int) jobstest.Pod { return jobstest.Pod{Forever: true} })
	if _, err := w.Start(t.Context(), objects(t, func(s *workload.Spec) { s.Labels[workload.LabelRun] = "earlier" })); err != nil {
		t.Fatal(err)
	}
	next := objects(t, nil)
	if err := w.Replace(t.Context(), next); err != nil || w.creations() != 0 {
		t.Errorf("%d jobs, %v", w.creations(), err)
	}
	if _, err := w.Start(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if err := w.Replace(t.Context(), next); err != nil || w.creations() != 1 {
		t.Errorf("its own: %d jobs, %v", w.creations(), err)
	}
	foreign := newWorld(t)
	foreign.server.Add(jobResource, "Job", `{"metadata":{"name":"report","namespace":"work","uid":"other"},"spec":{}}`)
	if err := foreign.Replace(t.Context(), next); !errors.Is(err, jobs.ErrForeign) || foreign.creations() != 1 {
		t.Errorf("%v", err)
	}
}

func TestADeploymentIsDoneWhenItIsAvailable(t *testing.T) {
	w := newWorld(t)
	w.Deployment, w.Selector = true, "plan/run=r1"
	jobstest.Start(t, w.server, done)
	h, err := w.Start(t.Context(), objects(t, func(s *workload.Spec) { s.Deployment, s.Parallelism = true, 3 }))
	if err != nil {
		t.Fatal(err)
	}
	if o, err := w.Follow(t.Context(), h, jobs.Watching{Replicas: 3}); err != nil || o.Failed {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestAQueueStartsTheJobItself(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Start(t.Context(), objects(t, func(s *workload.Spec) { s.Queue = "batch" })); err != nil {
		t.Fatal(err)
	}
	for path, object := range w.server.Objects() {
		if strings.Contains(path, "/jobs/") && (!strings.Contains(object, `"suspend":true`) || !strings.Contains(object, `"kueue.x-k8s.io/queue-name":"batch"`)) {
			t.Error(object)
		}
	}
}
