package runstore

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"plan/engine"
)

// maxNamed is how many runs an error names.
const maxNamed = 5

// Find is the run of a list, newest first, that a word means: latest, an id, or the beginning of one only. The error is ErrNotFound when
// there is none; it names the candidates.
func Find(list []Summary, word string) (Summary, error) {
	if i := slices.IndexFunc(list, func(s Summary) bool { return s.ID == word }); i >= 0 {
		return list[i], nil
	}
	if len(list) == 0 {
		return Summary{}, fmt.Errorf("find run %q: %w: there are none", word, ErrNotFound)
	}
	if word == "latest" {
		return list[0], nil
	}
	var found []Summary
	for _, s := range list {
		if word != "" && strings.HasPrefix(s.ID, word) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return Summary{}, fmt.Errorf("find run %q: %w; the newest are %s", word, ErrNotFound, names(list))
	case 1:
		return found[0], nil
	}
	return Summary{}, fmt.Errorf("find run %q: %d runs begin like that: %s", word, len(found), names(found))
}

func names(list []Summary) string {
	var ids []string
	for _, s := range list[:min(len(list), maxNamed)] {
		ids = append(ids, s.ID)
	}
	if more := len(list) - len(ids); more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(ids, ", "), more)
	}
	return strings.Join(ids, ", ")
}

// Expired are the runs that may go, the oldest first: those that began longer ago than maxAge, and those beyond the keep newest of their
// plan; 0 is no limit. Never among them are a run that goes on, was suspended or did not get to its end, one with a step whose outcome is
// not known (a person has to answer that), one with a Problem, one that began in the future, and the last of its plan that succeeded.
func Expired(list []Summary, keep int, maxAge time.Duration, now time.Time) []Summary {
	list = slices.Clone(list)
	newestFirst(list)
	var old []Summary
	seen, success := map[string]int{}, map[string]bool{}
	for _, s := range list {
		if s.Problem != "" || s.History == nil {
			continue
		}
		seen[s.Plan]++
		last := succeeded(s) && !success[s.Plan]
		success[s.Plan] = success[s.Plan] || last
		if s.Running || !settled(s) || last || s.Started.After(now) {
			continue
		}
		if keep > 0 && seen[s.Plan] > keep || maxAge > 0 && now.Sub(s.Started) > maxAge {
			old = append(old, s)
		}
	}
	slices.Reverse(old)
	return old
}

// succeeded tells whether the last invocation did its work; one that was skipped because another had the lock did none.
func succeeded(s Summary) bool {
	e := s.History.Ended
	return e != nil && e.ExitCode == engine.ExitOK && (e.Outcome == engine.RunSucceeded || e.Outcome == engine.RunDegraded)
}

// settled tells whether nothing is left to go on with or to ask about.
func settled(s Summary) bool {
	return s.History.Ended != nil && !s.History.Suspended && len(s.History.Lost()) == 0
}
