//go:build linux

package rigs

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// runID is the run's id everywhere, so that names made from it are the same.
const runID = "rig"

// reference is a plan and what one run of it comes to that nothing disturbs. Comments in the file say what it is made for: the exit code,
// a cluster that is empty, state in the cluster.
type reference struct {
	name, text string
	exit       int
	empty      bool
	inCluster  bool

	state state
	calls map[string]int // of the hook
	made  map[string]int // writes that were executed
	took  time.Duration
}

// references are the plans of the folder, each run once. Tests of this package do not run in parallel.
func references(t testing.TB) []*reference {
	t.Helper()
	if shared.references != nil {
		return shared.references
	}
	files, err := filepath.Glob("plans/*.yaml")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d plans: %v", len(files), err)
	}
	var list []*reference
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := &reference{name: strings.TrimSuffix(filepath.Base(file), ".yaml"), text: string(data)}
		exit := strings.TrimPrefix(strings.SplitN(r.text, "\n", 2)[0], "# exit: ")
		if r.exit, err = strconv.Atoi(exit); err != nil {
			t.Fatalf("%s does not begin with its exit code: %v", file, err)
		}
		r.empty, r.inCluster = strings.Contains(r.text, "# cluster: empty"), strings.Contains(r.text, "# state: cluster")
		list = append(list, r)
	}
	list = onlyPlans(list)
	for _, r := range list {
		r.run(t)
	}
	shared.references = list
	return list
}

func (r *reference) run(t testing.TB) {
	t.Helper()
	w := newWorld(t, r)
	defer w.end()
	got := w.run(t, start{args: w.apply()})
	if got.code != r.exit {
		t.Fatalf("plan %s undisturbed: want exit %d\n%s", r.name, r.exit, got)
	}
	r.state, r.calls, r.made, r.took = w.state(t, got), w.hook.counts(), w.made(), got.took
}

// apply are the arguments that begin the run. In a pod they are also those that go on with it.
func (w *world) apply() []string {
	if w.inCluster {
		return []string{"apply", "plan.yaml", "-o", "json"}
	}
	return []string{"apply", "plan.yaml", "--run-id", runID, "-o", "json"}
}

// made is what all servers were made to do, but for the run's own records, its lock, and what it asks about its rights, which changes nothing.
func (w *world) made() map[string]int {
	all := map[string]int{}
	for name, f := range map[string]*front{"kubernetes": w.kubeFront, "s3": w.s3Front, "bitwarden": w.bwFront} {
		for what, n := range f.executed() {
			if !strings.Contains(what, "/configmaps") && !strings.Contains(what, "/leases") && !strings.Contains(what, "/selfsubjectaccessreviews") {
				all[normal(name+" "+what)] += n
			}
		}
	}
	return all
}

func sorted[V any](m map[string]V) (lines []string) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, fmt.Sprintf("%s: %v", key, m[key]))
	}
	return lines
}
