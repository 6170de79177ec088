package bundle

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

const scheduleForm = "want five fields, minute hour day-of-month month day-of-week, such as 0 3 * * *, or @hourly, @daily, @weekly, @monthly, @yearly"

// CheckSchedule reads a schedule as the API server does (with the same library), and refuses besides what never comes, and @every, which
// Kubernetes does not document: it counts from when the controller looks.
func CheckSchedule(schedule string) error {
	switch {
	case strings.TrimSpace(schedule) == "":
		return errors.New("schedule: it is empty; " + scheduleForm)
	case strings.Contains(schedule, "TZ"):
		return fmt.Errorf("schedule %q: the time zone stands beside it, with --time-zone", schedule)
	case strings.HasPrefix(schedule, "@every"):
		return fmt.Errorf("schedule %q: @every is no time of the clock; for every quarter of an hour write */15 * * * *", schedule)
	}
	parsed, err := cron.ParseStandard(schedule)
	if err != nil {
		return fmt.Errorf("schedule %q: %w; %s", schedule, err, scheduleForm)
	}
	if parsed.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return fmt.Errorf("schedule %q: that day never comes", schedule)
	}
	return nil
}

// CheckTimeZone reads a time zone as the API server does. Empty is that of the cluster's controller. The program has zones of its own for a machine
// that has none.
func CheckTimeZone(zone string) error {
	if strings.EqualFold(zone, "Local") {
		return fmt.Errorf("time zone %q: whose? Name one, such as Europe/Berlin", zone)
	}
	if _, err := time.LoadLocation(zone); err != nil {
		return fmt.Errorf("time zone %q: it is none of the IANA database, such as Europe/Berlin or Etc/UTC", zone)
	}
	return nil
}
