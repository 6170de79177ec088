package longhorn

import (
	"slices"
	"strings"
	"testing"
	"time"

	"plan/internal/checks"
	"plan/steps"
)

// The axes of the truth table. Each option is one way of one thing; every combination is a volume of its own, which is told apart by
// name: of targets, groups and jobs.
type (
	volumeOption struct{ changes object }
	backupOption func(w world, volume, target string) // adds what is known of backups
	jobOption    struct {
		labels object
		backs  bool // a job backs it up
	}
)

func volumeOptions() map[string]volumeOption {
	state := func(fields object) volumeOption { return volumeOption{object{"status": fields}} }
	return map[string]volumeOption{
		"attached":  state(object{"state": "attached", "robustness": "healthy"}),
		"degraded":  state(object{"state": "attached", "robustness": "degraded"}),
		"detached":  state(object{"state": "detached", "robustness": "unknown"}),
		"faulted":   state(object{"state": "detached", "robustness": "faulted"}),
		"restoring": state(object{"state": "attached", "robustness": "degraded", "restoreRequired": true}),
		"no status": {object{"status": nil}},
	}
}

// of is a BackupVolume as Longhorn 1.8 and newer have it.
func of(volume, target, lastBackupAt string, changes object) object {
	return merge(backupVolume(volume, lastBackupAt, object{
		"metadata": object{"name": volume + "-1a2b3c4d", "labels": object{"backup-volume": volume, "backup-target": target}},
		"spec":     object{"volumeName": volume, "backupTargetName": target},
	}), changes)
}

// backupOptions: what comes before the colon is what the option amounts to.
func backupOptions() map[string]backupOption {
	stored := func(at string, changes object) backupOption {
		return func(w world, v, target string) { w.add("backupvolumes", of(v, target, at, changes)) }
	}
	with := func(first backupOption, name, state string, age time.Duration) backupOption {
		return func(w world, v, target string) {
			if first != nil {
				first(w, v, target)
			}
			w.add("backups", backup(v+"-"+name, v, target, state, age, object{"status": object{"error": "proxy: \nsecond line"}}))
		}
	}
	young, old, none := stored(ago(3*hour), nil), stored(ago(5*day), nil), stored("", nil)
	return map[string]backupOption{
		"OK: fresh":                          young,
		"OK: at the limit":                   stored(ago(2*day), nil),
		"OK: failed before":                  with(young, "x", "Error", 4*hour),
		"OK: running":                        with(young, "x", "InProgress", hour),
		"OK: never synced":                   stored(ago(3*hour), object{"status": object{"lastSyncedAt": nil}}),
		"OK: v2 engine, only a Backup":       with(none, "x", "Completed", 3*hour),
		"OK: a Backup newer than the volume": with(old, "x", "Completed", 3*hour),
		"OK: no BackupVolume yet":            with(nil, "x", "Completed", 3*hour),
		"OK: twice, and one has no status": func(w world, v, target string) {
			young(w, v, target)
			w.add("backupvolumes", of(v, target, "", object{"metadata": object{"name": v + "-b"}, "status": nil}))
		},
		"OK: twice, and one is unreadable": func(w world, v, target string) {
			w.add("backupvolumes", of(v, target, "soon", object{"metadata": object{"name": v + "-a"}}))
			young(w, v, target)
		},
		"STALE: old":                            old,
		"STALE: just over":                      stored(ago(2*day+time.Second), nil),
		"STALE: running":                        with(old, "x", "InProgress", hour),
		"STALE: twice":                          func(w world, v, target string) { old(w, v, target); stored(ago(9*day), nil)(w, v, target) },
		"NO_BACKUP: nothing":                    func(world, string, string) {},
		"NO_BACKUP: empty":                      none,
		"NO_BACKUP: being deleted":              with(none, "x", "Deleting", hour),
		"NO_BACKUP: nulls":                      stored("", object{"metadata": object{"labels": nil}, "status": object{"messages": nil, "labels": nil}}),
		"NO_BACKUP: running":                    with(none, "x", "", hour),
		"FUTURE_DATED: tomorrow":                stored(ago(-day), nil),
		"FUTURE_DATED: a Backup":                with(old, "x", "Completed", -day),
		"LAST_BACKUP_FAILED: fresh":             with(young, "x", "Error", hour),
		"LAST_BACKUP_FAILED: old":               with(old, "x", "Unknown", hour),
		"LAST_BACKUP_FAILED: first":             with(nil, "x", "Error", hour),
		"LAST_BACKUP_FAILED: unread":            with(stored("soon", nil), "x", "Error", hour),
		"LAST_BACKUP_FAILED: one deleted since": with(with(old, "x", "Error", 2*hour), "y", "Deleting", hour),
		"STUCK: pending":                        with(old, "x", "Pending", 3*day),
		"STUCK: first":                          with(nil, "x", "InProgress", 3*day),
		"UNREADABLE: word":                      stored("yesterday", nil),
		"UNREADABLE: zero time of Go":           stored("0001-01-01T00:00:00Z", nil),
		"UNREADABLE: message":                   stored("", object{"status": object{"messages": object{"error": "no such bucket"}}}),
		"UNREADABLE: message, fresh":            stored(ago(hour), object{"status": object{"messages": object{"error": "no such bucket"}}}),
		"STATUS_FROZEN: no status":              stored("", object{"status": nil}),
		"STATUS_FROZEN: of this volume":         stored(ago(5*hour), object{"status": object{"lastSyncedAt": ago(2 * hour)}}),
	}
}

