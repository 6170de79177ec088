package checks

import (
	"fmt"
	"strconv"
	"time"

	"plan/schema"
)

// Skew is how far in the future something may be dated before it is taken for a mistake: clocks differ a little.
const Skew = 5 * time.Minute

// Limit is how old something may be.
type Limit struct {
	Now    time.Time
	MaxAge time.Duration
}

// Judge compares a time with the limit: OK up to and at it, STALE beyond, FUTURE_DATED more than Skew ahead of now, UNREADABLE for
// the zero time. The finding is complete; a check that knows more replaces its cause and next step.
func (l Limit) Judge(object string, at time.Time) Finding {
	f := Finding{Object: object}
	if at.IsZero() {
		f.Name, f.Verdict, f.Message = Unreadable, Unknown, "it has no time"
		f.Cause, f.Next = "whoever keeps it does not say when it was made", "look at it by hand; its age cannot be judged"
		return f
	}
	age := Age(l.Now, at)
	stamp := at.UTC().Format(time.RFC3339)
	f.Data = map[string]any{"time": stamp, "age": schema.FormatDuration(age.Truncate(time.Second))}
	switch {
	case at.Sub(l.Now) > Skew:
		f.Name, f.Verdict, f.Message = FutureDated, Fail, fmt.Sprintf("its time %s is %s ahead", stamp, short(at.Sub(l.Now)))
		f.Cause, f.Next = "a clock is wrong here or where it was made", "set the clocks, and see that a new one is made"
	case at.Before(l.Now.Add(-l.MaxAge)): // not by age, which ends at 292 years
		f.Name, f.Verdict, f.Message = Stale, Fail, fmt.Sprintf("%s old, over the limit of %s", beyond(age, l.MaxAge), schema.FormatDuration(l.MaxAge))
		f.Cause, f.Next = "nothing newer was made since "+stamp, "find out why what makes it did not run or did not finish"
	default:
		f.Name, f.Verdict, f.Message = OK, Pass, short(age)+" old"
	}
	return f
}

// JudgeText compares a time as Kubernetes objects have it (RFC 3339, with or without a fraction). An empty text is NO_TIMESTAMP, one
// that is no time UNREADABLE.
func (l Limit) JudgeText(object, text string) Finding {
	if text == "" {
		return Finding{Name: NoTimestamp, Verdict: Fail, Object: object, Message: "the time is empty",
			Cause: "it has never worked so far", Next: "see that it runs, and that it finishes"}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return Finding{Name: Unreadable, Verdict: Unknown, Object: object, Message: "the time " + strconv.Quote(clip(text, 60)) + " cannot be read",
			Cause: "it is not of the form 2026-01-15T02:00:05Z (RFC 3339)", Next: "look at what writes it"}
	}
	return l.Judge(object, at)
}

// Age is how old something of that time is; never negative.
func Age(now, at time.Time) time.Duration { return max(now.Sub(at), 0) }

// short writes a duration as precisely as a reader cares for.
func short(d time.Duration) string {
	unit := time.Second
	switch {
	case d >= 7*schema.Day:
		unit = time.Hour
	case d >= time.Hour:
		unit = time.Minute
	}
	return schema.FormatDuration(d.Truncate(unit))
}

// beyond writes an age so that it does not look like the limit that it exceeds.
func beyond(age, limit time.Duration) string {
	if text := short(age); text != short(limit) {
		return text
	}
	if text := schema.FormatDuration(age.Truncate(time.Second)); age.Truncate(time.Second) > limit {
		return text
	}
	return schema.FormatDuration(age.Truncate(time.Millisecond) + time.Millisecond) // rounded up, or it would not be over
}

// clip cuts a text after so many runes.
func clip(s string, most int) string {
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "…"
		}
	}
	return s
}
