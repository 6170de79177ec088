package backups

import (
	"context"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/internal/backup"
	"plan/internal/checks"
	"plan/internal/restore"
	"plan/steps"
)

func damaged(key, message, cause string) *checks.Finding {
	return &checks.Finding{Name: Damaged, Verdict: checks.Fail, Object: key, Message: message, Cause: cause,
		Next: "make a new backup, see to the store, and delete this object by hand; it cannot be restored"}
}

func noMetadata(key string, err error) *checks.Finding {
	return &checks.Finding{Name: NoMetadata, Verdict: checks.Unknown, Object: key, Message: "it has the name of a backup and no metadata to compare with",
		Cause: err.Error() + ": another program wrote it, or copied it without its metadata",
		Next:  "make a new backup; copy backups with their metadata, or take this object away"}
}

func (l *look) otherCluster(key string, meta backup.Meta) *checks.Finding {
	return &checks.Finding{Name: OtherCluster, Verdict: checks.Fail, Object: key,
		Message: fmt.Sprintf("it is of cluster %s with UID %s, this one has %s", meta.Cluster, meta.ClusterUID, l.cluster.UID),
		Cause:   "two clusters share a name and a store, or this one was built anew",
		Next:    "give each cluster a name of its own (spec.cluster.name); of a cluster that was built anew, make a backup"}
}

// judgeAge judges a sound backup.
func (l *look) judgeAge(v backup.Verified) checks.Finding {
	f := l.limit.Judge(v.Key.String(), v.Key.Started)
	what := "PersistentVolume"
	if v.Meta.Artefact == backup.Nodes {
		what = "node"
	}
	f.Message = fmt.Sprintf("%s, read back whole: %s, %s, %s", f.Message, english.Plural(int(v.Index.Primary()), what, ""), english.Plural(int(v.Index.Objects), "object", ""), humanize.IBytes(uint64(v.Size)))
	f.Data["size"], f.Data["objects"] = v.Size, v.Index.Objects
	if f.Name == checks.Stale {
		f.Cause = "it is the newest sound one under " + l.folder
		f.Next = fmt.Sprintf("find out why backup-%s did not run or did not finish", l.artefact)
	}
	return f
}

// others lists what is in the folder besides, and says when there is nothing else.
func (l *look) others() {
	if len(l.entries) == 0 {
		l.outcome.Add(checks.Finding{Name: checks.NoBackup, Verdict: checks.Fail, Object: l.folder,
			Message: fmt.Sprintf("no backup of %s is there", l.artefact), Cause: l.why(),
			Next: fmt.Sprintf("see that backup-%s runs, and that store, prefix and the cluster's name are its", l.artefact)})
	}
	if l.older.count > 0 {
		l.outcome.Add(checks.Finding{Name: OlderTool, Verdict: checks.None, Object: l.older.first,
			Message: fmt.Sprintf("%s of this sort: older tool's summary; cannot be restored", english.Plural(int(l.older.count), "object", "")),
			Cause:   "the older tool kept some fields of each volume or node, not the objects", Next: "delete them when they are no longer wanted"})
	}
	if l.foreign.count > 0 {
		l.outcome.Add(checks.Finding{Name: Foreign, Verdict: checks.None, Object: l.foreign.first,
			Message: english.Plural(int(l.foreign.count), "object", "") + " without a backup's name, left out",
			Cause:   "somebody else writes there", Next: "keep other objects elsewhere"})
	}
}

func (l *look) why() string {
	if n := l.older.count + l.foreign.count; n > 0 {
		return fmt.Sprintf("of %s under %s none has the name of one", english.Plural(int(n), "object", ""), l.folder)
	}
	return "nothing at all is under " + l.folder
}

// rehearse tries to restore the sound backup, without anything being stored.
func (l *look) rehearse(ctx context.Context, env *steps.Env) {
	b, err := restore.Read(ctx, l.store, l.sound.Key.String(), l.artefact)
	if err != nil {
		l.outcome.Add(checks.Broken(l.sound.Key.String(), err))
		return
	}
	mismatches := b.Mismatches()
	for _, o := range b.Objects {
		for _, problem := range mismatches[o.ID] {
			l.outcome.Add(checks.Finding{Name: Mismatched, Verdict: checks.Fail, Object: o.ID.String(), Message: problem,
				Cause: "volume and claim did not fit when the backup was made; a claim that is being enlarged does not until that is done",
				Next:  "see to the pair and make a new backup; a restore refuses it"})
		}
	}
	passed, trials := restore.Rehearse(ctx, env.Kube, b, env.Progress)
	for _, t := range trials {
		l.outcome.Add(judgeTrial(t))
	}
	if len(trials) == 0 && len(mismatches) == 0 {
		l.outcome.Add(checks.Finding{Name: checks.OK, Verdict: checks.Pass, Object: l.sound.Key.String(),
			Message: fmt.Sprintf("rehearsed: the API server takes all %d objects that a restore makes", passed)})
	}
}

// judgeTrial tells what an object that did not pass is. A refusal of the object itself, by validation or by an admission plugin, is certain.
// Not being permitted to create any says nothing of the object, nor does what only stands in the way of this rehearsal.
func judgeTrial(t restore.Trial) checks.Finding {
	switch {
	case restore.Quota(t.Err):
		return checks.Finding{Name: Quota, Verdict: checks.None, Object: t.ID.String(), Message: "rehearsed: only a quota is in the way",
			Cause: t.Err.Error(), Next: "raise the quota before a restore into this cluster"}
	case restore.Refused(t.Err) && !restore.NotPermitted(t.Err) && !passing(t.Err):
		return checks.Finding{Name: Rejected, Verdict: checks.Fail, Object: t.ID.String(), Message: "rehearsed: the API server does not take it",
			Cause: t.Err.Error(), Next: "see what in the object this version of Kubernetes, or an admission webhook, does not take"}
	}
	return checks.Broken(t.ID.String(), t.Err)
}

// passing tells whether a refusal is about the moment or the rehearsal and not about the object: somebody else changes something, the
// namespace is being deleted, or a webhook that would be called does not say that it has no side effects, so that it was not asked
// (apiserver, webhook.NewDryRunUnsupportedErr).
func passing(err error) bool {
	return apierrors.IsConflict(err) || apierrors.HasStatusCause(err, terminating) ||
		apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "does not support dry run")
}

// terminating is the cause that the API server gives for a creation in a namespace that is being deleted (api/core/v1,
// NamespaceTerminatingCause).
const terminating metav1.CauseType = "NamespaceTerminating"
