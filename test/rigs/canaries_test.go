//go:build linux

package rigs

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"plan/internal/bitwarden/bwtest"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore/s3test"
)

// ways are how a run with canaries goes, and what its servers do; some keep it from beginning.
var ways = []struct {
	name  string
	spoil func(*world)
	stop  syscall.Signal
	none  bool // it does not begin
}{
	{"undisturbed", func(*world) {}, 0, false},
	{"killed", func(*world) {}, syscall.SIGKILL, false},
	{"interrupted", func(*world) {}, syscall.SIGINT, false},
	{"store denies", func(w *world) { w.s3.Inject(s3test.Fault{Effect: s3test.AccessDenied, Op: s3test.Put}) }, 0, false},
	{"store has another key", func(w *world) { w.s3.AccessKey = "AKIAOTHER" }, 0, true},
	{"bitwarden echoes", func(w *world) { w.bw.FailNext(bwtest.Echo(400).For(2)) }, 0, true},
	{"bitwarden echoes writes", func(w *world) { w.bw.FailNext(bwtest.Echo(500).For(4).At(bwtest.CreateSecret)) }, 0, false},
	{"cluster fails", func(w *world) { w.kube.Fail(kubetest.Fault{Path: "/secrets/new-token", Status: 500}) }, 0, false},
	{"cluster denies", func(w *world) { w.kube.Fail(kubetest.Fault{Path: "/secrets/canaries", Status: 403}) }, 0, true},
}

