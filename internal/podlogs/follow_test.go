package podlogs_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/kube/kubetest"
	"plan/internal/podlogs"
)

func TestLinesComeAsTheyAreWritten(t *testing.T) {
	virtual(t, func(w *world) {
		log := w.container("nightly-x7k2p", "main")
		w.tell(running)
		log.Write(at(0), "one")
		w.want("[x7k2p] one")
		log.Part(at(1), "tw")
		w.want("[x7k2p] one")
		log.Part(at(2), "o\n")
		log.Part(at(3), "three")
		log.End()
		w.tell(ended)
		w.wait()
		w.want("[x7k2p] one", "[x7k2p] two", "[x7k2p] three")
	})
}

func TestNothingIsAskedBeforeAContainerHasStarted(t *testing.T) {
	virtual(t, func(w *world) {
		log := w.Log("jobs", "nightly-x7k2p", "main")
		w.tell(`"state":{"waiting":{"reason":"ContainerCreating"}}`)
		time.Sleep(time.Hour)
		if asked := w.asked(); len(asked) > 0 {
			w.t.Errorf("asked %q", asked)
		}
		log.Start()
		log.Write(at(0), "one")
		w.tell(running)
		w.want("[x7k2p] one")
		w.wait()
	})
}

func TestAnIdleStreamCostsNothing(t *testing.T) {
	virtual(t, func(w *world) {
		w.container("nightly-x7k2p", "main")
		for range 60 {
			w.tell(running)
			time.Sleep(time.Minute)
		}
		if asked := w.asked(); len(asked) != 1 {
			w.t.Errorf("asked %q", asked)
		}
		w.wait()
	})
}

func TestALogThatEndsCostsTwoRequests(t *testing.T) {
	virtual(t, func(w *world) {
		log := w.container("nightly-x7k2p", "main")
		w.tell(running)
		log.Write(at(0), "one")
		log.End()
		synctest.Wait()
		time.Sleep(time.Second) // the news is later than the end of the stream
		w.tell(ended)
		w.wait()
		w.want("[x7k2p] one")
		want := []string{"container=main&follow=true&timestamps=true", "container=main&timestamps=true"}
		if diff := cmp.Diff(want, w.asked()); diff != "" {
			w.t.Errorf("requests, -want +got:\n%s", diff)
		}
	})
}

func TestEveryContainerOfEveryPodIsRead(t *testing.T) {
	virtual(t, func(w *world) {
		for _, name := range []string{"unpack", "main", "side"} {
			w.container("nightly-3-x7k2p", name).Write(at(0), name)
		}
		w.container("nightly-4-aaaaa", "main").Write(at(0), "late")
		status := func(name string) string {
			return fmt.Sprintf(`{"name":%q,"state":{"terminated":{"containerID":%[1]q}}}`, name)
		}
		w.f.Pod(podlogs.StateOf([]byte(`{"metadata":{"name":"nightly-3-x7k2p","uid":"u1"},
			"spec":{"initContainers":[{"name":"unpack"}],"containers":[{"name":"main"},{"name":"side"}]},
			"status":{"initContainerStatuses":[`+status("unpack")+`],"containerStatuses":[`+status("main")+`,`+status("side")+`]}}`), false))
		w.f.Pod(podlogs.StateOf([]byte(`{"metadata":{"name":"nightly-4-aaaaa","uid":"u2"},
			"spec":{"initContainers":[{"name":"unpack"}],"containers":[{"name":"main"}]},
			"status":{"containerStatuses":[`+status("main")+`]}}`), false))
		w.wait()
		slices.Sort(w.lines)
		w.want("[3-x7k2p main] main", "[3-x7k2p side] side", "[3-x7k2p unpack] unpack", "[4-aaaaa] late")
	})
}

func TestASlowConsumerStopsTheReading(t *testing.T) {
	virtual(t, func(w *world) {
		w.wait()
		block := make(chan struct{})
		w.follow(func(podlogs.Line) { <-block })
		log := w.container("nightly-x7k2p", "main")
		w.tell(running)
		sent := 0
		log.Cut = func() (int, bool) { return -1, false }
		text := strings.Repeat("x", 1000)
		for i := range 1000 {
			log.Write(at(i), text)
			sent += len(text)
		}
		time.Sleep(time.Hour)
		if len(w.lines) != 0 {
			w.t.Errorf("%d lines passed", len(w.lines))
		}
		close(block)
		synctest.Wait()
		if len(w.lines) != 1000 || len(w.asked()) != 1 {
			w.t.Errorf("%d lines in %d requests", len(w.lines), len(w.asked()))
		}
		w.wait()
	})
}

func TestTheEndOfTheContextEndsEverything(t *testing.T) {
	s := kubetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		s.Drop()
		ctx, cancel := context.WithCancel(t.Context())
		s.Log("jobs", "nightly-x7k2p", "main").Start()
		f := podlogs.Follow(ctx, client(t, s), "jobs", podlogs.Options{Line: func(l podlogs.Line) { t.Errorf("line %s", l) }})
		f.Pod(state(running))
		synctest.Wait()
		cancel()
		synctest.Wait() // the bubble ends only when no goroutine is left
		if err := f.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTheNewsOfTheEndIsNotSleptOver(t *testing.T) {
	virtual(t, func(w *world) {
		begin := time.Now()
		log := w.container("nightly-x7k2p", "main")
		w.tell(running)
		synctest.Wait()
		w.tell(ended)
		log.End()
		w.wait()
		if took := time.Since(begin); took > 0 { // in virtual time
			w.t.Errorf("the end of the log was waited for, for %s", took)
		}
	})
}

// TestLongLinesAreCut and the rest of them is not kept.
func TestLongLinesAreCut(t *testing.T) {
	var got []podlogs.Line
	s := kubetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		s.Drop()
		log := s.Log("jobs", "nightly-x7k2p", "main")
		log.Start()
		at := time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
		for _, n := range []int{podlogs.MaxLine - 1, podlogs.MaxLine, podlogs.MaxLine + 1, 10 * podlogs.MaxLine, 1} {
			log.Write(at, strings.Repeat("y", n))
		}
		log.End()
		f := podlogs.Follow(t.Context(), client(t, s), "jobs", podlogs.Options{Line: func(l podlogs.Line) { got = append(got, l) }})
		f.Pod(state(ended))
		if err := f.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
	sizes := [][2]int{}
	for _, l := range got {
		sizes = append(sizes, [2]int{len(l.Text), l.Cut})
	}
	want := [][2]int{{podlogs.MaxLine - 1, 0}, {podlogs.MaxLine, 0}, {podlogs.MaxLine, 1}, {podlogs.MaxLine, 9 * podlogs.MaxLine}, {1, 0}}
	if diff := cmp.Diff(want, sizes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if shown := got[2].String(); !strings.HasSuffix(shown, "y [plan: 1 more bytes of this line are left out]") {
		t.Errorf("the end of a cut line: %q", shown[len(shown)-60:])
	}
}
