package podlogs_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"plan/internal/kube/kubetest"
	"plan/internal/podlogs"
)

// TestALogThatIsRotatedComesOnceOrTellsItsGaps: whatever was rotated away while no stream was open, no line comes twice, and where lines are
// missing that is told.
func TestALogThatIsRotatedComesOnceOrTellsItsGaps(t *testing.T) {
	gaps := 0
	rapid.Check(t, func(rt *rapid.T) {
		tr := trial{seed: rapid.Uint64().Draw(rt, "seed"), clock: rapid.SampledFrom([]string{"steady", "coarse", "stopped", "halting"}).Draw(rt, "clock"),
			lines: rapid.IntRange(0, 200).Draw(rt, "lines"), cuts: rapid.IntRange(0, 10).Draw(rt, "cuts"), reach: rapid.IntRange(1, 10000).Draw(rt, "reach")}
		wrong, told := tr.rotate(t)
		if wrong != "" {
			rt.Fatal(wrong)
		}
		gaps += told
	})
	if gaps == 0 {
		t.Error("no line was ever rotated away: the test does not test")
	}
}

// gapWitness knows that lines are numbers that go up by one, but where a gap is told.
type gapWitness struct {
	next  int
	gap   bool
	gaps  int
	wrong string
}

func (w *gapWitness) line(l podlogs.Line) {
	if l.Notice != "" {
		w.gap = w.gap || l.Gap
		return
	}
	n, _ := strconv.Atoi(l.Text)
	w.comes(n)
}

// comes takes the number of a line. Nobody knows what stood before the first line that was ever read.
func (w *gapWitness) comes(n int) {
	missing := n > w.next && w.next > 0
	if n < w.next || missing && !w.gap {
		w.wrong = fmt.Sprintf("line %d came after line %d, a gap was told: %v", n, w.next-1, w.gap)
	}
	if missing {
		w.gaps++
	}
	w.next, w.gap = n+1, false
}

// rotate is try with a log that is rotated.
func (tr *trial) rotate(t *testing.T) (wrong string, gaps int) {
	s := kubetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		s.Drop()
		r := rand.New(rand.NewPCG(tr.seed, 1))
		k := &knife{r: rand.New(rand.NewPCG(tr.seed, 2)), left: tr.cuts, reach: tr.reach}
		log := s.Log("jobs", "nightly-x7k2p", "main")
		log.Cut = k.cut
		log.Start()
		w := new(gapWitness)
		f := podlogs.Follow(t.Context(), client(t, s), "jobs", podlogs.Options{Line: w.line})
		f.Pod(state(running))
		now := time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
		for n := range tr.lines {
			now = clocks()[tr.clock](r, now)
			log.Write(now, strconv.Itoa(n))
			switch r.IntN(10) {
			case 0:
				time.Sleep(time.Duration(r.IntN(5000)) * time.Millisecond)
			case 1:
				synctest.Wait() // a kubelet that is behind by more than a file loses lines by itself
				log.Rotate()
				synctest.Wait()
			}
		}
		log.End()
		f.Pod(state(ended))
		err := f.Wait(t.Context())
		w.comes(tr.lines)
		wrong, gaps = w.wrong, w.gaps
		if err != nil {
			wrong = err.Error()
		}
	})
	return wrong, gaps
}
