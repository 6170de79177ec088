//go:build linux

package rigs

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
)

// traceable skips a rig that cannot trace, by name; where CI is set that is a failure.
func traceable(t *testing.T, rig string) {
	t.Helper()
	why := (&tracer{}).supported()
	if why == "" {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("rig %s: %s", rig, why)
	}
	fmt.Printf("rig %s: skipped: %s\n", rig, why)
	t.Skip(why)
}

// TestKilledBeforeAnySystemCallRunsAreCarriedOn: P1, with the points counted out: the process is killed before its K-th system call that
// changes anything outside of it (files, locks, sockets), for every K until a run ends by itself.
func TestKilledBeforeAnySystemCallRunsAreCarriedOn(t *testing.T) {
	t.Parallel()
	traceable(t, "points")
	refs, s := references(t), seed(t)
	want, y := amount(t, "PLAN_RIG_POINTS", 80), newTally(s)
	var mu sync.Mutex
	points := map[string]int{}
	type point struct{ plan, at int }
	var list []point
	if total := countPoints(t, refs, points); total > want {
		random := source(s, 0)
		for range want {
			plan := random.IntN(len(refs))
			list = append(list, point{plan, 1 + random.IntN(points[refs[plan].name])})
		}
	} else {
		for i, ref := range refs {
			for at := range points[ref.name] + 15 { // runs are not all equally long
				list = append(list, point{i, 1 + at})
			}
		}
	}
	ended := 0
	each(t, len(list), func(i int) bool {
		p, ref := list[i], refs[list[i].plan]
		tr := newTrial(t, ref)
		defer tr.end()
		r := tr.run(t, start{args: tr.next(), tracer: &tracer{at: p.at, among: changing()}})
		tr.history = append(tr.history, fmt.Sprintf("killed before system call %d (of %d or so)", p.at, points[ref.name]))
		if r.signal != syscall.SIGKILL {
			tr.finish(&r)
			mu.Lock()
			ended++
			mu.Unlock()
			y.take(tr, 0)
			return true
		}
		tr.look(r)
		tr.finish(nil)
		y.take(tr, 1)
		return true
	})
	fmt.Printf("rig points: system calls of one run, by plan: %v; %d runs ended before their point\n", points, ended)
	y.figure("points", "kills before a system call")
}

// countPoints counts the system calls of one run of each plan.
func countPoints(t *testing.T, refs []*reference, points map[string]int) (total int) {
	t.Helper()
	for _, ref := range refs {
		tr := newTrial(t, ref)
		r := tr.run(t, start{args: tr.next(), tracer: &tracer{among: changing()}})
		tr.finish(&r)
		tr.end()
		points[ref.name] = r.calls
		total += r.calls
	}
	return total
}