// TestCanariesTurnUpNowhere: P10. Secret values from everywhere, in runs that succeed, fail, are killed and interrupted, told in all forms of
// output and recorded on the machine or in the cluster: they are found where they belong and nowhere else.
func TestCanariesTurnUpNowhere(t *testing.T) {
	t.Parallel()
	s := seed(t)
	want, y := amount(t, "PLAN_RIG_CANARIES", 21), newTally(s)
	text, err := os.ReadFile("plans/canaries/all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	perRun := len(newCanaries(t, source(s, 0), string(text), false).values)
	var mu sync.Mutex
	scanned := 0
	each(t, (want+perRun-1)/perRun*len(ways), func(i int) bool {
		way, round := ways[i%len(ways)], i/len(ways)
		run := newCanaries(t, source(s, round), string(text), round%2 == 1)
		defer run.end()
		way.spoil(run.world)
		run.history = append(run.history, fmt.Sprintf("PLAN_RIG_SEED=%d run %d: %s, in the cluster %t", s, i, way.name, run.inCluster))
		run.through(way.stop, []string{"json", "text", "ndjson"}[(i+round)%3])
		if began := run.hook.counts()["/end"] > 0; began == way.none {
			run.fault(wrong, "it began: %t\n%s", began, run.seen["1: stderr"])
		}
		mu.Lock()
		scanned += run.scan()
		mu.Unlock()
		if len(run.faults) > 0 {
			run.tell(result{})
		}
		y.take(run.trial, 0)
		return true
	})
	y.tries = (want + perRun - 1) / perRun * perRun
	fmt.Printf("rig canaries: %d bytes looked through for each value in 9 forms, %d ways a run can go\n", scanned, len(ways))
	y.figure("canaries", "secret values")
}

// canaryRun is a run with canaries and everything that was seen of it.
type canaryRun struct {
	*trial
	*canaries
	seen map[string][]byte
}

func newCanaries(t testing.TB, random *rand.Rand, plan string, inCluster bool) *canaryRun {
	t.Helper()
	ref := &reference{name: "canaries", text: plan, inCluster: inCluster}
	run := &canaryRun{newTrial(t, ref), &canaries{random, map[string]string{}}, map[string][]byte{}}
	run.hide(t, run.world)
	return run
}

// through runs, stops, goes on with and looks at a run, and keeps all that is said.
func (run *canaryRun) through(stop syscall.Signal, format string) {
	run.t.Helper()
	number := 0
	keep := func(s start) {
		number++
		r := run.run(run.t, s)
		run.seen[fmt.Sprintf("%d: stdout", number)] = []byte(r.stdout)
		run.seen[fmt.Sprintf("%d: stderr", number)] = []byte(r.stderr)
	}
	apply := []string{"apply", "plan.yaml", "--allow-exec", "-o", format}
	if !run.inCluster {
		apply = append(apply, "--run-id", runID)
	}
	keep(start{args: apply, watch: func(p *process) { run.watchArguments(p, stop) }})
	again := apply
	if entries, err := run.entries(); err == nil && len(entries) > 0 && !run.inCluster {
		again = []string{"resume", runID, "--allow-exec", "-o", format}
	}
	keep(start{args: again})
	for _, args := range [][]string{{"status", runID}, {"logs", runID}, {"runs", "-o", "json"}, {"validate", "plan.yaml"}, {"env", "plan.yaml"}} {
		keep(start{args: args})
	}
}

// watchArguments looks at the arguments of the process as anybody on the machine can, and stops it when it calls the hook.
func (run *canaryRun) watchArguments(p *process, stop syscall.Signal) {
	for range 2000 {
		p.mu.Lock()
		pid, ended := p.pid, p.ended
		var line []byte
		if !ended {
			line, _ = os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		}
		p.mu.Unlock()
		if ended {
			return
		}
		run.arguments(line)
		if stop != 0 && len(run.hook.counts()) > 0 {
			p.signal(stop)
			stop = 0
		}
		time.Sleep(time.Millisecond)
	}
}

func (run *canaryRun) arguments(line []byte) {
	for name, value := range run.values {
		if bytes.Contains(line, []byte(value)) {
			run.fault(wrong, "the process has %s among its arguments", name)
		}
	}
}

// scan looks for every form of every value in all that was seen and all that is left, and gives how much that was.
func (run *canaryRun) scan() (size int) {
	run.t.Helper()
	run.collect()
	for place, data := range run.seen {
		size += len(data)
		for name, value := range run.values {
			for form, text := range forms(value) {
				if bytes.Contains(data, []byte(text)) {
					at := bytes.Index(data, []byte(text))
					run.fault(wrong, "%s stands in %s, %s: …%s…", name, place, form, data[max(at-120, 0):min(at+len(text)+40, len(data))])
				}
			}
		}
	}
	return size
}

// collect takes what is left: files other than those that the values came from or were to go to, the bucket, the cluster but for Secrets,
// what the hook was told.
func (run *canaryRun) collect() {
	run.t.Helper()
	belongs := map[string]bool{"canaries": true, "server": true, "held": true}
	err := filepath.WalkDir(run.dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(run.dir, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && belongs[name]:
			return filepath.SkipDir
		case d.IsDir():
			return nil
		}
		data, err := os.ReadFile(path)
		run.seen["file "+name] = data
		return err
	})
	if err != nil {
		run.t.Fatal(err)
	}
	for key, o := range run.s3.Objects() {
		run.seen["bucket "+key] = fmt.Appendf(nil, "%s %v %s", key, o.Metadata, o.Body)
		if r, err := gzip.NewReader(bytes.NewReader(o.Body)); err == nil {
			run.seen["bucket unpacked "+key], _ = io.ReadAll(r)
		}
	}
	for path, object := range run.kube.Objects() {
		if !strings.Contains(path, "/secrets/") {
			run.seen["kubernetes "+path] = []byte(object)
		}
	}
	for path, body := range run.hook.bodies() {
		run.seen["hook "+path[:min(len(path), 4)]] = []byte(body)
	}
	entries, _ := run.entries() // the cluster's are packed
	for i, e := range entries {
		data, err := json.Marshal(e.Record)
		if err != nil {
			run.t.Fatal(err)
		}
		run.seen[fmt.Sprintf("record %d", i)] = data
	}
}
