package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/checks"
	"plan/internal/checks/etcd"
	"plan/internal/etcdsnapshot/snapshottest"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore/s3test"
	"plan/steps/steptest"
)

// TestTheNewestIsFoundBehindAThousandKeys (A8).
func TestTheNewestIsFoundBehindAThousandKeys(t *testing.T) {
	w := newWorld(t, server("z"))
	for i := range 2400 {
		w.put(fmt.Sprintf("etcd-snapshot-a%04d", i), 100*day, []byte("old"), meta("a"))
	}
	newest := w.put("etcd-snapshot-z", hour, sound(t), meta("z"))
	o := w.must(t, nil)
	if o.Verdict() != checks.Pass || o.Outputs["newest"] != newest || o.Outputs["snapshots"] != int64(2401) {
		t.Errorf("%s %v", o.Reason(), o.Outputs)
	}
}

// TestAFailedVerificationFails (A9): the verdict of what is stale is fail, and the kind hands it on.
func TestAFailedVerificationFails(t *testing.T) {
	w := newWorld(t, server("server-1"))
	w.put("etcd-snapshot-server-1", 3*day, sound(t), meta("server-1"))
	if o := w.must(t, nil); o.Verdict() != checks.Fail || find(t, o, checks.Stale)["cause"] != "nothing newer is under "+folder {
		t.Error(o.Reason())
	}
}

// TestAFreshReadmeIsNoSnapshot (A10).
func TestAFreshReadmeIsNoSnapshot(t *testing.T) {
	w := newWorld(t, server("server-1"))
	w.put("etcd-snapshot-server-1", 3*day, sound(t), meta("server-1"))
	for _, name := range []string{"README.md", "etcd-snapshot-server-1", ".metadata/etcd-snapshot-server-1-1772409600", "x/etcd-snapshot-server-1-1772409600"} {
		w.bucket.Store(folder+name, s3test.Object{LastModified: steptest.Started})
	}
	o := w.must(t, nil)
	if got, want := names(o, true), "LEFT_OUT=none NODE_BEHIND=none NO_RECORD=none STALE=fail"; got != want {
		t.Errorf("%s: %s", got, o.Reason())
	}
}

// TestASnapshotOfTheFutureDoesNotPass (A11), alone or beside a stale one or a fresh one.
func TestASnapshotOfTheFutureDoesNotPass(t *testing.T) {
	for name, tc := range map[string]struct {
		others []time.Duration
		want   string
	}{
		"alone":          {nil, "FUTURE_DATED=fail"},
		"beside a stale": {[]time.Duration{3 * day}, "FUTURE_DATED=fail STALE=fail"},
		"beside a fresh": {[]time.Duration{hour}, "FUTURE_DATED=fail OK=pass"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, server("server-1"))
			w.put("etcd-snapshot-server-1", -3*day, sound(t), meta("server-1"))
			for _, age := range tc.others {
				w.put("etcd-snapshot-server-1", age, sound(t), meta("server-1"))
			}
			if o := w.must(t, nil); names(o, false) != tc.want || o.Verdict() != checks.Fail || o.Outputs["snapshots"] != int64(len(tc.others)) {
				t.Errorf("%s %v", o.Reason(), o.Outputs)
			}
		})
	}
}

func TestASkewOfMinutesIsNoFuture(t *testing.T) {
	w := newWorld(t, server("server-1"))
	w.put("etcd-snapshot-server-1", -4*time.Minute, sound(t), meta("server-1"))
	if o := w.must(t, nil); o.Verdict() != checks.Pass || o.Outputs["age"] != time.Duration(0) {
		t.Errorf("%s %v", o.Reason(), o.Outputs)
	}
}

