//go:build linux

package rigs

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// mostKills is how often one run is killed at most.
const mostKills = 5

// TestKilledAtRandomTimesRunsAreCarriedOn: P1, by SIGKILL after random times, up to five times a run.
func TestKilledAtRandomTimesRunsAreCarriedOn(t *testing.T) {
	t.Parallel()
	refs, s := references(t), seed(t)
	want, y := amount(t, "PLAN_RIG_KILLS", 100), newTally(s)
	each(t, want*100, func(i int) bool {
		random := source(s, i)
		ref := refs[i%len(refs)]
		tr := newTrial(t, ref)
		defer tr.end()
		tr.history = append(tr.history, fmt.Sprintf("PLAN_RIG_SEED=%d run %d", s, i))
		var last *result
		kills := 0
		for range 1 + random.IntN(mostKills) {
			after := time.Duration(random.Int64N(int64(ref.took) * 5 / 4))
			r := tr.run(t, start{args: tr.next(), watch: func(p *process) { time.Sleep(after); p.signal(syscall.SIGKILL) }})
			tr.history = append(tr.history, fmt.Sprintf("killed after %s (%d)", after, r.signal))
			if r.signal != syscall.SIGKILL {
				last = &r
				break
			}
			kills++
			tr.look(r)
		}
		tr.finish(last)
		y.take(tr, kills)
		return y.tried() < want
	})
	y.figure("kills", "kills")
}
