package etcd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"plan/internal/checks"
	"plan/internal/etcdsnapshot"
)

// judgeListing judges what a complete listing shows.
func (l *look) judgeListing() {
	usable, future := l.listing.Usable(l.now.Add(checks.Skew))
	l.usable = usable
	if len(future) > 0 {
		f := l.limit.Judge(future[0].Key, future[0].Time)
		f.Message = fmt.Sprintf("%s; %s of the future in all", f.Message, count(int64(len(future)), "snapshot"))
		f.Next = "set the clock of the server that made it; delete it once its time has passed or it is not needed"
		l.add(f)
	}
	if len(l.usable) == 0 && len(future) == 0 {
		l.add(l.none())
	}
	l.judgeEmpty()
	l.judgeOthers()
	if len(l.usable) > 0 {
		l.judgeAge()
		l.judgeTimes()
		l.judgeSize()
	}
}

// none is the finding for a complete listing without a snapshot.
func (l *look) none() checks.Finding {
	f := checks.Finding{Name: checks.NoBackup, Verdict: checks.Fail, Object: l.where(), Message: "no snapshot is there",
		Next: "see that the servers have --etcd-s3 with this bucket, and that --etcd-s3-folder is the prefix"}
	var others []string
	for _, o := range []struct {
		n            int64
		what, suffix string
	}{
		{l.listing.Empty.Count, "snapshot", " of no bytes"}, {l.listing.Foreign.Count, "object", " that are no snapshots"},
		{l.listing.Nested.Count, "object", " in other folders"}, {l.listing.Sidecars.Count, "metadata file", ""},
	} {
		if o.n > 0 {
			others = append(others, count(o.n, o.what)+o.suffix)
		}
	}
	f.Cause = "nothing at all is there"
	if len(others) > 0 {
		f.Cause = "there is nothing but " + strings.Join(others, ", ")
	}
	return f
}

// judgeEmpty judges snapshots of no bytes: the newest of all is a backup that failed.
func (l *look) judgeEmpty() {
	e := l.listing.Empty
	if e.Count == 0 {
		return
	}
	f := checks.Finding{Name: Empty, Verdict: checks.None, Object: e.Newest.Key, Message: count(e.Count, "snapshot") + " of no bytes left out, the newest of " + stamp(e.Newest.Time),
		Cause: "the server could not write it: a full disk or a broken upload", Next: "look at the server's log of that time; delete them when new ones are sound"}
	if len(l.usable) == 0 || e.Newest.Time.After(l.usable[0].Time) {
		f.Verdict = checks.Fail
	}
	l.add(f)
}

// judgeOthers lists what is no snapshot. Metadata files belong there.
func (l *look) judgeOthers() {
	for _, o := range []struct {
		etcdsnapshot.Others
		what, cause string
	}{
		{l.listing.Foreign, "not named as snapshots", "something else writes to this folder, or somebody put it there"},
		{l.listing.Nested, "in folders below this one", "another cluster or another tool keeps its objects below this folder"},
	} {
		if o.Count > 0 {
			l.add(checks.Finding{Name: LeftOut, Verdict: checks.None, Object: o.Examples[0], Message: count(o.Count, "object") + " left out: " + o.what,
				Cause: o.cause, Next: "nothing, if they belong there: they do not count", Data: map[string]any{"count": o.Count, "examples": anyList(o.Examples)}})
		}
	}
}

