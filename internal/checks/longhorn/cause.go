package longhorn

import (
	"cmp"
	"fmt"
	"strings"

	"plan/internal/checks"
	"plan/internal/longhorn"
)

// optOut is the last part of what to do about a volume that is not backed up on purpose.
const optOut = ", or give its claim the annotation " + longhorn.Skip + ": " + longhorn.SkipValue

func noTarget(name string, there bool) checks.Finding {
	f := checks.Finding{Name: notConfigured, Verdict: checks.Fail, Message: "its backups have nowhere to go", Cause: "the backup target " + name + " has no URL",
		Next: "set the URL of the backup target in Longhorn" + optOut}
	if !there {
		f.Cause, f.Next = "Longhorn has no backup target "+name, "make the backup target, or choose another for the volume"+optOut
	}
	return f
}

// known is what was known of the last backup, for findings that cannot rely on it.
func known(h longhorn.History) string {
	switch {
	case h.Last == "":
		return "no backup of it was known"
	case h.At().IsZero():
		return "the time of its last known backup cannot be read"
	}
	return "its last known backup is of " + stamp(h.At())
}

func failed(b longhorn.Backup, h longhorn.History) checks.Finding {
	cause := cmp.Or(longhorn.FirstLine(b.Error), "Longhorn does not say why")
	return checks.Finding{Name: lastFailed, Verdict: checks.Fail, Message: fmt.Sprintf("its newest backup %s of %s is in state %s; %s", b.Name, stamp(b.At()), b.State, known(h)),
		Cause: cause, Next: "see to the cause, then make a backup of the volume in Longhorn"}
}

func (j *judge) stuck(b longhorn.Backup) checks.Finding {
	return checks.Finding{Name: stuck, Verdict: checks.Fail, Message: fmt.Sprintf("its newest backup %s began %s ago and has not ended", b.Name, j.ago(b.At())),
		Cause: "it is in state " + cmp.Or(b.State, "none") + " since " + stamp(b.At()), Next: "delete that backup in Longhorn and make another; look at the volume's instance manager if it stands still again"}
}

func unreachable(t longhorn.Target, h longhorn.History) checks.Finding {
	return checks.Finding{Name: unavailable, Verdict: checks.Unknown, Message: fmt.Sprintf("the backup target %s is not available; %s", t.Name, known(h)),
		Cause: cmp.Or(t.Reason, "Longhorn has not reached it so far"), Next: "see to the target, its address and its credentials, then check again"}
}

func notRead(t longhorn.Target, why string, h longhorn.History) checks.Finding {
	return checks.Finding{Name: frozen, Verdict: checks.Unknown, Message: "what Longhorn tells of its backups is old; " + known(h),
		Cause: why, Next: "look at the longhorn-manager pods and at the backup target " + t.Name + ", then check again"}
}

// late completes the finding for a volume without a fresh backup: why there is none.
func (j *judge) late(v longhorn.Volume, h longhorn.History, f checks.Finding) checks.Finding {
	jobs := j.state.BackupJobs(v)
	if len(jobs) == 0 {
		if f.Name == checks.Stale {
			f.Message = "its last backup is " + f.Message
		}
		f.Name, f.Message = noJob, "no recurring job backs it up, and "+f.Message
		f.Cause = "no recurring job of the tasks backup and backup-force-create is for it: " + memberships(v)
		f.Next = "put it into the group of such a job (label recurring-job-group.longhorn.io/GROUP: enabled of the Longhorn volume)" + optOut
		return f
	}
	f.Cause, f.Next = j.why(v, h, jobs)
	return f
}

// why says what keeps the jobs from backing up a volume, as far as it can be seen.
func (j *judge) why(v longhorn.Volume, h longhorn.History, jobs []longhorn.Job) (cause, next string) {
	names := make([]string, 0, len(jobs))
	for _, job := range jobs {
		names = append(names, job.String())
	}
	whose := "job " + strings.Join(names, ", ")
	created := longhorn.Time(v.Created)
	switch {
	case v.Restoring:
		return "it is being restored from a backup, and recurring jobs leave it out meanwhile", "wait for the end of the restore, and see that a backup is made"
	case v.Robustness == longhorn.Faulted:
		return "it is faulted, and recurring jobs leave it out", "salvage it in Longhorn, or restore it from its last backup"
	case v.State != longhorn.Attached && !j.state.WhileDetached():
		return fmt.Sprintf("it is %s, and recurring jobs leave out what is not attached: the setting allow-recurring-job-while-volume-detached is off", cmp.Or(v.State, "not attached")),
			"turn the setting on, or attach the volume" + optOut
	case h.Newest != nil && h.Newest.Running() && h.Newest.At().After(h.At()):
		return fmt.Sprintf("the backup %s began %s ago and has not ended yet", h.Newest.Name, j.ago(h.Newest.At())), "wait for its end; if it stands still, look at the volume's instance manager"
	case h.Last == "" && !created.IsZero() && j.limit.Now.Sub(created) <= j.limit.MaxAge:
		return fmt.Sprintf("it was made %s ago, and %s has made none yet", j.ago(created), whose), "wait for the job's next run, or make a backup in Longhorn now"
	}
	return fmt.Sprintf("%s should have made one and has not; the volume is %s", whose, cmp.Or(v.State, "in no state")),
		fmt.Sprintf("look at the pods of that CronJob in namespace %s, and at the volume's events", j.check.Namespace)
}

// memberships are the jobs and groups that a volume is in, for a message.
func memberships(v longhorn.Volume) string {
	jobs, groups := v.Selectors()
	var parts []string
	if len(jobs) > 0 {
		parts = append(parts, "jobs "+strings.Join(jobs, ", "))
	}
	if len(groups) > 0 {
		parts = append(parts, "groups "+strings.Join(groups, ", "))
	}
	if len(parts) == 0 {
		return "it is in no job and no group"
	}
	return "it is in " + strings.Join(parts, " and ")
}
