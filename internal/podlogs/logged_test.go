package podlogs_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// part is what a runtime writes at once.
type part struct {
	at   time.Time
	text string
}

// logged is a line as it is written, in parts.
type logged []part

func (l logged) String() string {
	var b strings.Builder
	for _, p := range l {
		b.WriteString(p.text)
	}
	return b.String()
}

// clock gives the times of a log.
type clock func(r *rand.Rand, last time.Time) time.Time

// clocks of containers, the worst ones too.
func clocks() map[string]clock {
	return map[string]clock{
		"steady": func(r *rand.Rand, last time.Time) time.Time { return last.Add(time.Duration(r.IntN(2e6))) },
		"coarse": func(r *rand.Rand, last time.Time) time.Time {
			return last.Add(time.Duration(r.IntN(100)/99) * 200 * time.Millisecond)
		},
		"stopped": func(_ *rand.Rand, last time.Time) time.Time { return last },
		"two streams": func(r *rand.Rand, last time.Time) time.Time {
			return last.Add(2*time.Millisecond - time.Duration(r.IntN(4e6-1e5)))
		},
		"halting": func(r *rand.Rand, last time.Time) time.Time {
			if r.IntN(20) == 0 {
				return last.Add(time.Duration(r.IntN(5000)) * time.Millisecond)
			}
			return last
		},
		"jumping to and fro": func(r *rand.Rand, last time.Time) time.Time {
			return last.Add(time.Duration(r.IntN(7200)-3600) * time.Second)
		},
	}
}

// text is a line's content.
func text(r *rand.Rand, n int) string {
	switch r.IntN(40) {
	case 0:
		return ""
	case 1:
		return "the same again"
	case 2:
		return "2026-03-02T02:00:00.000000000Z looks like a line " + strconv.Itoa(n)
	case 3:
		return strings.Repeat("x", r.IntN(2000))
	case 4:
		return "\x1b[31m\r\x00\xff ::error::" + strconv.Itoa(n)
	}
	return "line " + strconv.Itoa(n)
}

// write makes a log of n lines.
func write(r *rand.Rand, tick clock, n int) []logged {
	now := time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
	lines := make([]logged, n)
	for i := range lines {
		now = tick(r, now)
		lines[i] = logged{{now, text(r, i)}}
		for last := now; r.IntN(50) == 0 && lines[i].String() != ""; { // no runtime writes a part that is empty, or earlier than the one before
			now = tick(r, now)
			last = later(last, now)
			lines[i] = append(lines[i], part{last, text(r, i) + "."})
		}
	}
	return lines
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// knife cuts streams. Two in a row do not end in good order: that is how the end of a log is recognized.
type knife struct {
	r       *rand.Rand
	left    int
	reach   int
	orderly bool
}

func (k *knife) cut() (int, bool) {
	if k.left == 0 {
		return -1, false
	}
	k.left--
	k.orderly = !k.orderly && k.r.IntN(3) == 0
	return k.r.IntN(k.reach), k.orderly
}
