package etcd_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"plan/internal/checks"
	"plan/internal/checks/etcd"
	"plan/internal/checks/verify"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore/s3test"
)

var snapshotFiles = kube.Resource{Group: "k3s.cattle.io", Version: "v1", Resource: "etcdsnapshotfiles"}

// plain is a node without etcd, with annotations.
func plain(name string, annotations map[string]string) string {
	return object(map[string]any{"name": name, "labels": map[string]string{"node-role.kubernetes.io/control-plane": "true"}, "annotations": annotations}, nil)
}

func TestWithoutEmbeddedEtcdItDoesNotApply(t *testing.T) {
	cases := map[string]struct {
		nodes []string
		want  string
		next  string
	}{
		"SQLite": {[]string{plain("a", map[string]string{"k3s.io/node-args": `["server"]`}), plain("b", map[string]string{"k3s.io/node-args": `["agent"]`})},
			"not applicable: no embedded etcd (SQLite at /var/lib/rancher/k3s/server/db/state.db)", "copy /var/lib/rancher/k3s/server/db"},
		"SQLite elsewhere": {[]string{plain("a", map[string]string{"k3s.io/node-args": `["server","--data-dir","/data/k3s"]`})},
			"not applicable: no embedded etcd (SQLite at /data/k3s/server/db/state.db)", "/data/k3s/server/token"},
		"external, by argument": {[]string{plain("a", map[string]string{"k3s.io/node-args": `["server","--datastore-endpoint","********"]`})},
			"not applicable: no embedded etcd (external datastore)", "its own tools"},
		"external, joined": {[]string{plain("a", map[string]string{"k3s.io/node-args": `["server","--datastore-endpoint=********"]`})},
			"not applicable: no embedded etcd (external datastore)", "its own tools"},
		"external, by environment": {[]string{plain("a", map[string]string{"k3s.io/node-args": `["server"]`, "k3s.io/node-env": `{"K3S_DATASTORE_ENDPOINT":"********"}`})},
			"not applicable: no embedded etcd (external datastore)", "its own tools"},
		"RKE2 without etcd": {[]string{plain("a", map[string]string{"rke2.io/node-args": `["server"]`})},
			"not applicable: no embedded etcd (SQLite at /var/lib/rancher/rke2/server/db/state.db)", "/var/lib/rancher/rke2/server/token"},
		"another distribution": {[]string{plain("a", nil)}, "not applicable: no embedded etcd", "leave the check out"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.nodes...)
			o := w.must(t, nil)
			if o.Absent == nil || o.Absent.Message != tc.want || !strings.Contains(o.Absent.Next, tc.next) || o.Absent.Name != verify.NotApplicable || o.Absent.Cause == "" || len(o.Report.Outputs()) != 0 {
				t.Errorf("%+v", o.Absent)
			}
			if w.bucket.Calls(s3test.List) != 0 {
				t.Error("the store was asked")
			}
		})
	}
}

// TestWhatKeepsTheNodesFromBeingListedIsNotAbsence, and everything else is looked at all the same.
func TestWhatKeepsTheNodesFromBeingListedIsNotAbsence(t *testing.T) {
	cases := map[string]struct {
		fault kubetest.Fault
		want  string
		again bool
	}{
		"forbidden": {kubetest.Fault{Status: http.StatusForbidden}, "NOT_ALLOWED=unknown OK=pass", false},
		"broken":    {kubetest.Fault{Status: http.StatusInternalServerError}, "OK=pass UNREACHABLE=unknown", true},
		"not found": {kubetest.Fault{Status: http.StatusNotFound}, "NOT_INSTALLED=unknown OK=pass", false},
		"cut":       {kubetest.Fault{Cut: 30}, "OK=pass UNREACHABLE=unknown", true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, plain("a", map[string]string{"k3s.io/node-args": `["server"]`}))
			w.put("etcd-snapshot-a", hour, sound(t), meta("a"))
			tc.fault.Path = "nodes"
			w.Kube.Fail(tc.fault)
			o := w.must(t, nil)
			if o.Absent != nil || names(o, false) != tc.want || o.Verdict() != checks.Unknown || (o.Err() != nil) != tc.again {
				t.Errorf("%s: %s, %v", names(o, false), o.Reason(), o.Err())
			}
		})
	}
	t.Run("no nodes at all", func(t *testing.T) {
		if o := newWorld(t).must(t, nil); o.Absent != nil || o.Verdict() != checks.Fail || names(o, false) != "NO_BACKUP=fail UNREADABLE=unknown" {
			t.Error(o.Reason())
		}
	})
}

