package podlogs_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"plan/internal/kube/kubetest"
	"plan/internal/podlogs"
)

// trial is one log and what befalls those who read it.
type trial struct {
	seed   uint64
	clock  string
	lines  int
	cuts   int
	reach  int  // no stream is cut behind so many bytes
	newest bool // the last line has no newline
	left   int  // cuts that were not made
}

// witness knows which lines have to come.
type witness struct {
	lines []logged
	next  int
	wrong string // the first thing that is
}

func (w *witness) line(l podlogs.Line) {
	switch {
	case w.wrong != "" || l.Notice != "" && !l.Gap:
		return
	case l.Gap:
		w.wrong = fmt.Sprintf("at line %d: %s", w.next, l)
	case w.next == len(w.lines):
		w.wrong = fmt.Sprintf("line %q after the end", l.Text)
	case l.Text != w.lines[w.next].String() || !l.Time.Equal(w.lines[w.next][0].at):
		w.wrong = fmt.Sprintf("line %d is %s %.100q, want %s %.100q", w.next, l.Time, l.Text, w.lines[w.next][0].at, w.lines[w.next])
	}
	w.next++
}

// end tells what is wrong, when no line comes any more.
func (w *witness) end(err error) string {
	switch {
	case w.wrong == "" && err != nil:
		return err.Error()
	case w.wrong == "" && w.next != len(w.lines):
		return fmt.Sprintf("%d lines of %d came", w.next, len(w.lines))
	}
	return w.wrong
}

// try follows a log over cuts while it is written, and returns what is wrong.
func (tr *trial) try(t *testing.T) (wrong string) {
	s := kubetest.New(t) // outside of the bubble: it listens, though nobody dials
	synctest.Test(t, func(t *testing.T) {
		s.Drop() // what it waits for belongs to the bubble from now on
		r := rand.New(rand.NewPCG(tr.seed, 1))
		w := &witness{lines: write(r, clocks()[tr.clock], tr.lines)}
		k := &knife{r: rand.New(rand.NewPCG(tr.seed, 2)), left: tr.cuts, reach: tr.reach}
		log := s.Log("jobs", "nightly-x7k2p", "main")
		log.Cut = k.cut
		log.Start()
		f := podlogs.Follow(t.Context(), client(t, s), "jobs", podlogs.Options{Workload: "nightly", Line: w.line})
		f.Pod(state(running))
		for i, l := range w.lines {
			for j, p := range l {
				if j == len(l)-1 && !(tr.newest && i == len(w.lines)-1) {
					p.text += "\n"
				}
				log.Part(p.at, p.text)
			}
			if r.IntN(max(10, tr.lines/100)) == 0 {
				time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
			}
		}
		log.End()
		time.Sleep(time.Duration(r.IntN(5000)) * time.Millisecond)
		f.Pod(state(ended))
		wrong, tr.left = w.end(f.Wait(t.Context())), k.left
	})
	return wrong
}

// TestEveryLineComesOnceOverCuts at any byte, at any times of the lines, though many are equal.
func TestEveryLineComesOnceOverCuts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SampledFrom([]string{"steady", "coarse", "stopped", "two streams", "halting", "jumping to and fro"})
		tr := trial{seed: rapid.Uint64().Draw(rt, "seed"), clock: names.Draw(rt, "clock"), lines: rapid.IntRange(0, 200).Draw(rt, "lines"),
			cuts: rapid.IntRange(0, 20).Draw(rt, "cuts"), reach: rapid.IntRange(1, 10000).Draw(rt, "reach"), newest: rapid.Bool().Draw(rt, "newest")}
		if wrong := tr.try(t); wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// TestALongLogComesOnceOverAHundredCuts has PLAN_LOG_LINES lines. PLAN_LOG_SEED repeats a run.
func TestALongLogComesOnceOverAHundredCuts(t *testing.T) {
	lines := 20000
	if n, err := strconv.Atoi(os.Getenv("PLAN_LOG_LINES")); err == nil {
		lines = n
	}
	seed := rand.Uint64()
	if v := os.Getenv("PLAN_LOG_SEED"); v != "" {
		var err error
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatalf("PLAN_LOG_SEED: %v", err)
		}
	}
	t.Logf("PLAN_LOG_SEED=%d", seed)
	for _, clock := range []string{"steady", "coarse", "two streams"} {
		t.Run(clock, func(t *testing.T) {
			tr := trial{seed: seed, clock: clock, lines: lines, cuts: 100, reach: lines + 400_000}
			if wrong := tr.try(t); wrong != "" {
				t.Error(wrong)
			}
			if tr.left > 0 {
				t.Errorf("%d cuts were not made: the test does not test", tr.left)
			}
		})
	}
}
