package longhorn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/checks"
	"plan/internal/checks/checktest"
	"plan/internal/kube/kubetest"
	"plan/internal/longhorn"
	"plan/steps"
)

// TestVolumesOfOthersAreNotMissingLonghornBackups: the older tool failed for ever for NFS and local-path (A14).
func TestVolumesOfOthersAreNotMissingLonghornBackups(t *testing.T) {
	w := fresh().add("persistentvolumes",
		merge(pv("media/nas", "nas", ""), object{"spec": object{"csi": nil, "nfs": object{"server": "nas"}}}),
		merge(pv("media/cache", "cache", ""), object{"metadata": object{"annotations": object{"pv.kubernetes.io/provisioned-by": "rancher.io/local-path"}}, "spec": object{"csi": nil, "hostPath": object{"path": "/x"}}}))
	o := run(t, w.serve(t), New())
	if diff := cmp.Diff("OK=pass(media/films) NOT_LONGHORN=none(media/cache) NOT_LONGHORN=none(media/nas)", reported(o)); diff != "" || o.Verdict() != checks.Pass {
		t.Errorf("%s %s", o.Verdict(), diff)
	}
	if lines := strings.Join(o.Lines(), "\n"); !strings.Contains(lines, "cache is of rancher.io/local-path") || !strings.Contains(lines, "nas is of nfs") {
		t.Error(lines)
	}
}

// TestOldBackupVolumesAreUnderstood: before Longhorn 1.8 they had no spec.volumeName, and there is a time at which they have no status;
// either killed the older tool's check (A15). All ways of naming them stand side by side in a cluster that was upgraded.
func TestOldBackupVolumesAreUnderstood(t *testing.T) {
	w := home()
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		w.use("media/"+name, "pvc-"+name, nil)
	}
	bare := backupVolume("pvc-d", "", nil)
	delete(bare, "status")
	w.add("backupvolumes",
		backupVolume("pvc-a", ago(hour), object{"spec": object{}}),                                                     // 1.7 and older
		backupVolume("pvc-b", ago(hour), object{"spec": object{"volumeName": "pvc-b", "backupTargetName": "default"}}), // the same, upgraded
		of("pvc-c", "default", ago(hour), object{"metadata": object{"name": "pvc-c-8a7b6c5d"}}),
		bare,
		backupVolume("pvc-e", ago(hour), object{"spec": object{"volumeName": "", "backupTargetName": nil}}))
	o := run(t, w.serve(t), New())
	if diff := cmp.Diff("STATUS_FROZEN=unknown(media/d) OK=pass(media/a) OK=pass(media/b) OK=pass(media/c) OK=pass(media/e)", reported(o)); diff != "" {
		t.Error(diff)
	}
	if o.Outputs["volumes"] != int64(5) || o.Outputs["ok"] != int64(4) {
		t.Error(o.Outputs)
	}
}

// TestVolumesAreFoundByHandle: the older tool went by the PersistentVolume's name, which is another after a restore.
func TestVolumesAreFoundByHandle(t *testing.T) {
	w := home().use("media/films", "pvc-1", nil).use("media/songs", "songs-restored", nil)
	w["persistentvolumes"][1] = pv("media/songs", "pvc-1-of-old", "songs-restored")
	w["persistentvolumeclaims"][1]["spec"] = object{"volumeName": "pvc-1-of-old"}
	w.add("backupvolumes", backupVolume("pvc-1", ago(9*day), nil), backupVolume("songs-restored", ago(hour), nil), backupVolume("pvc-1-of-old", ago(9*day), nil))
	o := run(t, w.serve(t), New())
	if diff := cmp.Diff("STALE=fail(media/films) OK=pass(media/songs) ORPHAN=none()", reported(o)); diff != "" || o.Verdict() != checks.Fail {
		t.Errorf("%s %s", o.Verdict(), diff)
	}
}

// TestEveryVolumeIsJudgedOnAllPages: the older tool saw one page.
func TestEveryVolumeIsJudgedOnAllPages(t *testing.T) {
	const n = 1203
	w := home()
	for i := range n {
		name := fmt.Sprintf("pvc-%04d", i)
		w.use("media/"+name, name, nil)
		if i != n-1 {
			w.add("backupvolumes", backupVolume(name, ago(hour), nil))
		}
	}
	s := w.serve(t)
	o := run(t, s, New())
	if o.Verdict() != checks.Fail || o.Count(checks.NoBackup) != 1 || o.Outputs["volumes"] != int64(n) || o.Outputs["ok"] != int64(n-1) {
		t.Errorf("%s %v", o.Reason(), o.Outputs["volumes"])
	}
	// Four lists have three pages, the others one: nothing is asked for a single volume.
	if got := len(s.Kube.Requests()); got != 4*3+4 {
		t.Errorf("%d requests", got)
	}
}