func jobOptions() map[string]jobOption {
	group := func(name string) object { return object{"recurring-job-group.longhorn.io/" + name: "enabled"} }
	named := func(name string) object { return object{"recurring-job.longhorn.io/" + name: "enabled"} }
	return map[string]jobOption{
		"no label is the default group": {nil, true},
		"default group":                 {group("default"), true},
		"another group":                 {group("weekly"), true},
		"by name":                       {named("forced"), true},
		"several":                       {merge(group("snapshots"), named("forced")), true},
		"a group of snapshots":          {group("snapshots"), false},
		"a job of snapshots":            {named("snap"), false},
		"a group of nothing":            {group("gone"), false},
		"a job that is not there":       {named("gone"), false},
		"disabled":                      {object{"recurring-job-group.longhorn.io/default": "disabled"}, false},
	}
}

// targetOptions: what an unsuitable target amounts to, by the target's name; well otherwise.
func targetOptions() map[string]checks.Name {
	return map[string]checks.Name{
		"well": "", "never-polled": "", "odd-poll": "", "slow-poll": "",
		"absent": notConfigured, "no-url": notConfigured, "going": notConfigured,
		"down": unavailable, "untried": unavailable, "still": frozen, "unread": frozen,
	}
}

func (w world) addTargets() world {
	synced := func(at any) object { return object{"status": object{"lastSyncedAt": at}} }
	poll := func(every string, at any) object {
		return merge(synced(at), object{"spec": object{"pollInterval": every}})
	}
	return w.add("backuptargets", target("well", nil), target("never-polled", poll("0", nil)), target("odd-poll", poll("soon", ago(50*time.Minute))),
		target("slow-poll", poll("1h0m0s", ago(170*time.Minute))),
		target("no-url", object{"spec": object{"backupTargetURL": ""}, "status": object{"available": false}}),
		target("going", object{"metadata": object{"deletionTimestamp": ago(hour)}}),
		target("down", object{"status": object{"available": false, "lastSyncedAt": ago(9 * hour), "conditions": []any{object{"type": "Unavailable", "status": "True", "message": "dial tcp: no route\nto host"}}}}),
		target("untried", object{"status": nil}),
		target("still", synced(ago(61*time.Minute))), target("unread", synced(nil)))
}

func (w world) addJobs() world {
	return w.add("recurringjobs", job("weekly", "backup-force-create", "weekly"), job("forced", "backup-force-create"), job("snap", "snapshot", "snapshots", "default"), job("meta", "system-backup", "snapshots"))
}

// expected is the table: what a combination must be found to be.
func expected(backups string, jobs jobOption, bad checks.Name, target string) checks.Name {
	found, _, _ := strings.Cut(backups, ":")
	name := checks.Name(found)
	switch {
	case bad == notConfigured:
		return notConfigured // no backup can come
	case name == checks.FutureDated || name == lastFailed || name == stuck:
		return name // known without the target
	case bad != "":
		return bad
	case backups == "STATUS_FROZEN: of this volume" && (target == "never-polled" || target == "slow-poll"):
		return checks.OK // that old it may be there
	case (name == checks.Stale || name == checks.NoBackup) && !jobs.backs:
		return noJob
	}
	return name
}

func verdictOf(name checks.Name) checks.Verdict {
	switch name {
	case checks.OK:
		return checks.Pass
	case unavailable, frozen, checks.Unreadable:
		return checks.Unknown
	}
	return checks.Fail
}

// TestTruthTable judges every combination of volume, backups and jobs at a target that is well, with the setting on, off and missing, and
// every combination of backups and targets with some of the rest: some seven thousand.
func TestTruthTable(t *testing.T) {
	some := []string{"attached", "detached", "no label is the default group", "a group of snapshots"}
	for _, setting := range []string{"true", "false", ""} {
		w := home().addTargets().addJobs()
		if setting != "" {
			w.add("settings", in("allow-recurring-job-while-volume-detached", object{"value": setting}))
		}
		want := map[string]checks.Name{}
		for v, volume := range volumeOptions() {
			for b, addBackups := range backupOptions() {
				for l, jobs := range jobOptions() {
					for name, bad := range targetOptions() {
						if name != "well" && (setting != "false" || !slices.Contains(some, v) || !slices.Contains(some, l)) {
							continue // what the target is has nothing to do with the setting, and little with the rest
						}
						id := strings.Join([]string{v, b, l, name}, " / ")
						w.use("ns/"+id, id, merge(object{"metadata": object{"labels": jobs.labels}, "spec": object{"backupTargetName": name}}, volume.changes))
						addBackups(w, id, name)
						want["ns/"+id] = expected(b, jobs, bad, name)
					}
				}
			}
		}
		j := w.judge(t, New())
		for _, f := range j.found {
			if f.Name != want[f.Object] || f.Verdict != verdictOf(want[f.Object]) {
				t.Errorf("%s: %s (%s), want %s; %s: %s", f.Object, f.Name, f.Verdict, want[f.Object], f.Message, f.Cause)
			}
			delete(want, f.Object)
			checkCause(t, f, setting == "true")
		}
		if len(want) > 0 {
			t.Errorf("%d volumes were not judged", len(want))
		}
	}
}