func TestPerNode(t *testing.T) {
	nodes := []string{"server-1", "a-server-1", "b.example.org"}
	fresh := func(owner string) func(w *world, s []byte) {
		return func(w *world, s []byte) { w.put("etcd-snapshot-"+owner, hour, s, meta(owner)) }
	}
	cases := map[string]struct {
		puts   []func(w *world, s []byte)
		behind string
	}{
		"each has one":       {[]func(*world, []byte){fresh("server-1"), fresh("a-server-1"), fresh("b.example.org")}, ""},
		"one has none":       {[]func(*world, []byte){fresh("server-1"), fresh("a-server-1")}, "b.example.org"},
		"one has old ones":   {[]func(*world, []byte){fresh("server-1"), fresh("a-server-1"), func(w *world, s []byte) { w.put("etcd-snapshot-b.example.org", 3*day, s, meta("b.example.org")) }}, "b.example.org"},
		"a suffix of a name": {[]func(*world, []byte){fresh("a-server-1"), fresh("b.example.org")}, "server-1"},
		"told by metadata": {[]func(*world, []byte){fresh("b.example.org"),
			func(w *world, s []byte) { w.put("etcd-snapshot-a-server-1", hour, s, meta("server-1")) }}, "a-server-1"},
		"without metadata the longer name": {[]func(*world, []byte){fresh("b.example.org"),
			func(w *world, s []byte) { w.put("etcd-snapshot-a-server-1", 2*hour, s, nil) }}, "server-1"},
		"removed servers are no fault": {[]func(*world, []byte){fresh("server-1"), fresh("a-server-1"), fresh("b.example.org"),
			func(w *world, s []byte) { w.put("etcd-snapshot-gone", 90*day, s, meta("gone")) }}, ""},
	}
	for name, tc := range cases {
		for mode, verdict := range map[string]checks.Verdict{"off": checks.Pass, "warn": checks.Pass, "fail": checks.Fail} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				var list []string
				for _, n := range nodes {
					list = append(list, server(n))
				}
				w := newWorld(t, list...)
				for _, put := range tc.puts {
					put(w, sound(t))
				}
				o := w.must(t, func(c *etcd.Check) { c.PerNode = mode })
				behind := behindOf(o)
				want := tc.behind
				if mode == "off" {
					want = ""
				}
				if want == "" {
					verdict = checks.Pass
				}
				if behind != want || o.Verdict() != verdict {
					t.Errorf("%q behind: %s", behind, o.Reason())
				}
			})
		}
	}
}

// behindOf names the servers without a fresh snapshot.
func behindOf(o *verify.Outcome) string {
	var behind []string
	for _, entry := range o.Report.Outputs() {
		if f := entry.(map[string]any); f["finding"] == "NODE_BEHIND" {
			behind = append(behind, f["object"].(string))
		}
	}
	return strings.Join(behind, " ")
}

// TestNodesAreAskedForInBounds: names that fit several servers cost a request each, but not without end.
func TestNodesAreAskedForInBounds(t *testing.T) {
	w := newWorld(t, server("b"), server("a-b"), server("c"))
	for i := range 300 {
		w.put("etcd-snapshot-a-b", time.Duration(i+1)*time.Minute, []byte("x"), meta("a-b"))
	}
	w.must(t, nil)
	if n := w.bucket.Calls(s3test.Head); n > 25 {
		t.Errorf("%d requests", n)
	}
}

// file is a record of a snapshot.
func file(name, node, at, failure string) string {
	status := map[string]any{"creationTime": at, "readyToUse": failure == "", "size": "0"}
	if failure != "" {
		status["error"] = map[string]any{"time": at, "message": failure}
	}
	return object(map[string]any{"name": "s3-" + name, "creationTimestamp": at}, map[string]any{
		"spec": map[string]any{"snapshotName": name, "nodeName": node, "location": ""}, "status": status})
}

