package runstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube/kubetest"
	"plan/internal/lock/wiretest"
)

const logsPath = "/api/v1/namespaces/plan/configmaps/plan-logs-a"

// noise is text that does not get smaller.
func noise(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func TestTheClusterStoreKeepsLogs(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		theStoreKeepsLogs(t, s)
		object := w.Server.Objects()[logsPath]
		journal := w.Server.Objects()[runPath]
		for path, want := range map[string]string{
			`metadata.labels.app\.kubernetes\.io/managed-by`: "plan", "metadata.labels.plan/run": "a", "metadata.ownerReferences.0.uid": gjson.Get(journal, "metadata.uid").String(),
			"metadata.ownerReferences.0.name": "plan-run-a", "metadata.ownerReferences.0.kind": "ConfigMap", "metadata.ownerReferences.1": "",
		} {
			if got := gjson.Get(object, path).String(); got != want {
				t.Errorf("%s is %q, want %q", path, got, want)
			}
		}
		if err := s.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if _, there := w.Server.Objects()[logsPath]; there {
			t.Error("they outlive their run")
		}
	})
}

func TestOfManyLogsInAClusterTheOldestGo(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s, r := on(t, w), rand.New(rand.NewPCG(1, 1))
		made(t, s, "a", t0)
		for i := range 4 {
			var logs []Log
			for n := range 8 {
				logs = append(logs, aLog("report", fmt.Sprint("pod-", i*8+n), 1, i*8+n, noise(r, 60<<10)))
			}
			keep(t, s, logs...)
		}
		keep(t, s, aLog("report", "pod-25", 1, 100, "young\n")) // its former log makes room
		size := 0
		gjson.Get(w.Server.Objects()[logsPath], "binaryData").ForEach(func(_, value gjson.Result) bool {
			size += len(value.String()) / 4 * 3
			return true
		})
		logs := kept(t, s)
		if size > maxLogs+20 || len(logs) != 11 || logs[0].Name != "pod-21" || logs[10].Name != "pod-25" || string(logs[10].Data) != "young\n" {
			t.Errorf("%d bytes, %d logs from %s to %s", size, len(logs), logs[0].Name, logs[len(logs)-1].Name)
		}
	})
}

func TestWhatIsKeptWhileOneWriteIsOnItsWayGoesWithTheNext(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		made(t, s, "a", t0)
		before := len(w.Server.Requests())
		w.Fate = func(*http.Request) wiretest.Fate { return wiretest.Fate{Before: time.Second} }
		k := s.KeepLogs(t.Context(), "a")
		begin := time.Now()
		for i := range 100 {
			if err := k.Keep(aLog("report", fmt.Sprint("pod-", i), 1, i, "x\n")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(begin); took > 200*time.Millisecond {
			t.Errorf("Keep waited for the server: %s", took)
		}
		if err := k.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := k.Keep(aLog("report", "late", 1, 1, "")); err == nil {
			t.Error("it is closed, and keeps")
		}
		if made := len(w.Server.Requests()) - before; len(kept(t, s)) != 100 || made > 5 {
			t.Errorf("%d requests for %d logs", made, len(kept(t, s)))
		}
	})
}

// TestNoLogIsLostToTheNetwork, nor to another process that keeps some of the same run.
func TestNoLogIsLostToTheNetwork(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	sound := 0
	for i := range 20 {
		virtual(t, func(t *testing.T, w *wiretest.Wire) {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			s, other := on(t, w), on(t, w)
			made(t, s, "a", t0)
			w.Fate = wiretest.Weather(rand.New(rand.NewPCG(seed, uint64(1000+i))), r.IntN(50))
			var all sync.WaitGroup
			want := map[string]bool{}
			var gaveUp atomic.Bool
			for who, store := range []Store{s, other} {
				var pauses []time.Duration
				for n := range 10 {
					want[fmt.Sprintf("pod-%d-%d", who, n)] = true
					pauses = append(pauses, time.Duration(r.Int64N(int64(20*time.Second))))
				}
				all.Go(func() {
					k := store.KeepLogs(t.Context(), "a")
					for n, pause := range pauses {
						time.Sleep(pause)
						if err := k.Keep(aLog("report", fmt.Sprintf("pod-%d-%d", who, n), 1, n, "x\n")); err != nil {
							t.Error(err)
						}
					}
					if err := k.Close(t.Context()); err != nil {
						gaveUp.Store(true)
					}
				})
			}
			all.Wait()
			if gaveUp.Load() { // a minute of bad weather, and that is told
				return
			}
			sound++
			time.Sleep(time.Hour)
			w.Fate = nil
			for _, l := range kept(t, s) {
				delete(want, l.Name)
			}
			if len(want) > 0 {
				t.Errorf("run %d of seed %d: lost %v", i, seed, want)
			}
		})
	}
	if sound < 10 {
		t.Errorf("only %d runs were not given up: the test does not test", sound)
	}
}