// checkCause wants the cause of what is late to be that of the volume's state.
func checkCause(t *testing.T, f checks.Finding, whileDetached bool) {
	t.Helper()
	state, rest, _ := strings.Cut(strings.TrimPrefix(f.Object, "ns/"), " / ")
	want := ""
	switch f.Name {
	case checks.Stale, checks.NoBackup:
		want = map[string]string{"attached": "should have made one", "degraded": "should have made one", "detached": "it is detached", "faulted": "it is faulted",
			"restoring": "it is being restored", "no status": "it is not attached"}[state]
		if whileDetached && (state == "detached" || state == "no status") {
			want = "should have made one"
		}
		if strings.Contains(rest, ": running") && strings.HasPrefix(want, "should") {
			want = "began 1h ago and has not ended yet"
		}
	case noJob:
		want = "no recurring job of the tasks"
	case lastFailed:
		want = "proxy:"
	case unavailable:
		want = map[bool]string{true: "no route", false: "has not reached it so far"}[strings.HasSuffix(f.Object, "down")]
	}
	if !strings.Contains(f.Cause, want) || strings.Contains(f.Cause, "\n") {
		t.Errorf("%s: the cause is %q, want %q in it", f.Object, f.Cause, want)
	}
}

// TestAnyTarget: one target that is well is enough; one that is not known is no proof of a fault.
func TestAnyTarget(t *testing.T) {
	cases := map[string]struct {
		at   map[string]string // the last backup at each target
		own  checks.Name
		any  checks.Name
		last string // in the finding for any
	}{
		"both fresh":            {map[string]string{"well": ago(hour), "odd-poll": ago(2 * hour)}, checks.OK, checks.OK, ago(hour)},
		"only another is fresh": {map[string]string{"well": ago(9 * day), "odd-poll": ago(hour)}, checks.Stale, checks.OK, ago(hour)},
		"only own is fresh":     {map[string]string{"well": ago(hour), "odd-poll": ago(9 * day)}, checks.OK, checks.OK, ago(hour)},
		"none at its own":       {map[string]string{"odd-poll": ago(hour)}, checks.NoBackup, checks.OK, ago(hour)},
		"none fresh":            {map[string]string{"well": ago(9 * day), "odd-poll": ago(8 * day)}, checks.Stale, checks.Stale, ago(8 * day)},
		"another is down":       {map[string]string{"well": ago(9 * day), "down": ago(hour)}, checks.Stale, unavailable, ago(hour)},
		"another is gone":       {map[string]string{"well": ago(9 * day), "absent": ago(10 * day)}, checks.Stale, checks.Stale, ago(9 * day)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := home().addTargets().use("media/films", "pvc-1", object{"spec": object{"backupTargetName": "well"}})
			for target, at := range tc.at {
				w.add("backupvolumes", of("pvc-1", target, at, object{"metadata": object{"name": "pvc-1-" + target}}))
			}
			c := New()
			f := w.judge(t, c).found[0]
			elsewhere := f.Verdict != checks.Pass && len(tc.at) > 1 || name == "none at its own"
			if f.Name != tc.own || strings.Contains(f.Cause, "counts only with target: any") != elsewhere {
				t.Errorf("own: %s %q", f.Name, f.Cause)
			}
			c.Target = "any"
			if f = w.judge(t, c).found[0]; f.Name != tc.any || f.Data["time"] != tc.last {
				t.Errorf("any: %+v", f)
			}
		})
	}
}

func TestMaxAgeIsTheStepsOwn(t *testing.T) {
	c := New()
	c.MaxAge = steps.Dur(2 * hour)
	if f := fresh().judge(t, c).found[0]; f.Name != checks.Stale || f.Message != "3h old, over the limit of 2h" {
		t.Errorf("%+v", f)
	}
}

// TestNewVolume: one without a backup fails at once, and the cause says that it is new.
func TestNewVolume(t *testing.T) {
	w := home().use("media/films", "pvc-1", object{"metadata": object{"creationTimestamp": ago(90 * time.Minute)}})
	f := w.judge(t, New()).found[0]
	if f.Name != checks.NoBackup || f.Cause != "it was made 1h30m ago, and job nightly (0 2 * * *) has made none yet" {
		t.Errorf("%+v", f)
	}
}