// faults are the ways in which a list fails, and what each is called.
func faults() map[string]struct {
	fault kubetest.Fault
	want  checks.Name
	again bool
} {
	return map[string]struct {
		fault kubetest.Fault
		want  checks.Name
		again bool
	}{
		"forbidden":      {kubetest.Fault{Status: http.StatusForbidden}, checks.NotAllowed, false},
		"unauthorized":   {kubetest.Fault{Status: http.StatusUnauthorized}, checks.NotAllowed, false},
		"not found":      {kubetest.Fault{Status: http.StatusNotFound}, checks.NotInstalled, false},
		"throttled":      {kubetest.Fault{Status: http.StatusTooManyRequests}, checks.Unreachable, true},
		"broken":         {kubetest.Fault{Status: http.StatusInternalServerError}, checks.Unreachable, true},
		"starting":       {kubetest.Fault{Status: http.StatusServiceUnavailable}, checks.Unreachable, true},
		"by a proxy":     {kubetest.Fault{Status: http.StatusBadGateway, Plain: true}, checks.Unreachable, true},
		"expired":        {kubetest.Fault{Status: http.StatusGone}, checks.Unreachable, true},
		"cut":            {kubetest.Fault{Cut: 40}, checks.Unreachable, true},
		"cut by a proxy": {kubetest.Fault{Cut: 40, Honest: true}, checks.Unreachable, true},
		"bad request":    {kubetest.Fault{Status: http.StatusBadRequest}, checks.Unreadable, false},
	}
}

// TestNoErrorReadsAsNoBackupsOrAsAPass breaks each list in every way, on its first page and on its second, while every volume is well and
// while one has no backup. Nothing is judged by what else was read, and no finding can be asked to fail for it.
func TestNoErrorReadsAsNoBackupsOrAsAPass(t *testing.T) {
	paged := home()
	for i := range 501 { // a second page of every list
		name := fmt.Sprintf("pvc-%03d", i)
		paged.use("media/"+name, name, nil).add("backupvolumes", backupVolume(name, ago(hour), nil)).add("backups", backup(name, name, "default", "Completed", hour, nil)).
			add("backuptargets", target("t"+name, nil)).add("recurringjobs", job("j"+name, "backup", "default")).add("settings", in(name, object{"value": "x"}))
	}
	worlds := []map[string][]string{home().use("media/films", "pvc-1", nil).texts(t), paged.texts(t)}
	c := New()
	c.FailOn = Findings()[1:] // all but OK
	for _, page := range []int{1, 2} {
		for _, l := range longhorn.New().Lists("longhorn-system") {
			for name, tc := range faults() {
				t.Run(fmt.Sprintf("%s/page %d/%s", l.Resource.Resource, page, name), func(t *testing.T) {
					s := serve(t, worlds[page-1])
					tc.fault.Path, tc.fault.Kth = "/"+l.Resource.Resource+"?", page
					s.Kube.Fail(tc.fault)
					o := run(t, s, c)
					object := l.Resource.String()
					if l.Namespace != "" {
						object += " in " + l.Namespace
					}
					if want := fmt.Sprintf("%s=unknown(%s)", tc.want, object); o.Verdict() != checks.Unknown || reported(o) != want || o.Absent != nil {
						t.Errorf("%s: %s, want %s", o.Verdict(), reported(o), want)
					}
					if len(o.Outputs) != 0 || (o.Err() != nil) != tc.again {
						t.Errorf("outputs %v, error %v", o.Outputs, o.Err())
					}
				})
			}
		}
	}
}

// TestEveryErrorOfAListIsUnknown has the errors that no server of a test brings about, for each list beside others that are complete.
func TestEveryErrorOfAListIsUnknown(t *testing.T) {
	all := checktest.Cluster()
	maps.Copy(all, checktest.Anywhere())
	state := fresh().state(t)
	for _, l := range state.Lists("longhorn-system") {
		for name, tc := range all {
			t.Run(l.Resource.Resource+"/"+name, func(t *testing.T) {
				m := missing{{l.Resource, tc.Err}}
				r := checks.Report{FailOn: Findings()[1:]}
				r.Add(m.findings()...)
				if m.gone(state, "longhorn-system") || r.Verdict() != checks.Unknown || r.Count(tc.Name) != 1 || (r.Err() != nil) != (tc.Again || tc.Ended) {
					t.Errorf("%s %s, %v", r.Verdict(), r.Reason(), r.Err())
				}
				checktest.Complete(t, r.Outputs())
			})
		}
	}
}

// TestObjectsThatAreNoneAreNotLeftOut: a list with something in it that cannot be understood says nothing.
func TestObjectsThatAreNoneAreNotLeftOut(t *testing.T) {
	for name, o := range map[string]object{
		"a status that is a list": in("x", object{"status": []any{1}}),
		"a number for a word":     in("x", object{"status": object{"lastBackupAt": 1768478400}}),
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, fresh().add("backupvolumes", o).serve(t), New())
			if want := "UNREADABLE=unknown(backupvolumes.longhorn.io in longhorn-system)"; reported(got) != want || !strings.Contains(got.Reason(), `object "x"`) {
				t.Errorf("%s: %s", reported(got), got.Reason())
			}
		})
	}
}

