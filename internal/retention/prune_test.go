package retention_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/backup"
	"plan/internal/objectstore"
	"plan/internal/retention"
	"plan/internal/retention/retentiontest"
)

const uid = "5f0c1c9e-3b0a-4b0e-9a53-0d8f6f2d7c11"

var start = at("2026-03-01 02:00")

func key(cluster string, artefact backup.Artefact, night int) string {
	k, err := backup.NewKey("b/", cluster, artefact, start.AddDate(0, 0, night), fmt.Sprintf("%08x", night+1000))
	if err != nil {
		panic(err)
	}
	return k.String()
}

// add puts a backup's key and metadata; its body is never looked at here.
func add(s *retentiontest.Store, cluster, uid string, artefact backup.Artefact, night int, count int64) string {
	k := key(cluster, artefact, night)
	s.Add(k, []byte("backup"), backup.Meta{Artefact: artefact, Cluster: cluster, ClusterUID: uid, Run: "r", Count: count, Objects: count}.Map())
	return k
}

func nights(s *retentiontest.Store, from, to int) (keys []string) {
	for n := from; n <= to; n++ {
		keys = append(keys, add(s, "k3s", uid, backup.PVs, n, 5))
	}
	return keys
}

func options() retention.Options {
	return retention.Options{
		Prefix: "b/", Cluster: "k3s", ClusterUID: uid, Artefact: backup.PVs, Keep: retention.Keep{Last: 2}, MaxDelete: 50,
		Now:    start.AddDate(0, 0, 400),
		Verify: func(context.Context, objectstore.Store, string) error { return nil },
	}
}

func wantKeys(t *testing.T, s *retentiontest.Store, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, s.Keys()); diff != "" {
		t.Errorf("left in the store (-want +got):\n%s", diff)
	}
}

func wantNothingDeleted(t *testing.T, s *retentiontest.Store) {
	t.Helper()
	for _, c := range s.Calls() {
		if c.Op == "delete" || c.Op == "put" {
			t.Fatalf("%s %s", c.Op, c.Key)
		}
	}
}

func TestPrune(t *testing.T) {
	var s retentiontest.Store
	keys := nights(&s, 1, 5)
	report, err := retention.Prune(t.Context(), &s, options())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(retention.Report{Deleted: keys[:3], Kept: 2}, report); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	wantKeys(t, &s, keys[3:]...)
	if report, err = retention.Prune(t.Context(), &s, options()); err != nil || len(report.Deleted) != 0 {
		t.Errorf("the second time: %v, %v", report.Deleted, err)
	}
}

func TestPruneLeavesOtherClusters(t *testing.T) {
	var s retentiontest.Store
	var others []string
	for n := 1; n <= 4; n++ {
		others = append(others, add(&s, "k3s-prod", uid, backup.PVs, n, 5), add(&s, "my-k3s", uid, backup.PVs, n, 5), add(&s, "k3", uid, backup.PVs, n, 5))
	}
	report, err := retention.Prune(t.Context(), &s, options())
	if err != nil || len(report.Deleted) != 0 || report.Kept != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	mine := nights(&s, 1, 4)
	if _, err := retention.Prune(t.Context(), &s, options()); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, &s, append(others, mine[2:]...)...)
}

func TestPruneLeavesAnotherClusterOfTheSameName(t *testing.T) {
	var s retentiontest.Store
	var foreign []string
	for n := 1; n <= 4; n++ {
		foreign = append(foreign, add(&s, "k3s", "another-uid", backup.PVs, n, 5))
	}
	mine := nights(&s, 5, 8)
	report, err := retention.Prune(t.Context(), &s, options())
	if err != nil || report.Ignored.Count != 4 {
		t.Fatalf("%+v, %v", report, err)
	}
	wantKeys(t, &s, append(slices.Clone(foreign), mine[2:]...)...)

	o := options()
	o.OldUIDs = []string{"another-uid"}
	if _, err := retention.Prune(t.Context(), &s, o); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, &s, mine[2:]...)
}

func TestPruneLeavesSubfolders(t *testing.T) {
	var s retentiontest.Store
	mine := nights(&s, 1, 4)
	meta := backup.Meta{Artefact: backup.PVs, Cluster: "k3s", ClusterUID: uid, Count: 5, Objects: 5}.Map()
	var deeper []string
	for n := 1; n <= 4; n++ {
		name := strings.TrimPrefix(mine[n-1], "b/k3s/")
		for _, folder := range []string{"b/k3s/archive/", "b/k3s/k3s/", "b/k3s//", "b/"} {
			s.Add(folder+name, nil, meta)
			deeper = append(deeper, folder+name)
		}
	}
	if _, err := retention.Prune(t.Context(), &s, options()); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, &s, append(deeper, mine[2:]...)...)
}

func TestPruneLeavesTheOtherArtefact(t *testing.T) {
	var s retentiontest.Store
	mine := nights(&s, 1, 4)
	var nodes []string
	for n := 1; n <= 4; n++ {
		nodes = append(nodes, add(&s, "k3s", uid, backup.Nodes, n, 3))
	}
	report, err := retention.Prune(t.Context(), &s, options())
	if err != nil || report.Ignored.Count != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	wantKeys(t, &s, append(nodes, mine[2:]...)...)
}

