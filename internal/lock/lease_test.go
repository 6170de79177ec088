package lock

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/lock/wiretest"
)

const (
	homePath  = "/apis/coordination.k8s.io/v1/namespaces/plan/leases/plan-home"
	theLock   = "lease plan/plan-home"
	tolerance = 6 * time.Second // a look every two seconds, and what a request may take
)

var leases = kube.Resource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases", Namespace: "plan"}

// virtual runs a test in virtual time, with a server of Leases.
func virtual(t *testing.T, test func(*testing.T, *kubetest.Server)) {
	t.Helper()
	s := kubetest.New(t) // outside of the bubble: it listens, though nobody dials
	s.Add(leases, "Lease")
	synctest.Test(t, func(t *testing.T) { test(t, s) })
}

func take(t *testing.T, w *wiretest.Wire, run string, o Options) (*Held, error) {
	t.Helper()
	return Lease(t.Context(), w.Client(t), "plan", "home", Holder{Run: run, Host: "pi", PID: 7}, o)
}

func mustTake(t *testing.T, w *wiretest.Wire, run string, o Options) *Held {
	t.Helper()
	h, err := take(t, w, run, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func release(t *testing.T, h *Held) {
	t.Helper()
	if err := h.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func isLost(h *Held) bool {
	synctest.Wait()
	select {
	case <-h.Lost():
		return true
	default:
		return false
	}
}

func stored(s *kubetest.Server, path string) string {
	return gjson.Get(s.Objects()[homePath], path).String()
}

func TestALeaseSaysWhoHasIt(t *testing.T) {
	virtual(t, func(t *testing.T, s *kubetest.Server) {
		h := mustTake(t, &wiretest.Wire{Server: s}, "r1", Options{})
		if id := stored(s, "spec.holderIdentity"); !strings.HasPrefix(id, "r1_pi_") {
			t.Errorf("holder %q", id)
		}
		for path, want := range map[string]string{
			"spec.leaseDurationSeconds": "30", "spec.leaseTransitions": "0", "spec.renewTime": "2000-01-01T00:00:00.000000Z",
			`metadata.labels.app\.kubernetes\.io/managed-by`: "plan", "metadata.labels.plan/run": "r1",
		} {
			if got := stored(s, path); got != want {
				t.Errorf("%s is %q, want %q", path, got, want)
			}
		}
		_, err := take(t, &wiretest.Wire{Server: s}, "r2", Options{})
		held, ok := errors.AsType[*HeldError](err)
		if !ok || !errors.Is(err, ErrHeld) {
			t.Fatalf("the second: %v", err)
		}
		want := HeldError{Lock: theLock, Holder: Holder{Run: "r1", Host: "pi", PID: 7}, Since: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}
		if diff := cmp.Diff(want, *held); diff != "" {
			t.Error(diff)
		}
		if isLost(h) {
			t.Error("it is lost")
		}
		release(t, h)
		release(t, h)
		if id := stored(s, "spec.holderIdentity"); id != "" {
			t.Errorf("released, and %q has it", id)
		}
		begin := time.Now()
		release(t, mustTake(t, &wiretest.Wire{Server: s}, "r3", Options{}))
		if waited := time.Since(begin); waited > tolerance {
			t.Errorf("a released one took %s", waited)
		}
	})
}

// A living holder is known by its renewal: one that does not wait is gone before two of them.
func TestALivingHolderIsKnownSoonAndADeadOneIsTakenOver(t *testing.T) {
	for _, wait := range []time.Duration{0, 5 * time.Second, time.Minute} {
		t.Run(wait.String(), func(t *testing.T) {
			virtual(t, func(t *testing.T, s *kubetest.Server) {
				w := &wiretest.Wire{Server: s}
				h := mustTake(t, w, "r1", Options{})
				begin := time.Now()
				if _, err := take(t, &wiretest.Wire{Server: s}, "r2", Options{Wait: wait}); !errors.Is(err, ErrHeld) {
					t.Errorf("while it lives: %v", err)
				}
				if waited, most := time.Since(begin), max(wait, 10*time.Second)+tolerance; waited < wait || waited > most {
					t.Errorf("it was held after %s", waited)
				}
				w.Cut(true)
				died := time.Now()
				next := mustTake(t, &wiretest.Wire{Server: s}, "r3", Options{Wait: wait})
				if took := time.Since(died); took < 30*time.Second || took > 30*time.Second+tolerance {
					t.Errorf("taken over after %s", took)
				}
				if !isLost(h) {
					t.Error("the dead one does not know")
				}
				_ = h.Release(t.Context()) // it does not get through
				if isLost(next) || !strings.HasPrefix(stored(s, "spec.holderIdentity"), "r3_") {
					t.Error("the next one has lost it")
				}
				release(t, next)
			})
		})
	}
}

func TestTheSameRunNeedNotWaitForItsDeadProcess(t *testing.T) {
	virtual(t, func(t *testing.T, s *kubetest.Server) {
		w := &wiretest.Wire{Server: s}
		dead := mustTake(t, w, "r1", Options{})
		w.Cut(true)
		begin := time.Now()
		h := mustTake(t, &wiretest.Wire{Server: s}, "r1", Options{Takeover: func(h Holder) bool { return h.Run == "r1" && h.PID == 7 }})
		if time.Since(begin) != 0 {
			t.Errorf("it waited for %s", time.Since(begin))
		}
		w.Cut(false) // it was not dead after all
		time.Sleep(11 * time.Second)
		if !isLost(dead) || isLost(h) {
			t.Errorf("lost: %t, %t; the first should be", isLost(dead), isLost(h))
		}
		release(t, dead)
		if !strings.HasPrefix(stored(s, "spec.holderIdentity"), "r1_") {
			t.Error("the first one has released what the second has")
		}
		release(t, h)
	})
}

func TestALeaseOfSomebodyElseIsLeftAlone(t *testing.T) {
	for name, metadata := range map[string]string{
		"bare":                `{"name":"plan-home","namespace":"plan","resourceVersion":"1"}`,
		"labelled":            `{"name":"plan-home","namespace":"plan","resourceVersion":"1","labels":{"app.kubernetes.io/managed-by":"plan"}}`,
		"no resource version": `{"name":"plan-home","namespace":"plan"}`,
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, s *kubetest.Server) {
				s.Add(leases, "Lease", fmt.Sprintf(`{"metadata":%s,"spec":{"holderIdentity":""}}`, metadata))
				before := s.Objects()[homePath]
				if _, err := take(t, &wiretest.Wire{Server: s}, "r1", Options{Takeover: func(Holder) bool { return true }}); err == nil {
					t.Error("it was taken")
				}
				if s.Objects()[homePath] != before {
					t.Error("it was changed")
				}
			})
		})
	}
}

