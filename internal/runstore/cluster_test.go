package runstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/lock/wiretest"
)

var (
	_          Store = (*ClusterStore)(nil)
	configMaps       = kube.Resource{Version: "v1", Resource: "configmaps", Namespace: "plan"}
)

const runPath = "/api/v1/namespaces/plan/configmaps/plan-run-a"

// virtual runs a test in virtual time, with a server that has objects.
func virtual(t *testing.T, test func(*testing.T, *wiretest.Wire), objects ...string) {
	t.Helper()
	s := kubetest.New(t)
	s.Add(configMaps, "ConfigMap", objects...)
	synctest.Test(t, func(t *testing.T) {
		test(t, &wiretest.Wire{Server: s})
		time.Sleep(time.Hour) // what is on the way arrives
	})
}

func on(t *testing.T, w *wiretest.Wire) *ClusterStore {
	t.Helper()
	return Cluster(w.Client(t), "plan")
}

func start(t *testing.T, s Store) Journal {
	t.Helper()
	j, err := s.Create(t.Context(), "a", begun("a", t0))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func attempt(i int) engine.Record { return engine.AttemptStartedRecord{Step: "x", Attempt: i} }

// attempts are the numbers of the attempts of run a.
func attempts(t *testing.T, s Store) (all []int) {
	t.Helper()
	entries, err := s.Read(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if r, ok := e.Record.(engine.AttemptStartedRecord); ok {
			all = append(all, r.Attempt)
		}
	}
	return all
}

func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i+1)
	}
	return all
}

func TestTheClusterStoreKeepsRuns(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		theStoreKeepsRuns(t, on(t, w))
		object := w.Server.Objects()[runPath]
		for path, want := range map[string]string{
			`metadata.labels.app\.kubernetes\.io/managed-by`: "plan", "metadata.labels.plan/run": "a", "metadata.annotations.plan/plan": "nightly", "immutable": "",
		} {
			if got := gjson.Get(object, path).String(); got != want {
				t.Errorf("%s is %q", path, got)
			}
		}
	})
}

func TestAnAppendIsOneUpdate(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		j := start(t, s)
		before := len(w.Server.Requests())
		if err := j.Append(t.Context(), attempt(1), attempt(2), attempt(3)); err != nil {
			t.Fatal(err)
		}
		if made := w.Server.Requests()[before:]; len(made) != 1 || made[0].Method != http.MethodPut {
			t.Errorf("requests %v", made)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		if err := j.Append(t.Context(), attempt(4)); err == nil {
			t.Error("it was closed, and appended to")
		}
	})
}

// TestNothingIsLostOrDoubled whatever the network does to any of the writes: what was confirmed is there, once and in order, and of what
// was not at most the last, whole.
func TestNothingIsLostOrDoubled(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	given := 0
	for i := range 60 {
		virtual(t, func(t *testing.T, w *wiretest.Wire) {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			w.Fate = wiretest.Weather(r, r.IntN(95))
			s := on(t, w)
			j, err := s.Create(t.Context(), "a", begun("a", t0))
			confirmed, next := 0, 1
			for turn := 0; err == nil && turn < 20; turn++ {
				var batch []engine.Record
				for range 1 + r.IntN(3) {
					batch = append(batch, attempt(next))
					next++
				}
				if err = j.Append(t.Context(), batch...); err == nil {
					confirmed = next - 1
				}
				if err == nil && r.IntN(6) == 0 { // the process dies and the next one goes on
					j, _, err = s.Open(t.Context(), "a")
				}
			}
			if errors.Is(err, ErrForeignWriter) || errors.Is(err, ErrExists) {
				t.Errorf("there is nobody else: %v", err)
			}
			time.Sleep(time.Hour) // what is on the way arrives
			w.Fate = nil
			if confirmed == 0 && err != nil {
				return
			}
			given += confirmed
			got := attempts(t, s)
			if len(got) != confirmed && len(got) != next-1 {
				t.Errorf("%d are there, %d were confirmed and %d given", len(got), confirmed, next-1)
			}
			if diff := cmp.Diff(upTo(len(got)), got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if given < 500 {
		t.Errorf("only %d were confirmed: the test does not test", given)
	}
}

func TestEveryWriteThatIsNotAnsweredIsLookedFor(t *testing.T) {
	for name, f := range map[string]wiretest.Fate{"executed": {Broken: true}, "not executed": {Refused: true}, "500": {Status: 500}, "429": {Status: 429}, "late": {Before: 15 * time.Second}} {
		for k := range 6 {
			t.Run(fmt.Sprint(name, k), func(t *testing.T) {
				virtual(t, func(t *testing.T, w *wiretest.Wire) {
					n := 0
					w.Fate = func(r *http.Request) wiretest.Fate {
						if r.Method == http.MethodGet {
							return wiretest.Fate{}
						}
						if n++; n-1 == k {
							return f
						}
						return wiretest.Fate{}
					}
					s := on(t, w)
					j := start(t, s)
					for i := range 5 {
						if err := j.Append(t.Context(), attempt(i+1)); err != nil {
							t.Fatal(err)
						}
					}
					if diff := cmp.Diff(upTo(5), attempts(t, s)); diff != "" {
						t.Error(diff)
					}
				})
			})
		}
	}
}

func TestAnOutageIsWaitedForAMinute(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		j := start(t, s)
		w.Cut(true)
		time.AfterFunc(50*time.Second, func() { w.Cut(false) })
		if err := j.Append(t.Context(), attempt(1)); err != nil {
			t.Fatal(err)
		}
		w.Cut(true)
		begin := time.Now()
		err := j.Append(t.Context(), attempt(2))
		if waited := time.Since(begin); err == nil || waited < 50*time.Second || waited > 70*time.Second {
			t.Errorf("after %s: %v", waited, err)
		}
		w.Cut(false)
		if again := j.Append(t.Context(), attempt(3)); again == nil || again.Error() != err.Error() {
			t.Errorf("after an error: %v", again)
		}
		if diff := cmp.Diff([]int{1}, attempts(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}
