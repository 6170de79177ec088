package rigs

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"plan/test/lab"
	"plan/test/lab/labtest"
)

// killed are the servers that are, one after the other.
var killed = [...]string{"kube-apiserver", "etcd", "kube-controller-manager"}

// kill ends a server by SIGKILL and starts it again.
func (r *rig) kill(ctx context.Context, name string) error {
	all := lab.Status(r.Dir)
	i := slices.IndexFunc(all, func(p lab.Process) bool { return p.Name == name && p.Running })
	if i < 0 {
		return fmt.Errorf("no %s runs", name)
	}
	if err := syscall.Kill(all[i].PID, syscall.SIGKILL); err != nil {
		return err
	}
	for running := true; running; {
		time.Sleep(5 * time.Millisecond)
		running = slices.ContainsFunc(lab.Status(r.Dir), func(p lab.Process) bool { return p.PID == all[i].PID && p.Running })
	}
	_, err := lab.Start(ctx, r.Dir, lab.Options{})
	return err
}

// TestServersThatAreKilledComeBack: API server, etcd and controller manager are killed by SIGKILL and started again, one after the other,
// while runs go on. What each run says is true, and going on with it afterwards ends as if nothing had happened.
func TestServersThatAreKilledComeBack(t *testing.T) {
	labtest.Need(t)
	t.Parallel()
	r := newRig(t, lab.Options{})
	const together = 3
	if err := r.share(t.Context(), t.TempDir(), together); err != nil {
		t.Fatal(err)
	}
	kills, begin := number(t, "PLAN_RIG_RESTARTS", 3), time.Now()
	var ended atomic.Bool
	var runs, untrue atomic.Int32
	codes, dir := tally{}, t.TempDir()
	var group errgroup.Group
	var going sync.RWMutex // held by who kills, and by who must not be disturbed
	still := func() (stir func()) { going.RLock(); return going.RUnlock }
	for _, w := range r.workers {
		group.Go(func() error {
			for !ended.Load() && untrue.Load() < 10 {
				n := int(runs.Add(1))
				ref := references()[n%len(references())]
				trial, err := r.newTrial(t.Context(), dir, w, ref, n)
				if err != nil {
					return err
				}
				code, err := trial.try(still)
				if err != nil {
					untrue.Add(1)
					t.Errorf("run %d, %s, seed %d: %v", n, ref.name, seed(), err)
				}
				codes.add(fmt.Sprintf("%s %d", ref.name, code))
			}
			return nil
		})
	}
	group.Go(func() error {
		defer ended.Store(true)
		return r.killing(context.WithoutCancel(t.Context()), kills, &going, &codes, func() bool { return untrue.Load() >= 10 || !inTime(begin) })
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("rig restarts: %d runs, %d untrue, seed %d, %.0f s; kills, and exit codes by plan: %s\n", runs.Load(), untrue.Load(), seed(), time.Since(begin).Seconds(), codes.String())
}

// killing kills each server so many times, when nobody must not be disturbed, until it is enough.
func (r *rig) killing(ctx context.Context, times int, going *sync.RWMutex, done *tally, enough func() bool) error {
	random := chance(1 << 40)
	for i := 0; i < times*len(killed) && !enough(); i++ {
		time.Sleep(time.Duration(200+random.IntN(1500)) * time.Millisecond)
		going.Lock()
		err := r.kill(ctx, killed[i%len(killed)])
		going.Unlock()
		if err != nil {
			return err
		}
		done.add(killed[i%len(killed)])
	}
	return nil
}