func FuzzRecord(f *testing.F) {
	for _, seed := range []string{
		`{"metadata":{"resourceVersion":"1","labels":7,"annotations":[]},"spec":{"acquireTime":"x"}}`, `{"metadata":null}`, `[]`, `{"spec":{"holderIdentity":7}}`,
		`{"metadata":{"resourceVersion":"1","labels":{"app.kubernetes.io/managed-by":"plan"},"annotations":{"plan/holder":"{\"identity\":\"a\",\"pid\":-1}"}},"spec":{"holderIdentity":"a"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecord(data)
		if err != nil {
			return
		}
		h, certain := r.holder()
		_ = (&HeldError{Holder: h, Since: r.since()}).Error()
		if certain && !r.ours() && r.Metadata["annotations"] == nil {
			t.Error("certain of a holder that nothing names")
		}
		r.give("me", Holder{Run: "r"}, Times{}.withDefaults())
		if h, certain := r.holder(); !certain || h.Run != "r" || !r.ours() {
			t.Errorf("after it was given: %+v", h)
		}
	})
}

// Who is not certain to be the holder is never the dead one of the same run.
func TestTakeoverAsksOnlyForTheHolderThatWroteItsName(t *testing.T) {
	virtual(t, func(t *testing.T, s *kubetest.Server) {
		s.Add(leases, "Lease", `{"metadata":{"name":"plan-home","namespace":"plan","resourceVersion":"1","labels":{"app.kubernetes.io/managed-by":"plan"},
			"annotations":{"plan/holder":"{\"identity\":\"r1_pi_1\",\"run\":\"r1\"}"}},"spec":{"holderIdentity":"by-hand"}}`)
		begin := time.Now()
		h := mustTake(t, &wiretest.Wire{Server: s}, "r1", Options{Takeover: func(Holder) bool { t.Error("it was asked"); return true }})
		if time.Since(begin) < 30*time.Second {
			t.Errorf("taken after %s", time.Since(begin))
		}
		release(t, h)
	})
}

func TestWhatOthersAddedToALeaseStays(t *testing.T) {
	virtual(t, func(t *testing.T, s *kubetest.Server) {
		w := &wiretest.Wire{Server: s}
		release(t, mustTake(t, w, "r1", Options{}))
		body := `{"metadata":{"annotations":{"team":"a"},"ownerReferences":[{"uid":"u"}]}}`
		if _, err := w.Client(t).Patch(t.Context(), leases, "plan-home", []byte(body), kube.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		h := mustTake(t, w, "r2", Options{})
		if _, err := w.Client(t).Patch(t.Context(), leases, "plan-home", []byte(`{"metadata":{"annotations":{"note":"b"}}}`), kube.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if isLost(h) {
			t.Error("lost because somebody annotated it")
		}
		for path, want := range map[string]string{"metadata.annotations.team": "a", "metadata.annotations.note": "b", "metadata.ownerReferences.0.uid": "u"} {
			if got := stored(s, path); got != want {
				t.Errorf("%s is %q", path, got)
			}
		}
		release(t, h)
	})
}

// All calls that are made are in the rights, and all rights are used.
func TestLeaseRightsAreTheCallsThatAreMade(t *testing.T) {
	virtual(t, func(t *testing.T, s *kubetest.Server) {
		w := &wiretest.Wire{Server: s}
		h := mustTake(t, w, "r1", Options{})
		time.Sleep(time.Minute)
		release(t, h)
		release(t, mustTake(t, w, "r1", Options{}))
		verbs := map[string]string{http.MethodGet: "get", http.MethodPost: "create", http.MethodPut: "update"}
		made := map[Right]bool{}
		for _, r := range s.Requests() {
			right := Right{Verb: verbs[r.Method], Group: "coordination.k8s.io", Resource: "leases", Namespace: "plan"}
			if strings.HasSuffix(r.Path, "/leases/plan-home") {
				right.Name = "plan-home"
			}
			made[right] = true
		}
		want := map[Right]bool{}
		for _, r := range LeaseRights("plan", "home") {
			want[r] = true
		}
		if diff := cmp.Diff(want, made); diff != "" {
			t.Error(diff)
		}
	})
}
