package etcd_test

import (
	"strings"
	"testing"

	"plan/internal/checks"
	"plan/internal/checks/etcd"
	"plan/internal/etcdsnapshot"
	"plan/internal/etcdsnapshot/snapshottest"
	"plan/internal/objectstore/s3test"
	"plan/steps/steptest"
)

// TestWhatIsJudgedByItsAgeIsLookedInto: a newer one that was made by hand does not take its place.
func TestWhatIsJudgedByItsAgeIsLookedInto(t *testing.T) {
	for depth, want := range map[string]string{"age": "OK=pass", "structure": "OK=pass", "checksum": "DAMAGED=fail", "open": "DAMAGED=fail"} {
		w := newWorld(t, server("server-1"))
		bad := sound(t)
		bad[9000] ^= 1
		w.put("on-demand-server-1", hour, sound(t), meta("server-1"))
		scheduled := w.put("etcd-snapshot-server-1", 2*hour, bad, meta("server-1"))
		o := w.must(t, func(c *etcd.Check) { c.Depth = depth })
		if names(o, false) != want {
			t.Errorf("%s: %s", depth, o.Reason())
		}
		if want == "OK=pass" && (find(t, o, checks.OK)["object"] != scheduled || find(t, o, checks.OK)["data"].(map[string]any)["depth"] != depth) {
			t.Errorf("%s: %v", depth, find(t, o, checks.OK))
		}
	}
}

// TestASnapshotTooLargeToOpenIsNotOpened: a zip file of a few kilobytes says that it holds more than etcd supports.
func TestASnapshotTooLargeToOpenIsNotOpened(t *testing.T) {
	w := newWorld(t, server("server-1"))
	k := key("etcd-snapshot-server-1", hour)
	data, err := snapshottest.ZipSaying(strings.TrimPrefix(k, folder), etcdsnapshot.MaxOpen+512+32)
	if err != nil {
		t.Fatal(err)
	}
	w.bucket.Store(k+".zip", s3test.Object{Body: data, Metadata: meta("server-1"), LastModified: steptest.Started.Add(-hour)})
	for depth, want := range map[string]string{"age": "OK=pass", "checksum": "DAMAGED=fail", "open": "TOO_LARGE=unknown"} {
		if o := w.must(t, func(c *etcd.Check) { c.Depth = depth }); names(o, false) != want {
			t.Errorf("%s: %s", depth, o.Reason())
		}
	}
}
