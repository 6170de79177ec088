package podlogs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/kube/kubetest"
	"plan/internal/podlogs"
)

func TestALostPodIsSaidToHaveAGap(t *testing.T) {
	virtual(t, func(w *world) {
		log := w.container("nightly-x7k2p", "main")
		log.Write(at(0), "one")
		w.tell(running)
		synctest.Wait()
		log.Remove()
		w.Drop()
		w.want("[x7k2p] one", "[plan: log of nightly-x7k2p/main has a gap from 2026-03-02T02:00:00.000000005Z: the pod is gone]")
		gone := state(running)
		gone.Gone = true
		w.f.Pod(gone)
		w.wait()
		if len(w.lines) != 2 {
			w.t.Errorf("lines %q", w.lines)
		}
	})
}

// TestAPodThatIsGoneIsNotTakenForAnotherOfItsName: names may be used again.
func TestAPodThatIsGoneIsNotTakenForAnotherOfItsName(t *testing.T) {
	virtual(t, func(w *world) {
		w.container("nightly-x7k2p", "main")
		w.tell(running)
		synctest.Wait()
		w.Fail(kubetest.Fault{Status: http.StatusBadGateway, Kth: 1})
		w.Drop()
		synctest.Wait()
		log := w.container("nightly-x7k2p", "main")
		log.Write(at(0), "new")
		log.End()
		other := state(ended)
		other.UID = "u2"
		w.f.Pod(other)
		w.wait()
		slices.Sort(w.lines)
		w.want("[plan: log of nightly-x7k2p/main has a gap from its beginning: the pod is gone]", "[x7k2p] new")
	})
}

// TestADeletedPodWhoseLogWasReadHasNoGap: it may be gone before its log can be read a second time.
func TestADeletedPodWhoseLogWasReadHasNoGap(t *testing.T) {
	virtual(t, func(w *world) {
		log := w.container("nightly-x7k2p", "main")
		log.Write(at(0), "one")
		w.tell(running)
		synctest.Wait()
		gone := state(ended)
		w.f.Pod(gone)
		log.Remove()
		gone.Gone = true
		w.f.Pod(gone)
		log.Write(at(1), "two")
		log.End()
		w.wait()
		w.want("[x7k2p] one", "[x7k2p] two")
	})
}

func TestTroubleIsTriedAgainAndTold(t *testing.T) {
	for name, status := range map[string]int{"busy": 429, "broken": 500, "no gateway": 502, "forbidden for now": 403, "not ready": 400, "unauthorized": 401} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(w *world) {
				for k := range 6 {
					w.Fail(kubetest.Fault{Status: status, Kth: k + 1, Message: "no\u202e"})
				}
				log := w.container("nightly-x7k2p", "main")
				log.Write(at(0), "one")
				w.tell(running)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if len(w.lines) != 2 || w.lines[1] != "[x7k2p] one" {
					w.t.Fatalf("lines %q", w.lines)
				}
				if notice := w.lines[0]; !strings.HasPrefix(notice, "[plan: log of nightly-x7k2p/main cannot be read for now, and is tried again: ") || !strings.HasSuffix(notice, `no\u202e]`) {
					w.t.Errorf("told %s", notice)
				}
				if n := len(w.asked()); n != 7 {
					w.t.Errorf("%d requests", n)
				}
				w.wait()
			})
		})
	}
}

func TestTheServersRetryAfterIsHeeded(t *testing.T) {
	virtual(t, func(w *world) {
		w.Fail(kubetest.Fault{Status: 429, Kth: 1, RetryAfter: "20"})
		w.container("nightly-x7k2p", "main").Write(at(0), "one")
		w.tell(running)
		time.Sleep(19 * time.Second)
		w.want()
		time.Sleep(2 * time.Second)
		w.want("[x7k2p] one")
		w.wait()
	})
}

func TestARefusalOfAnEndedLogIsNotTriedForever(t *testing.T) {
	virtual(t, func(w *world) {
		w.Log("jobs", "nightly-x7k2p", "main") // never started, as far as the kubelet knows
		w.tell(ended)
		w.wait()
		if len(w.lines) != 1 || !strings.Contains(w.lines[0], "has a gap from its beginning: get log of pod jobs/nightly-x7k2p container main") {
			w.t.Errorf("lines %q", w.lines)
		}
	})
}

// TestAMessageInThePlaceOfALogIsNoLine: the kubelet has sent 200 when it finds that it has no log.
func TestAMessageInThePlaceOfALogIsNoLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		server := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "2026-03-02T02:00:00.000000005Z one\nunable to retrieve container logs for containerd://a")
		})
		f := podlogs.Follow(t.Context(), clientOf(t, server), "jobs", podlogs.Options{Line: func(l podlogs.Line) { lines = append(lines, l.String()) }})
		f.Pod(state(ended))
		if err := f.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		want := []string{"[nightly-x7k2p] one", "[plan: log of nightly-x7k2p/main has a gap from 2026-03-02T02:00:00.000000005Z: the kubelet says: unable to retrieve container logs for containerd://a]"}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// TestADeadStreamDoesNotHideTheEnd: nothing comes, and the container has ended.
func TestADeadStreamDoesNotHideTheEnd(t *testing.T) {
	virtual(t, func(w *world) {
		log := w.container("nightly-x7k2p", "main")
		log.Write(at(0), "one")
		w.tell(running)
		synctest.Wait()
		w.tell(ended) // and the stream stays open
		w.wait()
		w.want("[x7k2p] one")
	})
}

func TestWaitIsBoundedAndSaysWhatIsMissing(t *testing.T) {
	virtual(t, func(w *world) {
		w.Fail(kubetest.Fault{Status: 500})
		w.container("nightly-x7k2p", "main")
		w.tell(ended)
		ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Second)
		defer cancel()
		err := w.f.Wait(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "read the log of nightly-x7k2p/main to its end") {
			w.t.Errorf("error %v", err)
		}
		w.want("[plan: log of nightly-x7k2p/main has a gap from its beginning: it was not read to its end in time]")
		w.tell(running) // comes too late, and does nothing
	})
}