// TestNotInstalledNotAllowedAndNone are three things.
func TestNotInstalledNotAllowedAndNone(t *testing.T) {
	empty := func() world { return home() }
	local := merge(pv("media/cache", "cache", ""), object{"spec": object{"csi": nil, "hostPath": object{}}})
	cases := map[string]struct {
		world world
		path  string
		fault int
		check func(*Check)
		want  string // "" is absent
	}{
		"not installed":                    {world{}.add("persistentvolumes", local), "longhorn.io", 404, nil, ""},
		"not installed, but in use":        {fresh(), "longhorn.io", 404, nil, "NOT_INSTALLED=unknown(volumes.longhorn.io in longhorn-system)"},
		"one resource missing":             {fresh(), "backuptargets", 404, nil, "NOT_INSTALLED=unknown(backuptargets.longhorn.io in longhorn-system)"},
		"nothing may be looked at":         {fresh(), "", 403, nil, "NOT_ALLOWED=unknown(persistentvolumes)"},
		"Longhorn may not":                 {world{}.add("persistentvolumes", local), "longhorn.io", 403, nil, "NOT_ALLOWED=unknown(volumes.longhorn.io in longhorn-system)"},
		"no volume":                        {empty(), "-", 0, nil, "NO_LONGHORN_VOLUME=unknown()"},
		"none of Longhorn":                 {empty().add("persistentvolumes", local), "-", 0, nil, "NO_LONGHORN_VOLUME=unknown()"},
		"all left out":                     {fresh(), "-", 0, func(c *Check) { c.Exclude = []Pattern{{Name: "*"}} }, "NO_LONGHORN_VOLUME=unknown()"},
		"only standby":                     {home().use("a/b", "pvc-1", object{"spec": object{"Standby": true}}), "-", 0, nil, "NO_LONGHORN_VOLUME=unknown()"},
		"Longhorn is in another namespace": {fresh(), "-", 0, func(c *Check) { c.Namespace = "storage" }, "NO_LONGHORN_VOLUME=unknown()"},
		"no server":                        {world{}, "", 404, nil, "NOT_INSTALLED=unknown(persistentvolumes)"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := New()
			if tc.check != nil {
				tc.check(&c)
			}
			s := tc.world.serve(t)
			s.Kube.Fail(kubetest.Fault{Path: tc.path, Status: tc.fault})
			o := run(t, s, c)
			switch {
			case tc.want == "":
				if o.Absent == nil || len(o.Report.Outputs()) > 0 || o.Absent.Cause == "" || o.Absent.Next == "" {
					t.Errorf("%+v, %s", o.Absent, reported(o))
				}
			case o.Absent != nil || o.Verdict() != checks.Unknown || !strings.HasPrefix(reported(o), tc.want):
				t.Errorf("%s %s, want %s", o.Verdict(), reported(o), tc.want)
			}
		})
	}
}

func TestFailOn(t *testing.T) {
	w := fresh().use("media/songs", "pvc-2", nil).use("media/nas", "pvc-3", object{"spec": object{"backupTargetName": "down"}}).addTargets()
	cases := map[string]struct {
		list checks.FailOn
		want string
	}{
		"absent":        {nil, "NO_BACKUP=fail(media/songs) TARGET_UNAVAILABLE=unknown(media/nas) OK=pass(media/films)"},
		"empty":         {checks.FailOn{}, "TARGET_UNAVAILABLE=unknown(media/nas) OK=pass(media/films) NO_BACKUP=none(media/songs)"},
		"the other one": {checks.FailOn{unavailable}, "TARGET_UNAVAILABLE=fail(media/nas) OK=pass(media/films) NO_BACKUP=none(media/songs)"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := New()
			c.FailOn = tc.list
			if diff := cmp.Diff(tc.want, reported(run(t, w.serve(t), c))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPermissionsAreTheListsAndNoMore(t *testing.T) {
	c := New()
	c.Namespace = "storage"
	s := fresh().serve(t)
	run(t, s, c)
	var want, got []string
	for _, p := range c.Permissions(steps.Scope{}) {
		if p.Verb != "list" || p.Name != "" || p.Subresource != "" {
			t.Errorf("%+v", p)
		}
		path := "/api/v1/" + p.Resource
		if p.Group != "" {
			path = "/apis/" + p.Group + "/v1beta2/namespaces/storage/" + p.Resource
		}
		want = append(want, path)
	}
	for _, r := range s.Kube.Requests() {
		got = append(got, r.Path)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCancelledEndsTheCheck(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := New()
	o, err := c.Check(ctx, fresh().serve(t).Env)
	if err != nil || o.Verdict() != checks.Unknown || !errors.Is(o.Err(), context.Canceled) {
		t.Errorf("%v %v", o, err)
	}
}
