package retention_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"plan/internal/retention"
)

func at(day string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", day)
	if err != nil {
		panic(err)
	}
	return t
}

func TestDecide(t *testing.T) {
	now := at("2026-03-02 12:00")
	cases := map[string]struct {
		keep   retention.Keep
		minAge time.Duration
		times  []string
		want   []string // newest first
		reason string
	}{
		"last": {retention.Keep{Last: 2}, 0,
			[]string{"2026-03-01 02:00", "2026-02-27 02:00", "2026-02-28 02:00"}, []string{"2026-03-01 02:00", "2026-02-28 02:00"},
			"the newest two, in whatever order they come"},
		"daily keeps the newest of a day": {retention.Keep{Daily: 2}, 0,
			[]string{"2026-03-01 02:00", "2026-03-01 23:59", "2026-02-20 00:00", "2026-02-20 01:00", "2026-02-19 00:00"},
			[]string{"2026-03-01 23:59", "2026-02-20 01:00"}, "days without a backup do not count"},
		"weekly is ISO": {retention.Keep{Weekly: 3}, 0,
			[]string{"2026-01-04 10:00", "2026-01-01 10:00", "2025-12-29 10:00", "2025-12-28 10:00", "2025-12-21 10:00"},
			[]string{"2026-01-04 10:00", "2025-12-28 10:00", "2025-12-21 10:00"}, "2025-12-29 is in the week of 2026-01-04"},
		"monthly": {retention.Keep{Monthly: 2}, 0,
			[]string{"2026-03-01 02:00", "2026-02-28 02:00", "2026-02-01 02:00", "2025-03-31 02:00"},
			[]string{"2026-03-01 02:00", "2026-02-28 02:00"}, "March of another year is another month"},
		"union": {retention.Keep{Last: 1, Monthly: 3}, 0,
			[]string{"2026-03-01 02:00", "2026-02-28 02:00", "2026-02-27 02:00", "2026-01-05 02:00"},
			[]string{"2026-03-01 02:00", "2026-02-28 02:00", "2026-01-05 02:00"}, "a backup stays if any rule keeps it"},
		"young": {retention.Keep{Last: 1}, 48 * time.Hour,
			[]string{"2026-03-02 02:00", "2026-02-28 12:00", "2026-02-28 12:01"},
			[]string{"2026-03-02 02:00", "2026-02-28 12:01"}, "exactly minAge old is old enough"},
		"no rule": {retention.Keep{}, 0, []string{"2026-03-01 02:00", "2026-02-28 02:00"}, []string{"2026-03-01 02:00"}, "the newest always stays"},
		"nothing": {retention.Keep{Last: 1}, 0, nil, nil, "no candidates, no decision"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var list []retention.Candidate
			for _, s := range tc.times {
				list = append(list, retention.Candidate{Key: s, Time: at(s)})
			}
			var got []string
			for _, c := range retention.Decide(tc.keep, list, now, tc.minAge).Keep {
				got = append(got, c.Key)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDecideIsInUTC(t *testing.T) {
	zone := time.FixedZone("east", 10*3600)
	list := []retention.Candidate{
		{Key: "a", Time: time.Date(2026, 3, 2, 9, 0, 0, 0, zone)},  // 1 March in UTC
		{Key: "b", Time: time.Date(2026, 3, 2, 11, 0, 0, 0, zone)}, // 2 March in UTC
	}
	if d := retention.Decide(retention.Keep{Daily: 2}, list, at("2026-03-03 00:00"), 0); len(d.Remove) != 0 {
		t.Errorf("removed %v: both days have one backup in UTC", d.Remove)
	}
}

// history draws backups over about two years, often several a day, sometimes of the very same second.
func history(t *rapid.T) ([]retention.Candidate, time.Time) {
	now := at("2026-01-02 00:00").Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "now")) * time.Hour)
	ages := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 240), rapid.IntRange(0, 20000)), 0, 60).Draw(t, "ages")
	list := make([]retention.Candidate, len(ages))
	for i, hours := range ages {
		list[i] = retention.Candidate{Key: fmt.Sprintf("k%03d", i), Time: now.Add(-time.Duration(hours) * time.Hour)}
	}
	return list, now
}