func TestPruneLeavesTheOlderToolsObjects(t *testing.T) {
	var s retentiontest.Store
	mine := nights(&s, 1, 4)
	old := []string{
		"b/k3s/pv-backup-20250101-020000.json", "b/k3s/pvs-20250101-020000.json", "b/k3s/pvs-20250101-020000.json.gz", "b/k3s-20250101-020000.json",
		"b/k3s/2025-01-01T02:00:00.json", "b/k3s/README", "b/k3s/",
	}
	for _, k := range old {
		s.Add(k, []byte("{}"), map[string]string{"cluster": "k3s", "type": "pvs", "timestamp": "20250101-020000"})
	}
	sameName := key("k3s", backup.PVs, 0) // named like one of ours, but without our metadata
	s.Add(sameName, []byte("{}"), map[string]string{"cluster": "k3s", "type": "pvs"})
	report, err := retention.Prune(t.Context(), &s, options())
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, &s, append(append(old, sameName), mine[2:]...)...)
	want := []string{"1 × no backup's metadata", "6 × not a backup's name"}
	if diff := cmp.Diff(want, report.Ignored.Reasons()); diff != "" {
		t.Errorf("ignored (-want +got):\n%s", diff)
	}
}

func TestPruneReachesBeyondAThousandKeys(t *testing.T) {
	var s retentiontest.Store
	keys := nights(&s, 1, 2500)
	o := options()
	o.Now, o.MaxDelete = start.AddDate(0, 0, 2501), 2499
	var atOnce, most atomic.Int64
	s.Fault = func(_ context.Context, op, _ string) error {
		if op == "head" {
			most.Store(max(most.Load(), atOnce.Add(1)))
			defer atOnce.Add(-1)
		}
		return nil
	}
	report, err := retention.Prune(t.Context(), &s, o)
	if err != nil || len(report.Deleted) != 2498 || !slices.Equal(report.Deleted, keys[:2498]) {
		t.Fatalf("deleted %d, %v", len(report.Deleted), err)
	}
	wantKeys(t, &s, keys[2498:]...)
	if most.Load() > 32 {
		t.Errorf("%d HEADs at once", most.Load())
	}
}

func TestPruneAsksForMetadata32AtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s retentiontest.Store
		nights(&s, 1, 64)
		s.Fault = func(_ context.Context, op, _ string) error {
			if op == "head" {
				time.Sleep(time.Second)
			}
			return nil
		}
		o, began := options(), time.Now()
		if _, err := retention.Survey(t.Context(), &s, o); err == nil { // 62 victims
			t.Error("no error")
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("64 HEADs of a second each took %v", took)
		}
	})
}

func TestPruneIgnoresWhatIsNoSoundBackup(t *testing.T) {
	sound := backup.Meta{Artefact: backup.PVs, Cluster: "k3s", ClusterUID: uid, Count: 5, Objects: 5}.Map
	cases := map[string]struct {
		night  int
		change func(map[string]string)
		reason string
	}{
		"future":         {401, func(map[string]string) {}, "dated in the future"},
		"no metadata":    {1, func(m map[string]string) { clear(m) }, "no backup's metadata"},
		"bad hash":       {1, func(m map[string]string) { m["plan-sha256"] = "x" }, "metadata is not readable"},
		"format 2":       {1, func(m map[string]string) { m["plan-format"] = "2" }, "no backup's metadata"},
		"other cluster":  {1, func(m map[string]string) { m["plan-cluster"] = "k3s-prod" }, "metadata names another cluster"},
		"other artefact": {1, func(m map[string]string) { m["plan-artefact"] = "nodes" }, "metadata names another artefact"},
		"other uid":      {1, func(m map[string]string) { m["plan-cluster-uid"] = "u" }, "made in another cluster of that name"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var s retentiontest.Store
			mine := nights(&s, 10, 13)
			meta := sound()
			tc.change(meta)
			odd := key("k3s", backup.PVs, tc.night)
			s.Add(odd, nil, meta)
			report, err := retention.Prune(t.Context(), &s, options())
			if err != nil {
				t.Fatal(err)
			}
			want := retention.Ignored{Count: 1, ByReason: map[string]int64{tc.reason: 1}, Examples: []retention.Example{{Key: odd, Reason: tc.reason}}}
			if diff := cmp.Diff(want, report.Ignored); diff != "" {
				t.Errorf("ignored (-want +got):\n%s", diff)
			}
			wantKeys(t, &s, append(mine[2:], odd)...)
		})
	}
}

func TestPruneAllowsForSkew(t *testing.T) {
	var s retentiontest.Store
	nights(&s, 1, 3)
	o := options()
	o.Now = start.AddDate(0, 0, 3).Add(-retention.Skew)
	if report, err := retention.Prune(t.Context(), &s, o); err != nil || report.Kept != 2 || len(report.Deleted) != 1 {
		t.Errorf("%+v, %v: five minutes ahead is a clock, not a mistake", report, err)
	}
}

func TestPruneBoundsItsListOfIgnoredObjects(t *testing.T) {
	var s retentiontest.Store
	for n := range 1000 {
		s.Add(fmt.Sprintf("b/k3s/%d", n), nil, nil)
	}
	report, err := retention.Prune(t.Context(), &s, options())
	if err != nil || report.Ignored.Count != 1000 || len(report.Ignored.Examples) != 20 {
		t.Errorf("%d ignored, %d examples, %v", report.Ignored.Count, len(report.Ignored.Examples), err)
	}
}
