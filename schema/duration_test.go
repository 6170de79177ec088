package schema_test

import (
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"plan/schema"
)

func TestParseDuration(t *testing.T) {
	cases := map[string]struct {
		in     string
		want   time.Duration
		reason string
	}{
		"seconds":    {"90s", 90 * time.Second, "a part may be larger than the next unit"},
		"all":        {"1d2h3m4s5ms", 26*time.Hour + 3*time.Minute + 4*time.Second + 5*time.Millisecond, "every unit once"},
		"day":        {"1d", 24 * time.Hour, "a day is 24 h"},
		"zero":       {"0s", 0, "nothing is a duration too"},
		"just ms":    {"500ms", 500 * time.Millisecond, "ms is not m followed by s"},
		"m then ms":  {"1m5ms", time.Minute + 5*time.Millisecond, "units may be left out"},
		"zeros":      {"007s", 7 * time.Second, "leading zeros change nothing"},
		"longest ms": {"9223372036854ms", 9223372036854 * time.Millisecond, "the largest that fits"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := schema.ParseDuration(tc.in)
			if err != nil || got != tc.want {
				t.Errorf("ParseDuration(%q) = %v, %v; want %v (%s)", tc.in, got, err, tc.want, tc.reason)
			}
		})
	}
}

func TestParseDurationRefuses(t *testing.T) {
	cases := map[string]string{
		"":                       "empty",
		"5":                      "no unit",
		"s":                      "no number",
		"-5s":                    "a sign",
		"+5s":                    "a sign",
		"1.5h":                   "a fraction",
		"1 h":                    "a blank",
		"1m1h":                   "units ascend",
		"1h1h":                   "a unit twice",
		"1H":                     "upper case",
		"1w":                     "no such unit",
		"5us":                    "no such unit",
		"1hm":                    "a unit without a number",
		"1sms":                   "a unit without a number",
		"1٣s":                    "digits of another script",
		"106752d":                "over the longest duration",
		"106751d24h":             "over the longest duration by its sum",
		"9223372036855ms":        "over the longest duration",
		"99999999999999999999ms": "over 64 bits",
	}
	for in, reason := range cases {
		if got, err := schema.ParseDuration(in); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error: %s", in, got, reason)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	cases := map[time.Duration]string{
		0:                            "0s",
		time.Microsecond:             "0s",
		1500 * time.Microsecond:      "1ms",
		90 * time.Second:             "1m30s",
		36 * time.Hour:               "1d12h",
		-time.Minute:                 "-1m",
		time.Duration(math.MaxInt64): "106751d23h47m16s854ms",
		time.Duration(math.MinInt64): "-106751d23h47m16s854ms",
	}
	for in, want := range cases {
		if got := schema.FormatDuration(in); got != want {
			t.Errorf("FormatDuration(%d) = %q, want %q", in, got, want)
		}
	}
}

// FuzzDuration: whatever parses is matched by the published pattern and survives being written and read again; whatever the
// pattern matches parses, unless it is empty or too long.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"", "0s", "1d2h3m4s5ms", "1m1h", "106751d23h47m16s854ms", "106752d", "1.5h", "5ms", "5m5s"} {
		f.Add(s)
	}
	pattern := regexp.MustCompile(schema.DurationPattern)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := schema.ParseDuration(s)
		if err != nil {
			if pattern.MatchString(s) && s != "" && !strings.Contains(err.Error(), "too long") {
				t.Fatalf("the pattern matches %q, the parser says %v", s, err)
			}
			return
		}
		if !pattern.MatchString(s) || d < 0 {
			t.Fatalf("%q parses as %v against the pattern", s, d)
		}
		if again, err := schema.ParseDuration(schema.FormatDuration(d)); err != nil || again != d {
			t.Fatalf("%q is %d, written and read again %d, %v", s, d, again, err)
		}
	})
}

func FuzzFormatDuration(f *testing.F) {
	f.Add(int64(0))
	f.Add(int64(math.MaxInt64 / int64(time.Millisecond)))
	f.Fuzz(func(t *testing.T, ms int64) {
		if ms < 0 || ms > math.MaxInt64/int64(time.Millisecond) {
			return
		}
		want := time.Duration(ms) * time.Millisecond
		if got, err := schema.ParseDuration(schema.FormatDuration(want)); err != nil || got != want {
			t.Fatalf("%d ms becomes %q, read as %v, %v", ms, schema.FormatDuration(want), got, err)
		}
	})
}
