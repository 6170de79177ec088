//go:build linux

package rigs

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"plan/engine"
)

// soon is within what time a signal ends a run, whatever it does: the grace, and finally.
const soon = 15 * time.Second

// stops are the ways in which a run is told to stop.
var stops = [][]syscall.Signal{
	{syscall.SIGINT}, {syscall.SIGTERM}, {syscall.SIGHUP},
	{syscall.SIGINT, syscall.SIGINT}, {syscall.SIGTERM, syscall.SIGTERM}, {syscall.SIGHUP, syscall.SIGTERM},
}

// TestSignalsEndARunAsPromised: exit 130 or 143, the same 15 s later at the latest, finally after one signal and not for a run that another
// process carries on, and nothing lost.
func TestSignalsEndARunAsPromised(t *testing.T) {
	t.Parallel()
	// A signal takes a Job away, as it should, and the resumed run makes another: that is looked at on a real node.
	refs, s := slices.DeleteFunc(slices.Clone(references(t)), func(r *reference) bool { return strings.HasPrefix(r.name, "jobs") }), seed(t)
	want, y := amount(t, "PLAN_RIG_SIGNALS", 60), newTally(s)
	var mu sync.Mutex
	ends := map[string]int{}
	each(t, want, func(i int) bool {
		random := source(s, i)
		ref := refs[i%len(refs)]
		tr := newTrial(t, ref)
		defer tr.end()
		signals := stops[random.IntN(len(stops))]
		after := ref.took/4 + time.Duration(random.Int64N(int64(ref.took)*9/10)) // before that it is only starting up
		between := time.Duration(random.Int64N(int64(5 * time.Millisecond)))
		var sent time.Time
		done := make(chan struct{})
		begin := time.Now()
		r := tr.run(t, start{args: tr.next(), watch: func(p *process) {
			defer close(done)
			time.Sleep(after)
			sent = time.Now()
			for _, sig := range signals {
				p.signal(sig)
				time.Sleep(between)
			}
		}})
		<-done
		tr.history = append(tr.history, fmt.Sprintf("PLAN_RIG_SEED=%d run %d: %v after %s and %s", s, i, signals, after, between))
		if late := begin.Add(r.took).Sub(sent); late > soon {
			tr.fault(wrong, "it ended %s after the signal", late)
		}
		how := tr.judgeSignal(r, signals)
		mu.Lock()
		ends[how]++
		mu.Unlock()
		tr.look(r)
		if how == "before it" {
			tr.finish(&r)
		} else {
			tr.finish(nil)
		}
		y.take(tr, 1)
		return true
	})
	fmt.Printf("rig signals: how runs ended: %v\n", ends)
	y.figure("signals", "signals, single or double")
}

// judgeSignal holds the way in which a run ended against its signals, and names it.
func (tr *trial) judgeSignal(r result, signals []syscall.Signal) string {
	tr.t.Helper()
	code := engine.ExitTerminated
	if signals[0] == syscall.SIGINT {
		code = engine.ExitInterrupted
	}
	entries, _ := tr.entries()
	recorded := len(entries) > 0
	switch {
	case r.signal != 0 && finished(entries) && slices.Contains(signals, r.signal):
		return "after its end, while it left"
	case r.signal != 0:
		if !slices.Contains(signals, r.signal) || recorded {
			tr.fault(wrong, "it was ended by %v, and recorded is %d: %s", r.signal, len(entries), r)
		}
		return "before the program listened"
	case r.code == tr.ref.exit && finished(entries):
		return "before it"
	case r.code != code && !(len(signals) == 2 && (r.code == engine.ExitInterrupted || r.code == engine.ExitTerminated)):
		tr.fault(wrong, "exit %d after %v, want %d: %s", r.code, signals, code, r)
		return "otherwise"
	case !recorded:
		if calls := tr.hook.counts(); len(calls) > 0 {
			tr.fault(wrong, "it says that nothing was done, and called %v", calls)
		}
		return "before its first step"
	}
	return tr.judgeFinally(r, entries, signals)
}

// judgeFinally: after one signal finally runs, unless the run goes on elsewhere.
func (tr *trial) judgeFinally(r result, entries []engine.JournalEntry, signals []syscall.Signal) string {
	tr.t.Helper()
	suspended := tr.inCluster && signals[0] != syscall.SIGINT
	has := strings.Contains(tr.ref.text, "/end")
	called := tr.hook.counts()["/end"] > 0
	switch {
	case len(signals) == 2:
		return "by two"
	case suspended:
		if called && !tr.finalBefore(entries) {
			tr.fault(wrong, "finally ran although the run goes on elsewhere: %s", r)
		}
		return "suspended"
	case has && !called:
		tr.fault(wrong, "finally did not run: %s", r)
	}
	return "by one, with finally"
}

// finalBefore tells whether finally had begun before the signal came.
func (*trial) finalBefore(entries []engine.JournalEntry) bool {
	return slices.ContainsFunc(entries, func(e engine.JournalEntry) bool {
		r, ok := e.Record.(engine.AttemptStartedRecord)
		return ok && r.Final
	})
}

func finished(entries []engine.JournalEntry) bool {
	return slices.ContainsFunc(entries, func(e engine.JournalEntry) bool { _, ok := e.Record.(engine.RunFinishedRecord); return ok })
}
