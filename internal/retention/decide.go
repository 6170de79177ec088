package retention

import (
	"cmp"
	"slices"
	"time"
)

// Candidate is a backup that retention rules are about.
type Candidate struct {
	Key      string
	Time     time.Time // the start of the run that made it, whole seconds
	Modified time.Time // when the store got it; tells which of two of one second is newer
	Own      bool      // made by this very run: the newest of its second
	Count    int64     // PersistentVolumes or nodes in it
}

// Decision divides candidates; each is in exactly one of the lists.
type Decision struct {
	Keep   []Candidate // newest first
	Remove []Candidate // oldest first
}

// Decide is a pure function: the order of the candidates does not matter and they are not changed. The newest candidate stays,
// whatever the rules say, and so does one younger than minAge. Of candidates of one time the
// newer is this run's own, else the one that the store got later, else the one with the greater key. A young candidate counts for the rules like any other. Deciding again on what was kept removes nothing.
func Decide(keep Keep, candidates []Candidate, now time.Time, minAge time.Duration) Decision {
	sorted := newestFirst(candidates)
	rules := keep.rules()
	var d Decision
	for i, c := range sorted {
		stays := i == 0 || now.Sub(c.Time) < minAge
		for r := range rules {
			if rules[r].takes(i, c.Time.UTC()) {
				stays = true
			}
		}
		if stays {
			d.Keep = append(d.Keep, c)
		} else {
			d.Remove = append(d.Remove, c)
		}
	}
	slices.Reverse(d.Remove)
	return d
}

func newestFirst(candidates []Candidate) []Candidate {
	sorted := slices.Clone(candidates)
	slices.SortFunc(sorted, compare)
	return sorted
}

// compare puts the newer first.
func compare(a, b Candidate) int {
	return cmp.Or(b.Time.Compare(a.Time), own(b)-own(a), b.Modified.Compare(a.Modified), cmp.Compare(b.Key, a.Key))
}

func own(c Candidate) int {
	if c.Own {
		return 1
	}
	return 0
}

// rule keeps the newest of each of the left next periods that it meets.
type rule struct {
	period func(index int, t time.Time) int
	left   int
	last   int // the period met last
	any    bool
}

func (r *rule) takes(index int, t time.Time) bool {
	p := r.period(index, t)
	if r.left <= 0 || (r.any && p == r.last) {
		return false
	}
	r.any, r.last = true, p
	r.left--
	return true
}

func (k Keep) rules() []rule {
	return []rule{
		{left: k.Last, period: func(index int, _ time.Time) int { return index }},
		{left: k.Daily, period: func(_ int, t time.Time) int { return t.Year()*1000 + t.YearDay() }},
		{left: k.Weekly, period: func(_ int, t time.Time) int { year, week := t.ISOWeek(); return year*100 + week }},
		{left: k.Monthly, period: func(_ int, t time.Time) int { return t.Year()*100 + int(t.Month()) }},
	}
}

// emptied tells whether the newest candidate holds nothing and one that would go holds something: more likely a fault than a cluster
// that was emptied, however many nights it lasts, so nothing is removed on its account.
func (d Decision) emptied() bool {
	return len(d.Keep) > 0 && d.Keep[0].Count == 0 && slices.ContainsFunc(d.Remove, func(c Candidate) bool { return c.Count > 0 })
}
