package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/lock"
	"plan/internal/runstore"
)

// short are periods for tests. Renewals are far more often than they need be: who does not wait is told after one.
var short = lock.Times{Duration: 6 * time.Second, GiveUp: 5 * time.Second, Renew: 200 * time.Millisecond, Request: 2 * time.Second, Poll: 50 * time.Millisecond}

// own is a client with connections of its own, as another process would have.
func (r *rig) own(t *testing.T) *kube.Client {
	t.Helper()
	config, err := r.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	c, err := kube.New(config, "lab", "default")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOfManyThatWantALeaseOneGetsIt: fifty races of two to eight, of which every second is for a Lease that is new.
func TestOfManyThatWantALeaseOneGetsIt(t *testing.T) {
	r := theLab(t)
	t.Parallel()
	clients := make([]*kube.Client, 8)
	for i := range clients {
		clients[i] = r.own(t)
	}
	for race := range 50 {
		group := fmt.Sprintf("race-%s-%d", uuid.NewString()[:8], race/2)
		if race%2 == 1 {
			group = "race-again"
		}
		var winners, told atomic.Int32
		var held atomic.Pointer[lock.Held]
		var all sync.WaitGroup
		ready := make(chan struct{})
		contenders := 2 + race%7
		for i := range contenders {
			all.Go(func() {
				<-ready
				h, err := lock.Lease(t.Context(), clients[i], "default", group, lock.Holder{Run: fmt.Sprint("r", i)}, lock.Options{Times: short})
				switch {
				case err == nil:
					winners.Add(1)
					held.Store(h)
				case errors.Is(err, lock.ErrHeld):
					told.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		close(ready)
		all.Wait()
		if winners.Load() != 1 || int(told.Load()) != contenders-1 {
			t.Fatalf("race %d of %d: %d won, %d were told", race, contenders, winners.Load(), told.Load())
		}
		select {
		case <-held.Load().Lost():
			t.Errorf("race %d: the winner has lost it", race)
		default:
		}
		if err := held.Load().Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestLeaseHolderProcess is the process that the next test kills.
func TestLeaseHolderProcess(t *testing.T) {
	path := os.Getenv("PLAN_TEST_HOLD_LEASE")
	if path == "" {
		t.Skip("it is the other process of TestALeaseOfAKilledProcessIsTakenOver")
	}
	c, err := kube.Load(kube.Config{Kubeconfig: path})
	if err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	if _, err := lock.Lease(t.Context(), c, "default", "killed", lock.Holder{Run: "dead", Host: host, PID: os.Getpid()}, lock.Options{Times: short}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("held")
	time.Sleep(time.Hour)
}

// holder starts a test in a process of its own, and returns when that has what it is to hold.
func holder(t *testing.T, test, env string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), "PLAN_TEST_LAB=0", "CI=", env)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if lines := bufio.NewScanner(out); !lines.Scan() || lines.Text() != "held" {
		t.Fatalf("the other process says %q", lines.Text())
	}
	return cmd
}

func TestALeaseOfAKilledProcessIsTakenOver(t *testing.T) {
	r := theLab(t)
	c := r.own(t)
	for name, o := range map[string]lock.Options{
		"after a while":           {Times: short},
		"at once by the same run": {Times: lock.Times{}, Takeover: func(h lock.Holder) bool { return h.Run == "dead" }},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := holder(t, "TestLeaseHolderProcess", "PLAN_TEST_HOLD_LEASE="+r.Kubeconfig)
			_, err := lock.Lease(t.Context(), c, "default", "killed", lock.Holder{Run: "next"}, lock.Options{Times: short})
			held, ok := errors.AsType[*lock.HeldError](err)
			if !ok || held.Holder.PID != cmd.Process.Pid || held.Holder.Run != "dead" {
				t.Fatalf("while it lives: %v", err)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed
			h, err := lock.Lease(t.Context(), c, "default", "killed", lock.Holder{Run: "next"}, o)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func begun(id string) engine.RunStartedRecord {
	return engine.RunStartedRecord{Run: id, Invocation: 1, Plan: "nightly", File: "nightly.yaml", Started: time.Now().UTC().Truncate(time.Second)}
}

// attempts are the numbers of the attempts in a run.
func attempts(t *testing.T, s runstore.Store, id string) (all []int) {
	t.Helper()
	entries, err := s.Read(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if a, ok := e.Record.(engine.AttemptStartedRecord); ok {
			all = append(all, a.Attempt)
		}
	}
	return all
}

// TestJournalInTheClusterOutlivesTheAPIServer: it is killed and comes back while a run is written.
func TestJournalInTheClusterOutlivesTheAPIServer(t *testing.T) {
	r := theLab(t)
	r.ownServers(t)
	s, id := runstore.Cluster(r.own(t), "default"), uuid.NewString()
	j, err := s.Create(t.Context(), id, begun(id))
	if err != nil {
		t.Fatal(err)
	}
	var confirmed atomic.Int32
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 1; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := j.Append(context.WithoutCancel(t.Context()), engine.AttemptStartedRecord{Step: "x", Attempt: i}); err != nil {
				done <- err
				return
			}
			confirmed.Store(int32(i))
		}
	}()
	for confirmed.Load() < 20 {
		time.Sleep(time.Millisecond)
	}
	r.kill(t, "kube-apiserver")
	before := confirmed.Load()
	r.restart(t)
	for confirmed.Load() < before+20 && len(done) == 0 {
		time.Sleep(time.Millisecond)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var want []int
	for i := range int(confirmed.Load()) {
		want = append(want, i+1)
	}
	if diff := cmp.Diff(want, attempts(t, s, id)); diff != "" {
		t.Error(diff)
	}
	t.Logf("%d appends, the server was killed after %d", len(want), before)
}

func TestOfTwoWritersOfARunTheFirstStops(t *testing.T) {
	r := theLab(t)
	s, other, id := runstore.Cluster(r.own(t), "default"), runstore.Cluster(r.own(t), "default"), uuid.NewString()
	first, err := s.Create(t.Context(), id, begun(id))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Create(t.Context(), id, begun(id)); !errors.Is(err, runstore.ErrExists) {
		t.Errorf("a second of that id: %v", err)
	}
	if err := first.Append(t.Context(), engine.AttemptStartedRecord{Step: "x", Attempt: 1}); err != nil {
		t.Fatal(err)
	}
	second, entries, err := other.Open(t.Context(), id)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	if err := first.Append(t.Context(), engine.AttemptStartedRecord{Step: "x", Attempt: 9}); !errors.Is(err, runstore.ErrForeignWriter) {
		t.Errorf("the first one: %v", err)
	}
	if err := second.Append(t.Context(), engine.AttemptStartedRecord{Step: "x", Attempt: 2}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]int{1, 2}, attempts(t, s, id)); diff != "" {
		t.Error(diff)
	}
	r.cancelledAndDeleted(t, s, second, id)
}

// cancelledAndDeleted is how a run ends that somebody cancels and then deletes.
func (r *rig) cancelledAndDeleted(t *testing.T, s *runstore.ClusterStore, j runstore.Journal, id string) {
	t.Helper()
	if err := s.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if asked, err := s.Cancelled(t.Context(), id); !asked || err != nil {
		t.Errorf("cancelled: %t, %v", asked, err)
	}
	if err := j.Append(t.Context(), engine.RunFinishedRecord{Outcome: engine.RunCancelled, ExitCode: engine.ExitInterrupted}); err != nil {
		t.Fatal(err)
	}
	list, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := runstore.Find(list, id[:30])
	if err != nil || found.ID != id || found.History.Ended == nil {
		t.Errorf("found %+v, %v", found, err)
	}
	if err := s.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plan-run-" + id, id + "-cancel"} {
		if _, err := r.kube.CoreV1().ConfigMaps("default").Get(t.Context(), name, metav1.GetOptions{}); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
}
