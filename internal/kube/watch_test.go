package kube_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

var pods = kube.Resource{Version: "v1", Resource: "pods", Namespace: "default"}

// watched follows a watch in the background and keeps the state that it tells.
type watched struct {
	state   map[string]string // by UID
	trouble []string
	news    chan kube.Watched
	errors  chan error
}

func watch(t *testing.T, c *kube.Client, r kube.Resource) *watched {
	w := &watched{state: map[string]string{}, news: make(chan kube.Watched, 100), errors: make(chan error, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for e := range c.Watch(ctx, r, func(err error) { w.errors <- err }) {
			select {
			case w.news <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return w
}

// until takes news in until the state is the one wanted.
func (w *watched) until(t *testing.T, want map[string]string) {
	t.Helper()
	for !maps.Equal(w.state, want) {
		select {
		case e := <-w.news:
			w.take(t, e)
		case err := <-w.errors:
			w.trouble = append(w.trouble, err.Error())
		case <-t.Context().Done():
			t.Fatal(cmp.Diff(want, w.state))
		}
	}
}

func (w *watched) take(t *testing.T, e kube.Watched) {
	t.Helper()
	var o struct {
		Metadata struct {
			Name string
		}
		Spec struct{ Round string }
	}
	if e.Synced {
		return
	}
	if err := json.Unmarshal(e.Object, &o); err != nil {
		t.Fatal(err)
	}
	if e.Gone {
		if _, known := w.state[e.UID]; !known {
			t.Errorf("%s is gone and was not there", e.UID)
		}
		delete(w.state, e.UID)
		return
	}
	w.state[e.UID] = o.Metadata.Name + o.Spec.Round
}

// TestAWatchEndsUpWithWhatTheServerHas: through dropped connections, events cut in the middle, compaction, refusals and server errors.
func TestAWatchEndsUpWithWhatTheServerHas(t *testing.T) {
	s := kubetest.New(t)
	c := s.Client(t)
	s.Fail(kubetest.Fault{Path: "limit=500", Status: http.StatusForbidden, Kth: 1}) // even a refusal ends nothing
	s.Fail(kubetest.Fault{Path: "watch=1", Status: http.StatusServiceUnavailable, Kth: 4})
	s.Fail(kubetest.Fault{Path: "watch=1", Cut: 700})
	w := watch(t, c, pods)
	want := map[string]string{}
	uids := map[string]string{}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 120 {
		name := fmt.Sprintf("p%d", random.IntN(6))
		spec := fmt.Sprintf("-%d", round)
		switch uid, there := uids[name]; {
		case !there:
			uids[name] = create(t, c, name, spec)
			want[uids[name]] = name + spec
		case random.IntN(2) == 0:
			if err := c.Delete(t.Context(), pods, name, uid, ""); err != nil {
				t.Fatal(err)
			}
			delete(want, uid)
			delete(uids, name)
		default:
			if _, err := c.Patch(t.Context(), pods, name, []byte(`{"spec":{"round":"`+spec+`"}}`), kube.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			want[uid] = name + spec
		}
		switch round {
		case 30:
			s.Drop()
		case 60:
			s.Compact()
			s.Drop()
		}
	}
	w.until(t, want)
	if len(w.trouble) == 0 || !strings.Contains(strings.Join(w.trouble, "\n"), "watch pods at http") {
		t.Errorf("trouble was told as %q", w.trouble)
	}
}

func create(t *testing.T, c *kube.Client, name, spec string) (uid string) {
	t.Helper()
	stored, err := c.Create(t.Context(), pods, name, fmt.Appendf(nil, `{"metadata":{"name":%q},"spec":{"round":%q}}`, name, spec), kube.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var o struct{ Metadata struct{ UID string } }
	if err := json.Unmarshal(stored, &o); err != nil {
		t.Fatal(err)
	}
	return o.Metadata.UID
}

func TestAWatchOfOneNameTellsNoOther(t *testing.T) {
	s := kubetest.New(t)
	c := s.Client(t)
	other := create(t, c, "other", "")
	first := create(t, c, "mine", "-1")
	mine := pods
	mine.Fields = "metadata.name=mine"
	w := watch(t, c, mine)
	w.until(t, map[string]string{first: "mine-1"})
	if err := c.Delete(t.Context(), pods, "mine", first, ""); err != nil {
		t.Fatal(err)
	}
	second := create(t, c, "mine", "-2")
	if err := c.Delete(t.Context(), pods, "other", other, ""); err != nil {
		t.Fatal(err)
	}
	w.until(t, map[string]string{second: "mine-2"})
}

// TestAWatchThatIsIdleAsksNothing: an hour of it may cost 20 requests, so none may be made while nothing happens.
func TestAWatchThatIsIdleAsksNothing(t *testing.T) {
	s := kubetest.New(t)
	c := s.Client(t)
	w := watch(t, c, pods)
	uid := create(t, c, "a", "")
	patch := func(round int) {
		if _, err := c.Patch(t.Context(), pods, "a", fmt.Appendf(nil, `{"spec":{"round":"-%d"}}`, round), kube.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	patch(-1)
	w.until(t, map[string]string{uid: "a--1"})
	for !slices.ContainsFunc(s.Requests(), func(r kubetest.Request) bool { return strings.Contains(r.Query, "watch=1") }) {
		runtime.Gosched()
	}
	before := len(s.Requests())
	for i := range 50 {
		patch(i)
	}
	w.until(t, map[string]string{uid: "a-49"})
	if asked := len(s.Requests()) - before; asked != 50 {
		t.Errorf("%d requests beside the 50 patches", asked-50)
	}
}