func TestRecordedFailures(t *testing.T) {
	ago := func(d time.Duration) string { return startedBefore(d).Format(time.RFC3339) }
	cases := map[string]struct {
		records []string
		want    string
		absent  bool
		fault   int
	}{
		"the resource is not there":   {nil, "NO_RECORD=none OK=pass", true, 0},
		"none":                        {nil, "NO_RECORD=none OK=pass", false, 0},
		"may not be read":             {nil, "NOT_ALLOWED=unknown OK=pass", false, http.StatusForbidden},
		"all is well":                 {[]string{file("x", "server-1", ago(2*hour), "")}, "OK=pass", false, 0},
		"failed, and nothing since":   {[]string{file("x", "server-1", ago(hour), "no space left")}, "LAST_BACKUP_FAILED=fail OK=pass", false, 0},
		"failed, and made since":      {[]string{file("x", "server-1", ago(5*hour), "no space left")}, "LAST_BACKUP_FAILED=none OK=pass", false, 0},
		"failed days ago":             {[]string{file("x", "server-1", ago(25*hour), "no space left")}, "OK=pass", false, 0},
		"failed, without a time":      {[]string{file("x", "server-1", "", "no space left")}, "LAST_BACKUP_FAILED=fail OK=pass", false, 0},
		"failed, without a message":   {[]string{strings.Replace(file("x", "s3", ago(hour), "m"), `"message":"m"`, `"message":""`, 1)}, "LAST_BACKUP_FAILED=fail OK=pass", false, 0},
		"without a status":            {[]string{object(map[string]any{"name": "x"}, nil)}, "OK=pass", false, 0},
		"a status that is no mapping": {[]string{object(map[string]any{"name": "x"}, map[string]any{"status": 7})}, "OK=pass UNREADABLE=unknown", false, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, server("server-1"))
			w.put("etcd-snapshot-server-1", 2*hour, sound(t), meta("server-1"))
			if !tc.absent {
				w.Kube.Add(snapshotFiles, "ETCDSnapshotFile", tc.records...)
			}
			if tc.fault != 0 {
				w.Kube.Fail(kubetest.Fault{Status: tc.fault, Path: "etcdsnapshotfiles"})
			}
			if o := w.must(t, nil); names(o, true) != tc.want {
				t.Errorf("%s: %s", names(o, true), o.Reason())
			}
		})
	}
}

// TestAFailureBesideAListingThatFailedIsNotJudged: whether something was made since is not known.
func TestAFailureBesideAListingThatFailedIsNotJudged(t *testing.T) {
	w := newWorld(t, server("server-1"))
	w.Kube.Add(snapshotFiles, "ETCDSnapshotFile", file("x", "server-1", startedBefore(hour).Format(time.RFC3339), "m"))
	w.bucket.Inject(s3test.Fault{Effect: s3test.AccessDenied, Op: s3test.List})
	if o := w.must(t, nil); names(o, false) != "LAST_BACKUP_FAILED=unknown NOT_ALLOWED=unknown" {
		t.Error(o.Reason())
	}
}

// TestTheRecordsKnowTheTokenToo: k3s writes the token's hash to the record as well.
func TestTheRecordsKnowTheTokenToo(t *testing.T) {
	for hash, want := range map[string]string{"0123456789ab": "TOKEN_MISMATCH=fail", meta("")["k3s-token-hash"]: "OK=pass"} {
		w := newWorld(t, server("server-1"))
		k := w.put("etcd-snapshot-server-1", 2*hour, sound(t), map[string]string{"k3s-cluster-id": kubetest.UID})
		w.Kube.Add(snapshotFiles, "ETCDSnapshotFile", object(map[string]any{"name": "s3-x", "annotations": map[string]string{"etcd.k3s.cattle.io/snapshot-token-hash": hash}},
			map[string]any{"spec": map[string]any{"snapshotName": strings.TrimPrefix(k, folder)}}))
		if o := w.must(t, withToken); names(o, false) != want {
			t.Errorf("%s: %s", hash, o.Reason())
		}
	}
}

func TestThePermissionsAreThree(t *testing.T) {
	c := etcd.New()
	if got, want := fmt.Sprint(c.Permissions(newWorld(t).Env.Scope)), "[{get   namespaces   kube-system false} {list   nodes    false} {list k3s.cattle.io v1 etcdsnapshotfiles    true}]"; got != want {
		t.Error(got)
	}
}

// TestTheScheduleIsOffOnlyWhereAServerSaysSo: only servers with etcd make snapshots, so only their word counts, and that of all of them.
func TestTheScheduleIsOffOnlyWhereAServerSaysSo(t *testing.T) {
	const flag = "--etcd-disable-snapshots"
	silent := object(map[string]any{"name": "c", "labels": map[string]string{"node-role.kubernetes.io/etcd": "true"}}, nil)
	control := plain("d", map[string]string{"k3s.io/node-args": `["server","--disable-etcd"]`})
	cases := map[string]struct {
		nodes []string
		off   bool
	}{
		"all":                               {[]string{server("a", flag), server("b", flag)}, true},
		"all, beside a server without etcd": {[]string{server("a", flag), control}, true},
		"one of two":                        {[]string{server("a", flag), server("b")}, false},
		"one, and one says nothing":         {[]string{server("a", flag), silent}, false},
		"none says anything":                {[]string{silent, control}, false},
	}
	for name, tc := range cases {
		w := newWorld(t, tc.nodes...)
		w.put("on-demand-a", hour, sound(t), meta("a"))
		want := "NO_SCHEDULED=unknown OK=pass"
		if tc.off {
			want = "OK=pass"
		}
		if o := w.must(t, nil); names(o, false) != want {
			t.Errorf("%s: %s", name, o.Reason())
		}
	}
}
