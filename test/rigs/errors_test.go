//go:build linux

package rigs

import (
	"encoding/json"
	"fmt"
	"sync"
	"syscall"
	"testing"
)

// TestADiskThatFailsNeverMakesASuccess: the K-th write or fsync of a file, or all from the K-th on, gives EIO or ENOSPC: of the journal, of
// events, of a lock, of a store, of a copy of the token, of the output. A run whose journal could not be written never says success; one
// that says success is one; and what was left half done is mended by resume.
func TestADiskThatFailsNeverMakesASuccess(t *testing.T) {
	t.Parallel()
	traceable(t, "errors")
	refs, s := references(t), seed(t)
	want, y := amount(t, "PLAN_RIG_ERRORS", 50), newTally(s)
	list := storingPoints(t, refs)
	if len(list) > want {
		random := source(s, 1)
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		list = list[:want]
	}
	var mu sync.Mutex
	hits := map[string]int{}
	each(t, len(list), func(i int) bool {
		p := list[i]
		tr := newTrial(t, p.ref)
		defer tr.end()
		tracer := &tracer{at: p.at, onward: p.onward, errno: p.errno, among: storing(), files: tr.dir}
		r := tr.run(t, start{args: tr.next(), tracer: tracer})
		tr.history = append(tr.history, fmt.Sprintf("call %d gives %v (onward %t): %s", p.at, p.errno, p.onward, first(r.hit, tr.dir)))
		tr.judge(r, tracer.journal())
		mu.Lock()
		hits[first(r.hit, tr.dir)]++
		mu.Unlock()
		tr.look(r)
		tr.finish(nil)
		y.take(tr, min(len(r.hit), 1))
		return true
	})
	fmt.Printf("rig errors: what failed: %v\n", hits)
	y.figure("errors", "failed writes and fsyncs")
}

// diskFault is one way in which a disk fails.
type diskFault struct {
	ref    *reference
	at     int
	errno  syscall.Errno
	onward bool
}

// storingPoints are all of all plans.
func storingPoints(t *testing.T, refs []*reference) (list []diskFault) {
	t.Helper()
	for _, ref := range refs {
		tr := newTrial(t, ref)
		r := tr.run(t, start{args: tr.next(), tracer: &tracer{among: storing(), files: tr.dir}})
		tr.end()
		for at := range r.calls {
			for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
				for _, onward := range []bool{false, true} {
					list = append(list, diskFault{ref, at + 1, errno, onward})
				}
			}
		}
	}
	return list
}

// first is the first file that was hit, without what differs from run to run.
func first(hit []string, dir string) string {
	if len(hit) == 0 {
		return "nothing"
	}
	name := normal(hit[0][min(len(dir), len(hit[0])):])
	if len(name) > 60 {
		name = name[:60]
	}
	return name
}

// judge compares what a run said whose disk failed with what is so.
func (tr *trial) judge(r result, journal bool) {
	tr.t.Helper()
	var document struct {
		Kind     string
		Outcome  string
		ExitCode int
	}
	_ = json.Unmarshal([]byte(r.stdout), &document) // it may be what could not be written
	switch {
	case r.signal != 0 || r.code == 2 && tr.ref.exit != 2 && tr.recorded() > 1:
		tr.fault(wrong, "it ended with %s", r)
	case journal && r.code == 0:
		tr.fault(wrong, "exit 0 although the journal could not be written")
	case journal && document.Kind == "Run" && (document.Outcome == "succeeded" || document.ExitCode == 0):
		tr.fault(wrong, "its document says %s, exit %d although the journal could not be written; the process' exit is %d\n%s", document.Outcome, document.ExitCode, r.code, r)
	case r.code == tr.ref.exit && r.code == 0:
		for _, line := range differences(tr.ref.state, tr.state(tr.t, r)) {
			tr.fault(wrong, "exit 0, and %s", line)
		}
	}
}

// recorded is how many records the journal has.
func (tr *trial) recorded() int {
	entries, _ := tr.entries()
	return len(entries)
}