func rules(t *rapid.T, name string) retention.Keep {
	n := rapid.IntRange(0, 12)
	return retention.Keep{Last: n.Draw(t, name+".last"), Daily: n.Draw(t, name+".daily"), Weekly: n.Draw(t, name+".weekly"), Monthly: n.Draw(t, name+".monthly")}
}

// model says what stays, one backup at a time and by definition: the periods that have a backup newer than this one's period are
// counted, and this one must be the newest of its own.
func model(keep retention.Keep, list []retention.Candidate, now time.Time, minAge time.Duration) map[string]bool {
	newer := func(a, b retention.Candidate) bool {
		return a.Time.After(b.Time) || (a.Time.Equal(b.Time) && a.Key > b.Key)
	}
	byPeriod := func(c retention.Candidate, n int, period func(time.Time) string) bool {
		seen := map[string]bool{}
		for _, other := range list {
			if newer(other, c) {
				seen[period(other.Time)] = true
			}
		}
		return !seen[period(c.Time)] && len(seen) < n
	}
	stays := map[string]bool{}
	for _, c := range list {
		rank := 0
		for _, other := range list {
			if newer(other, c) {
				rank++
			}
		}
		stays[c.Key] = rank == 0 || rank < keep.Last || c.Time.After(now.Add(-minAge)) ||
			byPeriod(c, keep.Daily, func(t time.Time) string { return t.UTC().Format(time.DateOnly) }) ||
			byPeriod(c, keep.Monthly, func(t time.Time) string { return t.UTC().Format("2006-01") }) ||
			byPeriod(c, keep.Weekly, func(t time.Time) string { // the Monday that begins the week
				return t.UTC().AddDate(0, 0, -(int(t.UTC().Weekday())+6)%7).Format(time.DateOnly)
			})
	}
	return stays
}

// cases is how many histories are drawn, or a smaller number for a quick run.
func cases(t *testing.T) int {
	const name = "PLAN_RETENTION_CASES"
	n, err := strconv.Atoi(os.Getenv(name))
	if os.Getenv(name) == "" {
		return 5_000
	}
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, not a number of cases", name, os.Getenv(name))
	}
	return n
}

func TestRetentionOverRandomHistories(t *testing.T) {
	left := cases(t)
	for left > 0 { // rapid runs a fixed number of cases each time
		before := left
		rapid.Check(t, func(t *rapid.T) { left--; checkHistory(t) })
		if t.Failed() || left == before {
			return
		}
	}
}

func checkHistory(t *rapid.T) {
	list, now := history(t)
	keep := rules(t, "keep")
	minAge := time.Duration(rapid.SampledFrom([]int{0, 0, 1, 24, 500}).Draw(t, "minAge")) * time.Hour
	d := retention.Decide(keep, list, now, minAge)

	if len(d.Keep)+len(d.Remove) != len(list) {
		t.Fatalf("%d candidates became %d and %d", len(list), len(d.Keep), len(d.Remove))
	}
	want := model(keep, list, now, minAge)
	for _, c := range d.Keep {
		if !want[c.Key] {
			t.Fatalf("%s is kept", c.Key)
		}
	}
	for _, c := range d.Remove {
		if want[c.Key] {
			t.Fatalf("%s is removed", c.Key)
		}
	}
	newest := func(a, b retention.Candidate) int { return b.Time.Compare(a.Time) }
	if !slices.IsSortedFunc(d.Keep, newest) || !slices.IsSortedFunc(d.Remove, func(a, b retention.Candidate) int { return newest(b, a) }) {
		t.Fatal("not in order")
	}
	if again := retention.Decide(keep, d.Keep, now, minAge); len(again.Remove) != 0 {
		t.Fatalf("what was kept is removed the second time: %v", again.Remove)
	}
	shuffled := rapid.Permutation(list).Draw(t, "shuffled")
	if diff := cmp.Diff(d, retention.Decide(keep, shuffled, now, minAge)); diff != "" {
		t.Fatalf("the order matters:\n%s", diff)
	}
	more := rules(t, "more")
	more = retention.Keep{Last: more.Last + keep.Last, Daily: more.Daily + keep.Daily, Weekly: more.Weekly + keep.Weekly, Monthly: more.Monthly + keep.Monthly}
	for _, c := range retention.Decide(more, list, now, minAge).Remove {
		if want[c.Key] {
			t.Fatalf("%v removes %s, %v does not", more, c.Key, keep)
		}
	}
}
