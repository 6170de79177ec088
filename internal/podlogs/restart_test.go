package podlogs_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"plan/internal/kube/kubetest"
)

const (
	restarted = `"restartCount":1,"state":{"running":{}},"containerID":"b","lastState":{"terminated":{"containerID":"containerd://a"}}`
	crashed   = `"restartCount":0,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"containerID":"containerd://a","lastState":{"terminated":{"containerID":"containerd://a"}}`
	ended2    = `"restartCount":1,"state":{"terminated":{"containerID":"b"}},"lastState":{"terminated":{"containerID":"containerd://a"}}`
)

func TestARestartedContainerIsReadToItsEndFirst(t *testing.T) {
	virtual(t, func(w *world) {
		log := w.container("nightly-x7k2p", "main")
		log.Cut = func() (int, bool) { return -1, false }
		log.Write(at(0), "a1")
		w.tell(running)
		synctest.Wait()
		w.Fail(kubetest.Fault{Status: http.StatusInternalServerError, Kth: 1})
		w.Drop()
		synctest.Wait() // it waits now before it tries again
		log.Write(at(1), "a2")
		log.Part(at(2), "a3")
		log.End()
		log.Start()
		log.Write(at(3), "b1")
		w.tell(restarted)
		w.want("[x7k2p] a1", "[x7k2p] a2", "[x7k2p] a3", "[x7k2p] b1")
		log.End()
		w.tell(ended2)
		w.wait()
		w.want("[x7k2p] a1", "[x7k2p] a2", "[x7k2p] a3", "[x7k2p] b1")
	})
}

func TestAContainerBetweenTwoStartsIsReadOnce(t *testing.T) {
	virtual(t, func(w *world) {
		log := w.container("nightly-x7k2p", "main")
		log.Write(at(0), "a1")
		log.End()
		w.tell(crashed)
		w.want("[x7k2p] a1")
		log.Start()
		log.Write(at(1), "b1")
		w.tell(restarted)
		w.want("[x7k2p] a1", "[x7k2p] b1")
		log.End()
		w.tell(ended2)
		w.wait()
		w.want("[x7k2p] a1", "[x7k2p] b1")
	})
}

// TestARestartThatTheKubeletKnowsFirstRepeatsNothing: it has served the new instance's log when the news is still of the old one.
func TestARestartThatTheKubeletKnowsFirstRepeatsNothing(t *testing.T) {
	for name, first := range map[string][]string{"after an instance without a word": nil, "after one that was not read": {"a1", "a2"}} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(w *world) {
				log := w.container("nightly-x7k2p", "main")
				for i, text := range first {
					log.Write(at(i), text)
				}
				log.Start()
				log.Write(at(10), "b1")
				w.tell(running)
				w.want("[x7k2p] b1")
				log.Write(at(11), "b2")
				w.tell(restarted)
				log.Write(at(12), "b3")
				log.End()
				w.tell(ended2)
				w.wait()
				w.want(slices.Concat([]string{"[x7k2p] b1", "[x7k2p] b2", "[x7k2p] b3"}, prefixed(first))...)
			})
		})
	}
}

func prefixed(lines []string) (shown []string) {
	for _, l := range lines {
		shown = append(shown, "[x7k2p] "+l)
	}
	return shown
}

func TestLogsOfInstancesThatAreGoneAreMissed(t *testing.T) {
	virtual(t, func(w *world) {
		log := w.container("nightly-x7k2p", "main")
		log.Write(at(0), "d1")
		log.Start()
		log.Write(at(1), "e1")
		log.End()
		w.tell(`"restartCount":4,"state":{"terminated":{"containerID":"e"}},"lastState":{"terminated":{"containerID":"d"}}`)
		w.wait()
		w.want("[plan: log of nightly-x7k2p/main has a gap from its beginning: the container was started 3 times meanwhile, and these logs are gone]",
			"[x7k2p] d1", "[x7k2p] e1")
	})
}
