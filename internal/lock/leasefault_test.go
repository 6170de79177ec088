package lock

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube/kubetest"
	"plan/internal/lock/wiretest"
)

func TestAHolderGivesUpAfterTwentySecondsWithoutARenewal(t *testing.T) {
	virtual(t, func(t *testing.T, s *kubetest.Server) {
		w := &wiretest.Wire{Server: s}
		h := mustTake(t, w, "r1", Options{})
		time.Sleep(time.Minute + time.Second) // it renewed a second ago
		w.Cut(true)
		time.Sleep(16500 * time.Millisecond)
		if isLost(h) {
			t.Fatal("lost too early")
		}
		w.Cut(false)
		time.Sleep(10 * time.Second)
		if isLost(h) {
			t.Fatal("lost though the server came back in time")
		}
		w.Cut(true)
		time.Sleep(20 * time.Second)
		if !isLost(h) {
			t.Fatal("not lost after 20 s without a renewal")
		}
		w.Cut(false)
		release(t, h)
		if id := stored(s, "spec.holderIdentity"); id != "" {
			t.Errorf("nobody took it, and %q has it still", id)
		}
	})
}

func TestALeaseThatIsTakenAwayOrRemovedIsLostAtTheNextRenewal(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *kubetest.Server, *wiretest.Wire){
		"removed": func(t *testing.T, s *kubetest.Server, _ *wiretest.Wire) {
			r, _ := http.NewRequest(http.MethodDelete, "http://x"+homePath, http.NoBody)
			if resp, err := (&wiretest.Wire{Server: s}).RoundTrip(r); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatal(err)
			}
		},
		"taken": func(t *testing.T, s *kubetest.Server, _ *wiretest.Wire) {
			mustTake(t, &wiretest.Wire{Server: s}, "r2", Options{Takeover: func(Holder) bool { return true }})
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, s *kubetest.Server) {
				w := &wiretest.Wire{Server: s}
				h := mustTake(t, w, "r1", Options{})
				change(t, s, w)
				time.Sleep(11 * time.Second)
				if !isLost(h) {
					t.Error("not lost")
				}
				before := s.Objects()[homePath]
				release(t, h)
				if diff := cmp.Diff(before, s.Objects()[homePath]); diff != "" && name == "removed" {
					t.Error(diff)
				}
				stopAll(t, s)
			})
		})
	}
}

// stopAll ends whoever still renews in a bubble, by removing what it renews.
func stopAll(t *testing.T, s *kubetest.Server) {
	t.Helper()
	r, _ := http.NewRequest(http.MethodDelete, "http://x"+homePath, http.NoBody)
	if _, err := (&wiretest.Wire{Server: s}).RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
}

func TestLostAnswersAreAdopted(t *testing.T) {
	virtual(t, func(t *testing.T, s *kubetest.Server) {
		n := 0
		w := &wiretest.Wire{Server: s, Fate: func(r *http.Request) wiretest.Fate {
			if r.Method == http.MethodGet {
				return wiretest.Fate{}
			}
			n++
			return wiretest.Fate{Broken: n%2 == 1} // every other write is executed and not answered
		}}
		h := mustTake(t, w, "r1", Options{})
		time.Sleep(5 * time.Minute)
		if isLost(h) {
			t.Fatal("lost")
		}
		if left := stored(s, "spec.leaseTransitions"); left != "0" {
			t.Errorf("%s transitions", left)
		}
		release(t, h)
		if id := stored(s, "spec.holderIdentity"); id != "" {
			t.Errorf("%q has it", id)
		}
	})
}

// The server may have executed a write as soon as it was sent: others count from then on.
func TestAgeCountsFromWhenAWriteWasSent(t *testing.T) {
	virtual(t, func(t *testing.T, s *kubetest.Server) {
		w := &wiretest.Wire{Server: s, Fate: func(r *http.Request) wiretest.Fate {
			if r.Method == http.MethodGet {
				return wiretest.Fate{}
			}
			return wiretest.Fate{After: 4900 * time.Millisecond}
		}}
		begin := time.Now()
		h := mustTake(t, w, "r1", Options{})
		w.Cut(true)
		time.Sleep(time.Until(begin.Add(20 * time.Second)))
		if !isLost(h) {
			t.Error("not lost 20 s after the write was sent")
		}
		_ = h.Release(t.Context()) // it does not get through
	})
}

func TestOfManyThatContendOneGetsItAndTheOthersAreToldWho(t *testing.T) {
	virtual(t, func(t *testing.T, s *kubetest.Server) {
		for round := range 20 {
			var all sync.WaitGroup
			var had atomic.Pointer[Held]
			for i := range 2 + round%7 {
				w := &wiretest.Wire{Server: s, Fate: func(*http.Request) wiretest.Fate {
					return wiretest.Fate{Before: time.Millisecond, After: time.Millisecond}
				}}
				all.Go(func() {
					h, err := take(t, w, fmt.Sprint("r", i), Options{})
					switch {
					case err == nil:
						if had.Swap(h) != nil {
							t.Error("two have it")
						}
					case !errors.Is(err, ErrHeld):
						t.Error(err)
					}
				})
			}
			all.Wait()
			if had.Load() == nil {
				t.Fatal("nobody has it")
			}
			release(t, had.Load())
		}
	})
}

func TestAnOutageWhileTakingIsWaitedFor(t *testing.T) {
	virtual(t, func(t *testing.T, s *kubetest.Server) {
		w := &wiretest.Wire{Server: s}
		w.Cut(true)
		time.AfterFunc(25*time.Second, func() { w.Cut(false) })
		release(t, mustTake(t, w, "r1", Options{}))
		w.Cut(true)
		begin := time.Now()
		_, err := take(t, w, "r1", Options{Wait: time.Minute})
		if waited := time.Since(begin); err == nil || errors.Is(err, ErrHeld) || waited < time.Minute || waited > time.Minute+tolerance {
			t.Errorf("after %s: %v", waited, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Lease(ctx, w.Client(t), "plan", "home", Holder{}, Options{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestRefusalsEndTheTakingAtOnce(t *testing.T) {
	virtual(t, func(t *testing.T, s *kubetest.Server) {
		s.Fail(kubetest.Fault{Path: "leases", Status: http.StatusForbidden})
		begin := time.Now()
		_, err := take(t, &wiretest.Wire{Server: s}, "r1", Options{Wait: time.Hour})
		if !apierrors.IsForbidden(err) || time.Since(begin) != 0 || !strings.Contains(err.Error(), "take "+theLock) {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
	})
}