func TestAFreshOnDemandSnapshotDoesNotHideADeadSchedule(t *testing.T) {
	cases := map[string]struct {
		args      []string
		scheduled map[string]time.Duration
		byHand    map[string]time.Duration
		want      string
	}{
		"both fresh":                      {nil, map[string]time.Duration{"etcd-snapshot": 2 * hour}, map[string]time.Duration{"on-demand": hour}, "NO_RECORD=none OK=pass ON_DEMAND=none"},
		"the schedule is dead":            {nil, map[string]time.Duration{"etcd-snapshot": 3 * day}, map[string]time.Duration{"on-demand": hour}, "NO_RECORD=none ON_DEMAND=none STALE=fail"},
		"dead, by hand under a name":      {nil, map[string]time.Duration{"etcd-snapshot": 3 * day}, map[string]time.Duration{"before-upgrade": hour}, "NO_RECORD=none ON_DEMAND=none STALE=fail"},
		"an older one by hand":            {nil, map[string]time.Duration{"etcd-snapshot": hour}, map[string]time.Duration{"on-demand": 9 * day}, "NO_RECORD=none OK=pass"},
		"only by hand":                    {nil, nil, map[string]time.Duration{"on-demand": hour}, "NO_RECORD=none NO_SCHEDULED=unknown OK=pass"},
		"only by hand, and old":           {nil, nil, map[string]time.Duration{"on-demand": 3 * day}, "NODE_BEHIND=none NO_RECORD=none NO_SCHEDULED=unknown STALE=fail"},
		"a timer of one's own":            {nil, map[string]time.Duration{"nightly": hour}, nil, "NO_RECORD=none OK=pass"},
		"a timer of one's own is dead":    {nil, map[string]time.Duration{"nightly": 3 * day}, map[string]time.Duration{"on-demand": hour}, "NO_RECORD=none ON_DEMAND=none STALE=fail"},
		"schedule switched off":           {[]string{"--etcd-disable-snapshots"}, nil, map[string]time.Duration{"on-demand": hour}, "NO_RECORD=none OK=pass"},
		"schedule with a name":            {[]string{"--etcd-snapshot-name", "home"}, map[string]time.Duration{"home": hour}, nil, "NO_RECORD=none OK=pass"},
		"schedule with a name, dead":      {[]string{"--etcd-snapshot-name=home"}, map[string]time.Duration{"home": 3 * day}, map[string]time.Duration{"etcd-snapshot": hour}, "NO_RECORD=none ON_DEMAND=none STALE=fail"},
		"switched off, with words before": {[]string{"--etcd-disable-snapshots=true", "--cluster-init"}, nil, map[string]time.Duration{"on-demand": hour}, "NO_RECORD=none OK=pass"},
		"not switched off":                {[]string{"--etcd-disable-snapshots=false"}, map[string]time.Duration{"etcd-snapshot": 3 * day}, map[string]time.Duration{"on-demand": hour}, "NO_RECORD=none ON_DEMAND=none STALE=fail"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, server("server-1", tc.args...))
			w.Kube.Add(snapshotFiles, "ETCDSnapshotFile")
			for _, group := range []map[string]time.Duration{tc.scheduled, tc.byHand} {
				for base, age := range group {
					w.put(base+"-server-1", age, sound(t), meta("server-1"))
				}
			}
			if o := w.must(t, nil); names(o, true) != tc.want {
				t.Errorf("%s: %s", names(o, true), o.Reason())
			}
		})
	}
}

// TestAnEmptySnapshotFailsUntilASoundOneFollows.
func TestAnEmptySnapshotFailsUntilASoundOneFollows(t *testing.T) {
	for age, want := range map[time.Duration]string{2 * hour: "EMPTY=fail OK=pass", 30 * hour: "OK=pass"} {
		w := newWorld(t, server("server-1"))
		w.put("etcd-snapshot-server-1", 5*hour, sound(t), meta("server-1"))
		w.put("etcd-snapshot-server-1", age, nil, meta("server-1"))
		o := w.must(t, nil)
		if names(o, false) != want {
			t.Errorf("%s: %s", age, o.Reason())
		}
		find(t, o, etcd.Empty)
	}
}

func TestEachSnapshotOfTheSampleIsLookedInto(t *testing.T) {
	for sample, want := range map[int]string{1: "OK=pass", 2: "DAMAGED=fail OK=pass", 9: "DAMAGED=fail OK=pass OTHER_CLUSTER=fail"} {
		w := newWorld(t, server("server-1"))
		bad := sound(t)
		bad[9000] ^= 1
		w.put("etcd-snapshot-server-1", hour, sound(t), meta("server-1"))
		w.put("etcd-snapshot-server-1", 13*hour, bad, meta("server-1"))
		w.put("etcd-snapshot-server-1", 25*hour, sound(t), map[string]string{"k3s-cluster-id": other})
		if o := w.must(t, func(c *etcd.Check) { c.Depth, c.Sample = "checksum", sample }); names(o, false) != want {
			t.Errorf("%d: %s", sample, o.Reason())
		}
	}
}

// TestAnOlderSnapshotMayHaveAnotherToken: the token that is given is that of now.
func TestAnOlderSnapshotMayHaveAnotherToken(t *testing.T) {
	w := newWorld(t, server("server-1"))
	old, err := snapshottest.Make(snapshottest.Options{Passwords: []string{"the one before"}})
	if err != nil {
		t.Fatal(err)
	}
	before := meta("server-1")
	before["k3s-token-hash"] = snapshottest.Hash("the one before")
	w.put("etcd-snapshot-server-1", 13*hour, old, before)
	w.put("etcd-snapshot-server-1", hour, sound(t), meta("server-1"))
	if o := w.must(t, func(c *etcd.Check) { withToken(c); c.Depth, c.Sample = "open", 2 }); names(o, false) != "OK=pass" {
		t.Error(o.Reason())
	}
}

