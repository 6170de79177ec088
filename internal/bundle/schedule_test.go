package bundle_test

import (
	"testing"

	"plan/internal/bundle"
)

func TestSchedules(t *testing.T) {
	for schedule, c := range map[string]struct {
		ok     bool
		reason string
	}{
		"0 3 * * *":               {true, "five fields"},
		"*/15 0-6,22 1 JAN MON":   {true, "steps, ranges, lists and names"},
		"0 3 ? * *":               {true, "Kubernetes takes it"},
		"0 0 29 2 *":              {true, "it comes every fourth year"},
		"@daily":                  {true, "a word"},
		"@yearly":                 {true, "a word"},
		"":                        {false, "empty"},
		"0 3 * *":                 {false, "four fields"},
		"0 0 3 * * *":             {false, "six: seconds are another cron's"},
		"60 3 * * *":              {false, "no hour has it"},
		"0 0 30 2 *":              {false, "it never comes"},
		"@reboot":                 {false, "another cron's"},
		"@every 5m":               {false, "no time of the clock"},
		"TZ=UTC 0 3 * * *":        {false, "the server refuses it"},
		"CRON_TZ=UTC 0 3 * * *":   {false, "the server refuses it"},
		"TZ=0":                    {false, "the library panics over it"},
		"0 3 * * *\nkind: Secret": {false, "not five fields"},
	} {
		if err := bundle.CheckSchedule(schedule); (err == nil) != c.ok {
			t.Errorf("%q (%s): %v", schedule, c.reason, err)
		}
	}
	for zone, ok := range map[string]bool{"": true, "UTC": true, "Etc/UTC": true, "Europe/Berlin": true, "Local": false, "local": false, "Mars/Olympus": false, "../UTC": false, "UTC+1": false} {
		if err := bundle.CheckTimeZone(zone); (err == nil) != ok {
			t.Errorf("time zone %q: %v", zone, err)
		}
	}
}