func TestLogsThatCannotBeKeptAreToldWhenTheKeeperIsClosed(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		made(t, s, "a", t0)
		w.Cut(true)
		k := s.KeepLogs(t.Context(), "a")
		for i := range 3 {
			if err := k.Keep(aLog("report", fmt.Sprint("pod-", i), 1, i, "x\n")); err != nil {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		if err := k.Close(ctx); err == nil || time.Since(begin) > 6*time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		w.Cut(false)
		w.Server.Fail(kubetest.Fault{Path: "configmaps", Status: http.StatusForbidden})
		k = s.KeepLogs(t.Context(), "a")
		if err := k.Keep(aLog("report", "pod-0", 1, 1, "x\n")); err != nil {
			t.Error(err)
		}
		if err := k.Close(t.Context()); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "plan/plan-logs-a") {
			t.Errorf("refused: %v", err)
		}
	})
}

func TestLogsOfAnEarlierRunOfThatNameAndForeignObjects(t *testing.T) {
	left := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"plan-logs-a","resourceVersion":"7","namespace":"plan","labels":{"app.kubernetes.io/managed-by":"plan","app.kubernetes.io/component":"run-logs","plan/run":"a"},
		"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"plan-run-a","uid":"gone"}]},"binaryData":{"7":"AAAA"}}`
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		made(t, s, "a", t0)
		if logs := kept(t, s); len(logs) != 0 {
			t.Errorf("those of an earlier run: %v", logs)
		}
		keep(t, s, aLog("report", "pod", 1, 1, "x\n"))
		if logs := kept(t, s); len(logs) != 1 {
			t.Errorf("%v", logs)
		}
	}, left)
	foreign := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"plan-logs-a","resourceVersion":"7","namespace":"plan"},"data":{"mine":"x"}}`
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		made(t, s, "a", t0)
		k := s.KeepLogs(t.Context(), "a")
		if err := errors.Join(k.Keep(aLog("report", "pod", 1, 1, "x\n")), k.Close(t.Context())); !errors.Is(err, errForeignObject) {
			t.Errorf("keep: %v", err)
		}
		if _, err := s.Logs(t.Context(), "a"); !errors.Is(err, errForeignObject) {
			t.Errorf("read: %v", err)
		}
		if err := s.Delete(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		if got := gjson.Get(w.Server.Objects()[logsPath], "data.mine").String(); got != "x" {
			t.Error("what is not ours was changed or deleted")
		}
	}, foreign)
}

func TestDamagedEntriesAreToldAndTheOthersRead(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		made(t, s, "a", t0)
		keep(t, s, aLog("report", "pod", 1, 1, "x\n"))
		m, err := s.get(t.Context(), "plan-logs-a")
		if err != nil {
			t.Fatal(err)
		}
		whole := m.BinaryData["1"]
		for _, bad := range [][]byte{nil, {1, 2, 3}, whole[:len(whole)-4], whole[:12]} {
			if _, err := decodeLog(bad); err == nil {
				t.Errorf("%v was read", bad)
			}
		}
		m.BinaryData["0"], m.BinaryData["odd"] = []byte("x"), whole[:12]
		k := &clusterLogs{store: s, id: "a"}
		if _, err := k.put(t.Context(), m, []Log{aLog("report", "two", 1, 2, "y\n")}); err != nil {
			t.Fatal(err)
		}
		logs, err := s.Logs(t.Context(), "a")
		if err == nil || len(logs) != 2 {
			t.Errorf("%v, %v", logs, err)
		}
	})
}

func FuzzDecodeLog(f *testing.F) {
	whole, err := encodeLog(aLog("report", "pod", 1, 1, "x\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := decodeLog(data)
		if err != nil {
			return
		}
		again, err := encodeLog(l)
		if err != nil || len(l.Data) > MaxLog {
			t.Fatalf("%d bytes, %v", len(l.Data), err)
		}
		back, err := decodeLog(again)
		if diff := cmp.Diff(l, back); diff != "" || err != nil {
			t.Fatal(err, diff)
		}
	})
}
