package checks_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"plan/internal/checks"
)

func TestJudge(t *testing.T) {
	const day = 24 * time.Hour
	cases := map[string]struct {
		age     time.Duration
		want    checks.Name
		verdict checks.Verdict
		message string
	}{
		"now":               {0, checks.OK, checks.Pass, "0s old"},
		"fresh":             {3*time.Hour + 4*time.Minute + 5*time.Second, checks.OK, checks.Pass, "3h4m old"},
		"at the limit":      {2 * day, checks.OK, checks.Pass, "2d old"},
		"just over":         {2*day + time.Nanosecond, checks.Stale, checks.Fail, "2d1ms old, over the limit of 2d"},
		"a second over":     {2*day + time.Second, checks.Stale, checks.Fail, "2d1s old, over the limit of 2d"},
		"far over":          {30*day + 90*time.Minute, checks.Stale, checks.Fail, "30d1h old, over the limit of 2d"},
		"clocks differ":     {-checks.Skew, checks.OK, checks.Pass, "0s old"},
		"in the future":     {-checks.Skew - time.Second, checks.FutureDated, checks.Fail, "its time 2026-03-02T02:05:01Z is 5m1s ahead"},
		"centuries old":     {math.MaxInt64, checks.Stale, checks.Fail, ""},
		"centuries to come": {math.MinInt64 + 1, checks.FutureDated, checks.Fail, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := checks.Limit{Now: now, MaxAge: 2 * day}.Judge("x", now.Add(-tc.age))
			if f.Name != tc.want || f.Verdict != tc.verdict || tc.message != "" && f.Message != tc.message {
				t.Errorf("%+v", f)
			}
			if f.Name != checks.OK && (f.Cause == "" || f.Next == "") {
				t.Errorf("no cause or next step: %+v", f)
			}
		})
	}
}

func TestJudgeText(t *testing.T) {
	cases := map[string]struct {
		text    string
		want    checks.Name
		verdict checks.Verdict
	}{
		"UTC":                {"2026-03-02T01:00:00Z", checks.OK, checks.Pass},
		"fraction":           {"2026-03-02T01:00:00.123456789Z", checks.OK, checks.Pass},
		"offset":             {"2026-03-02T03:00:00+02:00", checks.OK, checks.Pass},
		"offset, old":        {"2026-02-27T23:00:00-01:00", checks.Stale, checks.Fail},
		"empty":              {"", checks.NoTimestamp, checks.Fail},
		"zero time of Go":    {"0001-01-01T00:00:00Z", checks.Unreadable, checks.Unknown},
		"seconds":            {"1768478400", checks.Unreadable, checks.Unknown},
		"no zone":            {"2026-03-02T01:00:00", checks.Unreadable, checks.Unknown},
		"no such day":        {"2026-02-30T01:00:00Z", checks.Unreadable, checks.Unknown},
		"a word":             {"never", checks.Unreadable, checks.Unknown},
		"blank":              {" ", checks.Unreadable, checks.Unknown},
		"of the next decade": {"2036-03-02T01:00:00Z", checks.FutureDated, checks.Fail},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := checks.Limit{Now: now, MaxAge: 48 * time.Hour}.JudgeText("x", tc.text)
			if f.Name != tc.want || f.Verdict != tc.verdict || f.Name != checks.OK && (f.Cause == "" || f.Next == "") {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestJudgePassesOnlyWhatIsFresh(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		age := time.Duration(rapid.Int64().Draw(t, "age"))
		limit := time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "limit"))
		at := now.Add(-age)
		f := checks.Limit{Now: now, MaxAge: limit}.Judge("x", at)
		fresh := !at.After(now.Add(checks.Skew)) && !at.Before(now.Add(-limit))
		if (f.Verdict == checks.Pass) != fresh {
			t.Errorf("age %s, limit %s: %+v", age, limit, f)
		}
	})
}

func TestTheOldestTimeIsNotFresh(t *testing.T) {
	at := now.Add(math.MinInt64) // a nanosecond longer ago than any duration tells
	if f := (checks.Limit{Now: now, MaxAge: math.MaxInt64}).Judge("x", at); f.Verdict == checks.Pass {
		t.Errorf("%+v", f)
	}
}