func TestATokenThatIsNone(t *testing.T) {
	w := newWorld(t, server("server-1"))
	w.put("etcd-snapshot-server-1", hour, sound(t), meta("server-1"))
	w.Secrets["env TOKEN"] = "abcdef.0123456789abcdef"
	o := w.must(t, withToken)
	if names(o, false) != "OK=pass UNREADABLE=unknown" || o.Verdict() != checks.Unknown || strings.Contains(o.Reason(), "abcdef.") {
		t.Error(o.Reason())
	}
}

func TestNothingSaidHasTheToken(t *testing.T) {
	w := newWorld(t, server("server-1"))
	w.put("etcd-snapshot-server-1", hour, sound(t), map[string]string{"k3s-cluster-id": kubetest.UID, "k3s-token-hash": "0123456789ab"})
	o := w.must(t, func(c *etcd.Check) { withToken(c); c.Depth = "open" })
	said := fmt.Sprint(o.Report.Outputs(), o.Lines(), o.Outputs, w.Said())
	if strings.Contains(said, password) || o.Verdict() != checks.Fail {
		t.Error(said)
	}
	if diff := cmp.Diff([]string{password}, w.Hidden()); diff != "" {
		t.Error(diff)
	}
}

func TestTimesOfNameAndStoreAreCompared(t *testing.T) {
	for name, tc := range map[string]struct {
		modified time.Duration // after the name's time
		want     bool
	}{
		"an upload of minutes": {20 * time.Minute, false}, "a copy": {50 * hour, true}, "earlier": {-2 * hour, true}, "clocks differ": {-4 * time.Minute, false},
	} {
		w := newWorld(t, server("server-1"))
		w.bucket.Store(key("etcd-snapshot-server-1", hour), s3test.Object{Body: sound(t), Metadata: meta("server-1"), LastModified: steptest.Started.Add(-hour + tc.modified)})
		o := w.must(t, nil)
		if strings.Contains(names(o, true), "TIME_DISAGREES=none") != tc.want || o.Outputs["age"] != hour || o.Verdict() != checks.Pass {
			t.Errorf("%s: %s %v", name, names(o, true), o.Outputs)
		}
	}
}

func TestAShrunkSnapshotIsListed(t *testing.T) {
	large, err := snapshottest.Make(snapshottest.Options{Keys: 900})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, server("server-1"))
	for i := 1; i < 5; i++ {
		w.put("etcd-snapshot-server-1", time.Duration(i)*12*hour, large, meta("server-1"))
	}
	w.put("etcd-snapshot-server-1", hour, sound(t), meta("server-1"))
	if o := w.must(t, nil); find(t, o, etcd.Shrunk)["verdict"] != "none" || o.Verdict() != checks.Pass {
		t.Error(o.Reason())
	}
}

func TestACancelledCheckSaysSo(t *testing.T) {
	w := newWorld(t, server("server-1"))
	w.put("etcd-snapshot-server-1", hour, sound(t), meta("server-1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := etcd.New()
	o, err := c.Check(ctx, w.Env)
	if err != nil || !errors.Is(o.Err(), context.Canceled) || o.Verdict() != checks.Unknown {
		t.Errorf("%v %v", err, o)
	}
}

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*etcd.Check){
		"prefix": func(c *etcd.Check) { c.Prefix = "/a//b" }, "depth": func(c *etcd.Check) { c.Depth = "deep" },
		"perNode": func(c *etcd.Check) { c.PerNode = "false" }, "sample": func(c *etcd.Check) { c.Sample = 0 },
	} {
		c := etcd.New()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "with."+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMutatedSnapshotsNeverPass: whatever happens to the bytes of the newest one.
func TestMutatedSnapshotsNeverPass(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	original := sound(t)
	for range 60 {
		m := snapshottest.Mutate(random, original)
		for _, depth := range []string{"checksum", "open"} {
			w := newWorld(t, server("server-1"))
			w.put("etcd-snapshot-server-1", hour, m.Data, meta("server-1"))
			if o := w.must(t, func(c *etcd.Check) { c.Depth = depth }); o.Verdict() != checks.Fail {
				t.Fatalf("%s, %s: %s", m.What, depth, o.Reason())
			}
		}
	}
}
