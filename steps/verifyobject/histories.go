package verifyobject

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"plan/internal/checks"
)

// histories judges the newest object of each group: of objects that are made anew each time, such as backups.
type histories struct {
	want  wanted
	limit checks.Limit
	of    map[string]*history

	ungrouped int64
	example   string
}

// history is one group.
type history struct {
	objects int64
	newest  entry // of those that meet the condition and have a time that is not of the future
	at      time.Time

	deleted int64
	unmet   entry // the last made of those that do not meet the condition
	no      int64 // how many those are
	unended entry // one that meets it and has no time

	bad, future []checks.Finding
}

// look is told one object after the other.
func (j *histories) look(e entry) {
	if j.want.group != nil && e.group == "" && e.bad == nil {
		j.ungrouped++
		j.example = e.object
		return
	}
	h := j.of[e.group]
	if h == nil {
		h = &history{}
		j.of[e.group] = h
	}
	h.objects++
	switch {
	case e.deleted:
		h.deleted++
	case e.bad != nil:
		h.bad = append(h.bad, *e.bad)
	case e.unmet != "":
		h.no++
		if h.unmet.object == "" || e.created.After(h.unmet.created) {
			h.unmet = e
		}
	case e.stamp == "":
		h.unended = e
	default:
		h.dated(e, j.want.age(e, j.limit))
	}
}

// dated takes in an object that meets the condition and has a time.
func (h *history) dated(e entry, f checks.Finding) {
	switch f.Name {
	case checks.FutureDated:
		h.future = append(h.future, f)
	case checks.Unreadable:
		h.bad = append(h.bad, f)
	default:
		at, err := time.Parse(time.RFC3339, e.stamp)
		if err == nil && (h.newest.object == "" || at.After(h.at)) {
			h.newest, h.at = e, at
		}
	}
}

// end gives the findings of all groups, those without a name first.
func (j *histories) end() []checks.Finding {
	var found []checks.Finding
	for _, name := range slices.Sorted(maps.Keys(j.of)) {
		found = append(found, j.judge(name, j.of[name])...)
	}
	if j.ungrouped > 0 {
		found = append(found, checks.Finding{
			Name: ungrouped, Verdict: checks.None, Object: j.example, Message: fmt.Sprintf("%d objects such as this one have nothing at %s, and are not judged", j.ungrouped, j.want.group.text),
			Cause: "they were made otherwise, or the path is not right", Next: "narrow the selector so that they are not selected",
		})
	}
	return found
}

func (j *histories) judge(name string, h *history) []checks.Finding {
	found := slices.Clone(h.future)
	bad := slices.Clone(h.bad)
	switch {
	case h.newest.object != "":
		f := j.newest(name, h)
		found = append(found, f)
		if f.Verdict == checks.Pass {
			for i := range bad {
				bad[i].Verdict = checks.None // one object that is fresh is enough
			}
			if h.no > 0 && h.unmet.created.After(h.newest.created) {
				later := j.want.unmetFinding(h.unmet)
				later.Verdict, later.Message = checks.None, later.Message+", and was made after the newest that does"
				found = append(found, later)
			}
		}
	case len(h.future)+len(h.bad) == 0:
		found = append(found, j.nothing(name, h))
	}
	return append(found, bad...)
}

// newest judges the newest object that counts.
func (j *histories) newest(name string, h *history) checks.Finding {
	f := j.limit.Judge(h.newest.object, h.at)
	f.Message += ", the newest " + j.among(name, h)
	if j.want.group != nil {
		f.Data["group"] = name
	}
	if f.Name == checks.Stale && h.no > 0 && h.unmet.created.After(h.newest.created) {
		f.Cause = fmt.Sprintf("what was made since does not meet %s, the last being %s: %s", j.want.condition.text, h.unmet.object, h.unmet.unmet)
	}
	return f
}

// nothing is the finding for a group in which no object counts, though all could be read.
func (j *histories) nothing(name string, h *history) checks.Finding {
	switch {
	case h.unended.object != "":
		f := j.want.age(h.unended, j.limit)
		f.Message += ", and no other counts " + j.among(name, h)
		return f
	case h.no > 0:
		f := j.want.unmetFinding(h.unmet)
		f.Message = fmt.Sprintf("none meets %s %s, this one was made last", j.want.condition.text, j.among(name, h))
		return f
	}
	f := j.want.none()
	f.Message, f.Cause = "there is none but those being deleted "+j.among(name, h), "all were deleted"
	return f
}

func (j *histories) among(name string, h *history) string {
	text := fmt.Sprintf("of %d", h.objects)
	if j.want.group != nil {
		text += fmt.Sprintf(" with %s %s", j.want.group.text, quote(name))
	}
	return text
}
