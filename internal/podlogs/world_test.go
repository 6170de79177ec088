package podlogs_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/kube/kubetest"
	"plan/internal/podlogs"
)

// world is a server and a Follower in virtual time.
type world struct {
	*kubetest.Server
	t     *testing.T
	f     *podlogs.Follower
	mu    sync.Mutex
	lines []string // what was handed out, as it is printed
}

// at is a time of a log.
func at(seconds int) time.Time {
	return time.Date(2026, 3, 2, 2, 0, 0, 5, time.UTC).Add(time.Duration(seconds) * time.Second)
}

// virtual runs a test in virtual time.
func virtual(t *testing.T, test func(*world)) {
	t.Helper()
	s := kubetest.New(t) // outside of the bubble: it listens, though nobody dials
	synctest.Test(t, func(t *testing.T) {
		s.Drop() // what it waits for belongs to the bubble from now on
		w := &world{Server: s, t: t}
		w.follow(func(podlogs.Line) {})
		test(w)
	})
}

// follow begins anew, with something that happens at each line.
func (w *world) follow(each func(podlogs.Line)) {
	w.f = podlogs.Follow(w.t.Context(), client(w.t, w.Server), "jobs", podlogs.Options{Workload: "nightly", Line: func(l podlogs.Line) {
		each(l)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lines = append(w.lines, l.String())
	}})
}

// container starts a container with a log.
func (w *world) container(pod, name string) *kubetest.Log {
	log := w.Log("jobs", pod, name)
	log.Start()
	return log
}

// tell tells of the pod nightly-x7k2p with one container, main.
func (w *world) tell(status string) { w.f.Pod(state(status)) }

// wait ends the following when all is read.
func (w *world) wait() {
	w.t.Helper()
	if err := w.f.Wait(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

// want checks what was handed out so far.
func (w *world) want(lines ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(lines, w.lines); diff != "" {
		w.t.Errorf("lines, -want +got:\n%s", diff)
	}
}

// asked are the requests so far.
func (w *world) asked() (queries []string) {
	for _, r := range w.Requests() {
		queries = append(queries, r.Query)
	}
	return queries
}

const (
	running = `"restartCount":0,"state":{"running":{}},"containerID":"containerd://a"`
	ended   = `"restartCount":0,"state":{"terminated":{"containerID":"containerd://a"}},"containerID":"containerd://a"`
)

// state is that of a pod of one container.
func state(status string) podlogs.State {
	return podlogs.StateOf([]byte(`{"metadata":{"name":"nightly-x7k2p","uid":"u1"},"spec":{"containers":[{"name":"main"}]},
		"status":{"containerStatuses":[{"name":"main",`+status+`}]}}`), false)
}
