//go:build linux

package rigs

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// tally counts over all trials of a rig.
type tally struct {
	mu                    sync.Mutex
	runs, tries           int
	lost, repeated, wrong int
	begin                 time.Time
	seed                  uint64
}

func newTally(seed uint64) *tally { return &tally{begin: time.Now(), seed: seed} }

// take counts a trial.
func (y *tally) take(tr *trial, tries int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.runs++
	y.tries += tries
	for kind, n := range map[string]*int{lost: &y.lost, repeated: &y.repeated, wrong: &y.wrong} {
		if tr.has(kind) {
			*n++
		}
	}
}

// tried is how much was tried so far.
func (y *tally) tried() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.tries
}

// figure prints the line of a rig, for people and for the report of `make reliability`.
func (y *tally) figure(rig, what string) {
	fmt.Printf("rig %s: %d %s in %d runs, %d lost, %d repeated, %d wrong, seed %d, %.0f s\n", rig, y.tries, what, y.runs, y.lost, y.repeated, y.wrong, y.seed, time.Since(y.begin).Seconds())
}

// each runs f for 0…n-1, on as many processors as there are, until it gives false. It ends at the first failure, since one cause has many
// faces; PLAN_RIG_ALL=1 goes on. PLAN_RIG_LIMIT, a duration, ends it when it is over; the figure then tells how much there was.
func each(t *testing.T, n int, f func(i int) bool) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := 0
	limit, err := time.ParseDuration(cmp.Or(os.Getenv("PLAN_RIG_LIMIT"), "100h"))
	if err != nil {
		t.Fatalf("PLAN_RIG_LIMIT: %v", err)
	}
	end := time.Now().Add(limit)
	for range max(runtime.GOMAXPROCS(0), 2) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n || t.Failed() && os.Getenv("PLAN_RIG_ALL") == "" || time.Now().After(end) {
					return
				}
				if !f(i) {
					return
				}
			}
		})
	}
	wg.Wait()
}
