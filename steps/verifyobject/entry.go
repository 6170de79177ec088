package verifyobject

import (
	"errors"
	"time"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"plan/internal/checks"
)

// The findings that this kind has besides the common ones.
const (
	noObject    checks.Name = "NO_OBJECT"         // fail: nothing is selected
	notMet      checks.Name = "CONDITION_NOT_MET" // fail
	outdated    checks.Name = "OUTDATED"          // unknown: the status is of an earlier version of the object
	terminating checks.Name = "TERMINATING"       // listed: being deleted
	ungrouped   checks.Name = "UNGROUPED"         // listed: nothing at the path that per names
)

// entry is what counts of one object.
type entry struct {
	object  string // namespace/name
	created time.Time
	deleted bool   // is being deleted
	group   string // at the path of per
	stamp   string // at the path of time
	unmet   string // why the condition is not met; empty when it is

	bad *checks.Finding // why the object cannot be judged
}

// read takes an object as the server wrote it.
func (w wanted) read(item []byte) entry {
	var object map[string]any
	if err := utiljson.Unmarshal(item, &object); err != nil {
		return entry{bad: unreadable("", err)}
	}
	var e entry
	text := func(keys ...string) string { s, _ := nested(object, keys...).(string); return s }
	if e.object = text("metadata", "name"); text("metadata", "namespace") != "" {
		e.object = text("metadata", "namespace") + "/" + e.object
	}
	e.created, _ = time.Parse(time.RFC3339, text("metadata", "creationTimestamp")) // only orders objects for people
	e.deleted = text("metadata", "deletionTimestamp") != ""
	var errs [3]error
	if w.group != nil {
		e.group, errs[0] = w.group.value(object)
	}
	if w.time != nil {
		e.stamp, errs[1] = w.time.value(object)
	}
	if w.condition != nil {
		e.unmet, errs[2] = w.condition.unmet(object)
	}
	if err := errors.Join(errs[:]...); err != nil {
		e.bad = unreadable(e.object, err)
	}
	return e
}

// unreadable is the finding for an object that cannot be judged. It is no error of the step: another try would find the same.
func unreadable(object string, err error) *checks.Finding {
	f := &checks.Finding{Name: checks.Unreadable, Verdict: checks.Unknown, Object: object, Message: "it cannot be judged", Cause: err.Error(),
		Next: "see that the path is right, and what writes the object"}
	if errors.Is(err, errOutdated) {
		f.Name, f.Message, f.Next = outdated, "its status tells of an earlier version of it", "wait for its controller, or see that it runs"
	}
	return f
}

// age judges the time of an object that meets the condition.
func (w wanted) age(e entry, limit checks.Limit) checks.Finding {
	f := limit.JudgeText(e.object, e.stamp)
	switch f.Name {
	case checks.NoTimestamp:
		f.Message, f.Cause, f.Next = "nothing at "+w.time.text, "it never got so far, or the path is not right", "see that it runs and finishes, and that the path is right"
	case checks.Unreadable:
		f.Next = "see that " + w.time.text + " is the path of a time"
	}
	return f
}

// unmetFinding is the finding for an object that does not meet the condition.
func (w wanted) unmetFinding(e entry) checks.Finding {
	return checks.Finding{Name: notMet, Verdict: checks.Fail, Object: e.object, Message: "it does not meet " + w.condition.text, Cause: e.unmet,
		Next: "look at the object's status and events, and at the log of its controller"}
}

func terminatingFinding(e entry) checks.Finding {
	return checks.Finding{Name: terminating, Verdict: checks.None, Object: e.object, Message: "it is being deleted, and is not judged",
		Cause: "somebody deleted it", Next: "nothing, if that was meant"}
}
