package longhorn

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"plan/internal/checks"
	"plan/internal/longhorn"
	"plan/schema"
)

// judge makes findings of a complete state.
type judge struct {
	check Check
	state *longhorn.State
	limit checks.Limit

	found       []checks.Finding
	volumes, ok int64 // judged, and well
}

func (j *judge) add(f checks.Finding) { j.found = append(j.found, f) }

// list adds a finding without influence.
func (j *judge) list(name checks.Name, object, message, cause, next string) {
	j.add(checks.Finding{Name: name, Verdict: checks.None, Object: object, Message: message, Cause: cause, Next: next})
}

// all judges each volume in use once, and says when there is none.
func (j *judge) all() {
	use := j.sort()
	if len(j.state.Volumes) > 0 {
		for _, handle := range use.handles {
			j.volume(handle, use.by[handle])
		}
	}
	j.shares()
	j.orphans()
	if j.volumes > 0 {
		return
	}
	f := checks.Finding{Name: noVolume, Verdict: checks.Unknown, Message: "no Longhorn volume was verified",
		Cause: "there is none in use that include, exclude and annotations leave in", Next: "leave the check out here, or see to what leaves volumes out"}
	if n := len(use.handles); n > 0 && len(j.state.Volumes) == 0 {
		f.Cause = fmt.Sprintf("%d volumes are in use, and Longhorn has none in namespace %s", n, j.check.Namespace)
		f.Next = "see that namespace is the one where Longhorn is"
	}
	j.add(f)
}

// volume judges one that is in use by some PersistentVolumes.
func (j *judge) volume(handle string, pvs []longhorn.PV) {
	object := pvs[0].String()
	v, ok := j.state.Volumes[handle]
	switch {
	case !ok:
		j.volumes++
		j.add(checks.Finding{Name: volumeMissing, Verdict: checks.Fail, Object: object, Message: "the Longhorn volume is missing",
			Cause: fmt.Sprintf("%s is bound, and Longhorn has no volume %s in namespace %s", pvs[0].Name, handle, j.check.Namespace),
			Next:  "restore the volume from a backup under this name, or delete claim and PersistentVolume"})
		return
	case v.Standby:
		j.list(standby, object, "it follows the backups of another cluster and has none of its own", v.Name+" is a standby volume", "verify the backups where they are made")
		return
	case v.Terminating():
		j.list(terminating, object, "its Longhorn volume is being deleted", "somebody deleted "+v.Name, "if it stays so, look at the longhorn-manager pods")
		return
	}
	f := j.backups(v)
	f.Object = object
	if f.Data == nil {
		f.Data = map[string]any{}
	}
	f.Data["volume"], f.Data["pv"], f.Data["state"], f.Data["robustness"] = v.Name, pvs[0].Name, v.State, v.Robustness
	j.volumes++
	if f.Verdict == checks.Pass {
		j.ok++
	}
	j.add(f)
}

// backups judges a volume's backups: those at its own target, or at whichever target has what is wanted. With several targets one that
// is well is enough; where one is not known it is not known; else the target with the newest backup speaks for all.
func (j *judge) backups(v longhorn.Volume) checks.Finding {
	others := slices.DeleteFunc(j.state.TargetsOf(v.Name), func(name string) bool { return name == v.Target() })
	best, last := j.at(v, v.Target())
	if j.check.Target == own {
		for _, name := range others {
			if h := j.state.History(v.Name, name); best.Verdict != checks.Pass && !h.At().IsZero() {
				best.Cause += fmt.Sprintf("; the backup target %s has one of %s, which counts only with target: any", name, stamp(h.At()))
			}
		}
		return best
	}
	rank := map[checks.Verdict]int{checks.Fail: 0, checks.Unknown: 1, checks.Pass: 2}
	for _, name := range others {
		f, at := j.at(v, name)
		if r := rank[f.Verdict] - rank[best.Verdict]; r > 0 || r == 0 && at.After(last) {
			best, last = f, at
		}
	}
	return best
}

// at judges a volume's backups at one target and gives the time of the last. What Longhorn knows by itself comes before what it has read
// of the target, and that counts only when it was read lately.
func (j *judge) at(v longhorn.Volume, name string) (checks.Finding, time.Time) {
	h := j.state.History(v.Name, name)
	target, there := j.state.Targets[name]
	f := j.age(h)
	data := f.Data
	newest := h.Newest
	if newest != nil && !newest.At().After(h.At()) {
		newest = nil // what came of the last good one is known
	}
	switch {
	case !there || target.Terminating() || target.URL == "":
		f = noTarget(name, there)
	case f.Name == checks.FutureDated:
	case newest != nil && newest.Bad():
		f = failed(*newest, h)
	case newest != nil && newest.Running() && j.limit.Now.Sub(newest.At()) > j.limit.MaxAge:
		f = j.stuck(*newest)
	case !target.Available:
		f = unreachable(target, h)
	case j.unread(target, h) != "":
		f = notRead(target, j.unread(target, h), h)
	case h.Store != nil && h.Store.Message() != "":
		f = checks.Finding{Name: checks.Unreadable, Verdict: checks.Unknown, Message: "Longhorn could not read its backups", Cause: h.Store.Message(),
			Next: "see to the backup target " + name + "; " + known(h)}
	case f.Verdict == checks.Fail:
		f = j.late(v, h, f)
	}
	f.Data = map[string]any{"target": name}
	maps.Copy(f.Data, data)
	if h.Store != nil && h.Store.DataStored != "" {
		f.Data["dataStored"] = h.Store.DataStored
	}
	return f, h.At()
}

// age judges the time of the last backup alone.
func (j *judge) age(h longhorn.History) checks.Finding {
	if h.Last == "" {
		return checks.Finding{Name: checks.NoBackup, Verdict: checks.Fail, Message: "it has no backup"}
	}
	return j.limit.JudgeText("", h.Last)
}

// unread says since when Longhorn has not read a target, or what it has of a volume, though it should have; empty if it has.
func (j *judge) unread(t longhorn.Target, h longhorn.History) string {
	if h.Store != nil && h.Synced == "" && h.Last == "" {
		return "it has not read the volume's backups so far"
	}
	patience := t.Patience()
	if patience == 0 {
		return ""
	}
	long := func(text string) bool { return j.limit.Now.Sub(longhorn.Time(text)) > patience }
	switch {
	case t.LastSyncedAt == "":
		return "it has never read the target"
	case long(t.LastSyncedAt):
		return "it last read the target at " + t.LastSyncedAt
	case h.Synced != "" && long(h.Synced):
		return "it last read the volume's backups at " + h.Synced
	}
	return ""
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// ago is how long a time lies back, as precisely as a reader cares for.
func (j *judge) ago(at time.Time) string {
	return schema.FormatDuration(checks.Age(j.limit.Now, at).Truncate(time.Minute))
}
