package longhorn

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"plan/internal/checks"
	"plan/internal/longhorn"
)

// moments are times as anybody may have written them, with what a reader of RFC 3339 makes of them.
func moments() []any {
	return []any{nil, "", ago(hour), ago(47 * hour), ago(49 * hour), ago(30 * day), ago(-day), ago(-4 * time.Minute), "soon", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z",
		now.Add(-3 * hour).In(time.FixedZone("", 7200)).Format(time.RFC3339)}
}

// randomWorld is a cluster of a few volumes with any backups at any targets, in any combination and several of each.
func randomWorld(t *rapid.T) world {
	w := world{}.addTargets().addJobs()
	at := rapid.SampledFrom(moments())
	targets := rapid.SampledFrom([]string{"", "well", "down", "absent", "still", "never-polled"})
	volumes := rapid.SampledFrom([]string{"v0", "v1", "v2", "v3"})
	for i := range 3 {
		changes := object{"spec": object{"backupTargetName": targets.Draw(t, "own"), "Standby": rapid.IntRange(0, 9).Draw(t, "standby") == 0},
			"status": object{"state": rapid.SampledFrom([]string{"attached", "detached", ""}).Draw(t, "state")}}
		w.use(fmt.Sprintf("ns/claim-%d", i), fmt.Sprintf("v%d", i), changes)
	}
	if rapid.Bool().Draw(t, "default") {
		w.add("backuptargets", target("default", nil))
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "extra") {
		handle := volumes.Draw(t, "handle")
		name := fmt.Sprintf("extra-%d", i)
		o := pv("ns/"+name, name, handle)
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			o = merge(o, object{"spec": object{"csi": object{"driver": "nfs.csi.k8s.io"}}})
		case 1:
			o = merge(o, object{"status": object{"phase": "Released"}})
		case 2:
			o = skipped(o)
		}
		w.add("persistentvolumes", o)
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "backup volumes") {
		v, to := volumes.Draw(t, "volume"), targets.Draw(t, "target")
		o := of(v, to, "", object{"metadata": object{"name": fmt.Sprintf("%s-%d", v, i)}, "status": object{"lastBackupAt": at.Draw(t, "at"), "lastSyncedAt": ago(time.Minute)}})
		if to == "" {
			o = backupVolume(v, "", object{"status": object{"lastBackupAt": at.Draw(t, "at"), "lastSyncedAt": ago(time.Minute)}}) // of 1.7
		}
		w.add("backupvolumes", o)
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "backups") {
		state := rapid.SampledFrom([]string{"Completed", "Error", "Unknown", "InProgress", "Pending", "", "Deleting"}).Draw(t, "backup's state")
		o := backup(fmt.Sprintf("b%d", i), volumes.Draw(t, "volume"), targets.Draw(t, "target"), state, time.Duration(rapid.IntRange(1, 200).Draw(t, "hours"))*hour, nil)
		w.add("backups", merge(o, object{"status": object{"snapshotCreatedAt": at.Draw(t, "at")}}))
	}
	return w
}

// plain reads a field of an object, "" if it is not a text.
func plain(o object, path ...string) string {
	var v any = o
	for _, key := range path {
		inner, _ := v.(object)
		v = inner[key]
	}
	text, _ := v.(string)
	return text
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// good is a plain judgement of one volume at one target: is there proof of a fresh backup that nothing contradicts?
func (w world) good(volume, to string) bool {
	usable := slices.Contains([]string{"well", "never-polled", "default"}, to) && slices.ContainsFunc(w["backuptargets"], func(o object) bool { return plain(o, "metadata", "name") == to })
	var complete []time.Time
	newest, state := time.Time{}, ""
	for _, o := range w["backupvolumes"] {
		if or(plain(o, "spec", "volumeName"), plain(o, "metadata", "name")) == volume && or(plain(o, "spec", "backupTargetName"), "default") == to {
			complete = append(complete, longhorn.Time(plain(o, "status", "lastBackupAt")))
		}
	}
	for _, o := range w["backups"] {
		if plain(o, "metadata", "labels", "backup-volume") != volume || or(plain(o, "metadata", "labels", "backup-target"), "default") != to {
			continue
		}
		at := longhorn.Time(plain(o, "status", "snapshotCreatedAt"))
		switch plain(o, "status", "state") {
		case "Completed":
			complete = append(complete, at)
		case "Deleting":
			continue
		}
		if at.IsZero() {
			at = longhorn.Time(plain(o, "metadata", "creationTimestamp"))
		}
		if !at.Before(newest) {
			newest, state = at, plain(o, "status", "state")
		}
	}
	last := time.Time{}
	for _, at := range complete {
		if at.After(last) {
			last = at
		}
	}
	fresh := !last.Before(now.Add(-2*day)) && !last.After(now.Add(checks.Skew))
	contradicted := newest.After(last) && (state == "Error" || state == "Unknown")
	return usable && fresh && !contradicted
}

// TestOnlyProofPasses compares random clusters with that plain judgement: a volume is well if and only if there is proof, each volume that
// a bound PersistentVolume stands for is judged once, and no other.
func TestOnlyProofPasses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := randomWorld(rt)
		c := New()
		c.Target = rapid.SampledFrom([]string{own, anyOf}).Draw(rt, "target")
		j := w.judge(t, c)
		judged := map[string]checks.Finding{}
		for _, f := range j.found {
			if name, ok := f.Data["volume"].(string); ok {
				if _, twice := judged[name]; twice {
					rt.Errorf("%s was judged twice", name)
				}
				judged[name] = f
			} else if f.Verdict == checks.Pass {
				rt.Errorf("%+v", f)
			}
		}
		well := int64(0)
		for _, o := range w["volumes"] {
			name := plain(o, "metadata", "name")
			targets := []string{or(plain(o, "spec", "backupTargetName"), "default")}
			if c.Target == anyOf {
				targets = []string{"well", "never-polled", "default"}
			}
			want := slices.ContainsFunc(targets, func(to string) bool { return w.good(name, to) })
			standby := o["spec"].(object)["Standby"] == true
			f, was := judged[name]
			if was == standby {
				rt.Errorf("%s: judged %v, standby %v", name, was, standby)
			}
			if was && want != (f.Name == checks.OK) {
				rt.Errorf("%s: %s (%s: %s), well %v", name, f.Name, f.Message, f.Cause, want)
			}
			if was && want {
				well++
			}
		}
		extra := int64(0) // judged without a volume to look at: v3 does not exist
		for _, f := range j.found {
			if f.Name == volumeMissing {
				extra++
			}
		}
		if j.ok != well || j.volumes != int64(len(judged))+extra || extra > 1 {
			rt.Errorf("%d of %d, want %d of %d; %s", j.ok, j.volumes, well, int64(len(judged))+extra, strings.ReplaceAll(names(j.found), " ", "\n"))
		}
	})
}