// judgeAge judges the newest snapshot of the schedule. A newer one that was made by hand is fresh, and says nothing of the schedule.
func (l *look) judgeAge() {
	newest := l.usable[0]
	scheduled, ok := l.scheduled()
	judged := newest
	if ok {
		judged = scheduled
	}
	f := l.limit.Judge(judged.Key, judged.Time)
	f.Message = fmt.Sprintf("%s, %s, the newest of %d", f.Message, humanize.IBytes(uint64(judged.Size)), len(l.usable))
	f.Data["size"] = judged.Size
	if f.Name == checks.Stale {
		f.Cause = "nothing newer is under " + l.where()
		f.Next = "look at the servers' logs for etcd-snapshot and S3, and at --etcd-snapshot-schedule-cron"
	}
	if ok && scheduled.Key != newest.Key {
		f.Message = strings.Replace(f.Message, "the newest", "the newest of the schedule", 1)
		if f.Name == checks.Stale {
			f.Cause = "the schedule has made nothing since; what is newer was made by hand"
		}
		l.add(checks.Finding{Name: OnDemand, Verdict: checks.None, Object: newest.Key, Message: "made by hand, and newer than what the schedule made",
			Cause: "somebody ran etcd-snapshot save", Next: "nothing: it can be restored, and tells nothing of the schedule", Data: map[string]any{"time": stamp(newest.Time)}})
	}
	l.fresh = &f
	if !ok && !l.servers.noCron {
		l.add(checks.Finding{Name: NoScheduled, Verdict: checks.Unknown, Object: l.where(), Message: "every snapshot there was made by hand (on-demand)",
			Cause: "none begins with " + strings.Join(unique(l.servers.bases), " or ") + ", as those of the schedule do",
			Next:  "see that the schedule writes here; those of a timer of your own count under another name (--name), or with --etcd-disable-snapshots"})
	}
}

// scheduled is the newest snapshot that the schedule made. Where none has the schedule's name, those that have another name than k3s gives
// to one made by hand count: a timer of somebody's own made them.
func (l *look) scheduled() (etcdsnapshot.Snapshot, bool) {
	if l.servers.noCron {
		return l.usable[0], true
	}
	for _, s := range l.usable {
		if slices.ContainsFunc(l.servers.bases, s.Parsed().Begins) {
			return s, true
		}
	}
	for _, s := range l.usable {
		if !s.Parsed().Begins("on-demand") {
			return s, true
		}
	}
	return etcdsnapshot.Snapshot{}, false
}

// judgeTimes compares the name's time of the newest snapshot with that of the store.
func (l *look) judgeTimes() {
	const late = time.Hour // an upload takes minutes
	s := l.usable[0]
	by := s.LastModified.Sub(s.Time)
	f := checks.Finding{Name: TimeDisagrees, Verdict: checks.None, Object: s.Key, Message: "its name says " + stamp(s.Time) + ", the store received it at " + stamp(s.LastModified)}
	switch {
	case s.LastModified.IsZero():
		return
	case by < -checks.Skew:
		f.Cause, f.Next = "the clock of the server that made it is ahead, or the object was written anew under an old name", "set that clock; the name's time was judged, so that the snapshot may be older than it looks"
	case by > late:
		f.Cause, f.Next = "the object was copied, or uploaded late", "nothing, if it was copied: the name's time was judged"
	default:
		return
	}
	l.add(f)
}

// judgeSize lists a newest snapshot that is much smaller than those before it.
func (l *look) judgeSize() {
	const least, most = 3, 10
	newest := l.usable[0]
	var sizes []int64
	for _, s := range l.usable[1:] {
		if s.Zip == newest.Zip && len(sizes) < most {
			sizes = append(sizes, s.Size)
		}
	}
	if len(sizes) < least {
		return
	}
	slices.Sort(sizes)
	if median := sizes[len(sizes)/2]; newest.Size < median/2 {
		l.add(checks.Finding{Name: Shrunk, Verdict: checks.None, Object: newest.Key,
			Message: fmt.Sprintf("%s, where those before had %s", humanize.IBytes(uint64(newest.Size)), humanize.IBytes(uint64(median))),
			Cause:   "much was deleted or etcd was defragmented, or the cluster was made anew", Next: "see that the cluster still holds what it should", Data: map[string]any{"size": newest.Size, "median": median}})
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func anyList(words []string) []any {
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = w
	}
	return list
}

func unique(words []string) []string { return slices.Compact(slices.Sorted(slices.Values(words))) }
