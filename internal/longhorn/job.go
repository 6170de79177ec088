package longhorn

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Job is a recurring job.
type Job struct {
	Meta
	Task   string
	Cron   string
	Groups []string
}

// BacksUp tells whether the job makes backups of volumes. The others take snapshots, clean up, or back up Longhorn's own objects.
func (j Job) BacksUp() bool {
	return j.Task == "backup" || j.Task == "backup-force-create"
}

// String is the job as people know it.
func (j Job) String() string { return j.Name + " (" + cmp.Or(j.Cron, "no schedule") + ")" }

func (j *Job) decode(raw []byte) error {
	return decode(raw, &j.Meta, func(key string, value part) {
		if key != "spec" {
			return
		}
		value.each(func(key string, value part) {
			switch key {
			case "task":
				j.Task = value.text()
			case "cron":
				j.Cron = value.text()
			case "groups":
				j.Groups = value.texts()
			}
		})
	})
}

// Selectors are the jobs and groups that a volume is in: those of its labels. A volume without any such label is in the group default.
func (v Volume) Selectors() (jobs, groups []string) {
	labelled := false
	for _, key := range sortedKeys(v.Labels) {
		if name, ok := strings.CutPrefix(key, jobLabel); ok {
			labelled = true
			if v.Labels[key] == enabled {
				jobs = append(jobs, name)
			}
		} else if name, ok := strings.CutPrefix(key, groupLabel); ok {
			labelled = true
			if v.Labels[key] == enabled {
				groups = append(groups, name)
			}
		}
	}
	if !labelled {
		groups = []string{Default}
	}
	return jobs, groups
}

// BackupJobs are the jobs that back the volume up, by name. One that is being deleted is none.
func (s *State) BackupJobs(v Volume) (found []Job) {
	jobs, groups := v.Selectors()
	for _, job := range s.Jobs {
		in := slices.Contains(jobs, job.Name) || slices.ContainsFunc(job.Groups, func(g string) bool { return slices.Contains(groups, g) })
		if in && job.BacksUp() && !job.Terminating() {
			found = append(found, job)
		}
	}
	slices.SortFunc(found, func(a, b Job) int { return cmp.Compare(a.Name, b.Name) })
	return found
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
