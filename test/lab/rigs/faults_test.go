package rigs

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestFaultsAreNeverTakenForSuccess: requests to the API server, S3 and Bitwarden fail at random, and whatever a run then says is true.
// Going on with it without faults ends as if there had been none.
func TestFaultsAreNeverTakenForSuccess(t *testing.T) {
	r := theWorld(t)
	runs, begin := number(t, "PLAN_RIG_FAULTS", 21), time.Now()
	r.calm(t, r.workers[0])
	codes, done := tally{}, tally{}
	var next, ended, untrue atomic.Int32
	dir := t.TempDir()
	var group errgroup.Group
	for _, w := range r.workers[:workers()] {
		group.Go(func() error {
			own := filepath.Join(dir, fmt.Sprint("worker-", w.slot))
			if err := os.MkdirAll(own, 0o700); err != nil {
				return err
			}
			net, err := r.network(own)
			if err != nil {
				return err
			}
			defer net.end()
			for n := int(next.Add(1)); n <= runs && untrue.Load() < 20 && inTime(begin); n = int(next.Add(1)) {
				percent := []int{5, 20}[n%2]
				ref := references()[n/2%len(references())]
				code, err := r.faultyRun(t.Context(), w, net, dir, ref, n, percent)
				if err != nil {
					untrue.Add(1)
					t.Errorf("run %d, %s, %d %% of the requests fail, seed %d: %v", n, ref.name, percent, seed(), err)
				}
				codes.add(fmt.Sprintf("%s %d", ref.name, code))
				ended.Add(1)
			}
			net.mu.Lock()
			defer net.mu.Unlock()
			for name, n := range net.done {
				done.addN(name, n)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("rig faults: %d runs at 5 %% and 20 %%, %d untrue, seed %d, %.0f s; exit codes by plan: %s; faults: %s\n",
		ended.Load(), untrue.Load(), seed(), time.Since(begin).Seconds(), codes.String(), done.String())
}

// calm wants every reference plan to end as it must when nothing is wrong.
func (r *rig) calm(t *testing.T, w *worker) {
	t.Helper()
	dir := t.TempDir()
	for i, ref := range references() {
		for _, n := range []int{-2 * i, -2*i - 1} { // recorded here, and in the cluster
			trial, err := r.newTrial(t.Context(), dir, w, ref, 1000000-n)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := trial.try(quiet); err != nil { // on a machine that has too much to do, the first try may run out of its time
				t.Fatalf("without faults: %s: %v", ref.name, err)
			}
		}
	}
}

// faultyRun is one of them.
func (r *rig) faultyRun(ctx context.Context, w *worker, net *network, dir string, ref *reference, n, percent int) (int, error) {
	trial, err := r.newTrial(ctx, dir, w, ref, n)
	if err != nil {
		return 0, err
	}
	trial.command = trial.with(net.variables()...)
	trial.server = net.s3
	random := chance(uint64(n))
	code, err := trial.try(func() func() {
		net.set(0, nil)
		return func() { net.set(percent, random) }
	})
	net.set(0, nil)
	if err == nil {
		err = trial.forget()
	}
	return code, err
}

// share makes workers, with all that they share.
func (r *rig) share(ctx context.Context, dir string, n int) error {
	c, err := r.command(dir)
	if err != nil {
		return err
	}
	slots, err := r.newSlots(ctx, c, n)
	if err != nil {
		return fmt.Errorf("make volumes: %w", err)
	}
	h, err := r.newHistory(ctx, c)
	if err != nil {
		return fmt.Errorf("make backups: %w", err)
	}
	// What verify-all asks for.
	plan, err := c.write("ready.yaml", r.planText(r.S3.Endpoint, "ready", fmt.Sprintf(`
    - {id: pvs, uses: backup-pvs}
    - {id: nodes, uses: backup-nodes}
    - {id: token, uses: backup-node-token, with: {path: %s, to: {bitwarden: {project: homelab, key: k3s-node-token-home}}}}
`, r.NodeTokenFile())))
	if err != nil {
		return err
	}
	if _, err := c.must(0, "apply", plan); err != nil {
		return err
	}
	for i := range n {
		r.workers = append(r.workers, &worker{slot: i, history: h, restore: slots[i]})
	}
	return nil
}

// tally counts.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *tally) add(name string) { c.addN(name, 1) }

func (c *tally) addN(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[name] += n
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, name := range slices.Sorted(maps.Keys(c.n)) {
		list = append(list, fmt.Sprintf("%s: %d", name, c.n[name]))
	}
	return strings.Join(list, ", ")
}
