package schema

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Day is 24 hours, whatever a calendar says.
const Day = 24 * time.Hour

// DurationPattern is the grammar of a duration as a regular expression. It also matches the empty string, which is no duration.
const DurationPattern = `^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$`

var units = [...]struct {
	name string
	size time.Duration
}{{"d", Day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}

// ParseDuration reads `[Nd][Nh][Nm][Ns][Nms]`: at least one part, each unit once, the longer before the shorter, no sign, no
// fraction, no blanks. A duration over about 292 years is an error.
func ParseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, errors.New(`duration is empty: write one such as "90s" or "1h30m"`)
	}
	var total time.Duration
	rest, next := s, 0
	for rest != "" {
		digits := leadingDigits(rest)
		if digits == 0 {
			return 0, badDuration(s)
		}
		number, tail := rest[:digits], rest[digits:]
		letters := len(tail) - len(strings.TrimLeft(tail, "dhms"))
		index := unitIndex(tail[:letters], next)
		if index < 0 {
			return 0, badDuration(s)
		}
		n, err := strconv.ParseInt(number, 10, 64)
		unit := units[index].size
		if err != nil || n > int64((math.MaxInt64-total)/unit) {
			return 0, fmt.Errorf("duration %q is too long", s)
		}
		total += time.Duration(n) * unit
		rest, next = tail[letters:], index+1
	}
	return total, nil
}

func leadingDigits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }

// unitIndex finds a unit among those from next on, so that units come in descending order.
func unitIndex(name string, next int) int {
	for i := next; i < len(units); i++ {
		if units[i].name == name {
			return i
		}
	}
	return -1
}

func badDuration(s string) error {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return fmt.Errorf(`%q is not a duration: write days, hours, minutes, seconds and milliseconds in this order, such as "1d12h", "90s" or "500ms"`, s)
}

// FormatDuration writes a duration in the form that ParseDuration reads, each part as large as it can be: "1d12h", "1m30s", "0s".
// What is smaller than a millisecond is cut off. A negative duration has no such form and gets a leading minus, for people only.
func FormatDuration(d time.Duration) string {
	sign := ""
	rest := uint64(d)
	if d < 0 {
		sign, rest = "-", -rest
	}
	var b strings.Builder
	for _, u := range units {
		if n := rest / uint64(u.size); n > 0 {
			b.WriteString(strconv.FormatUint(n, 10) + u.name)
			rest -= n * uint64(u.size)
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return sign + b.String()
}
