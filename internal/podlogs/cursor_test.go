package podlogs

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lines is a log with lines of these seconds.
func lines(seconds ...int64) (list []line) {
	for i, s := range seconds {
		text := []byte("line " + strconv.Itoa(i))
		list = append(list, line{mark: mark{second: s, sum: uint64(i)}, text: text, timed: true, ended: true})
	}
	return list
}

// since is what a kubelet gives of a log from a time on.
func since(list []line, from time.Time) (rest []line) {
	for _, l := range list {
		if !l.time().Before(from) {
			rest = append(rest, l)
		}
	}
	return rest
}

// take reads a stream, and gives the texts of what is new.
func take(t *testing.T, c *cursor, lenient bool, stream func(from time.Time) []line) (texts []string, gap bool, err error) {
	t.Helper()
	from, a := c.resume(lenient)
	give := func(l line) { gap, texts = gap || a.gap, append(texts, string(l.text)) }
	for _, l := range stream(from) {
		if err := a.pass(l, give); err != nil {
			return texts, gap, err
		}
	}
	_, err = a.end(give)
	return texts, gap, err
}

// counting is a cursor behind some lines, of a log that is too long to be read again from its beginning.
func counting(list []line) *cursor {
	c := newCursor(whole)
	for _, l := range list {
		c.add(l.mark, len(l.text))
	}
	c.bytes = short
	return &c
}

func TestALongLogIsReadAgainFromShortlyBeforeItsLastLine(t *testing.T) {
	var seconds []int64
	for s := range int64(1000) {
		seconds = append(seconds, s, s)
	}
	log := lines(append(seconds, 1000, 1001)...)
	c := counting(log[:2000])
	if from, a := c.resume(false); from.Unix() != 999-lookback || a.left != 2*(lookback+1) {
		t.Errorf("from %d, %d lines are known", from.Unix(), a.left)
	}
	got, gap, err := take(t, c, false, func(from time.Time) []line { return since(log, from) })
	if diff := cmp.Diff([]string{"line 2000", "line 2001"}, got); diff != "" || gap || err != nil {
		t.Errorf("gap %v, %v, -want +got:\n%s", gap, err, diff)
	}
	if len(c.seconds) > keptSeconds {
		t.Errorf("%d seconds are kept", len(c.seconds))
	}
}

func TestABusyLogIsReadAgainFromLater(t *testing.T) {
	var seconds []int64
	for i := range int64(20) * many {
		seconds = append(seconds, i/(many/2))
	}
	if from, a := counting(lines(seconds...)).resume(false); from.Unix() != 39-minLookback || a.left != many {
		t.Errorf("from %d, %d lines are known", from.Unix(), a.left)
	}
}

// TestAClockThatWentBackIsFollowed: what is counted of such early times is not enough, and the log is read again as a whole.
func TestAClockThatWentBackIsFollowed(t *testing.T) {
	var seconds []int64
	for s := range int64(1000) {
		seconds = append(seconds, s)
	}
	log := lines(append(seconds, 10, 11, 12)...)
	c := counting(log[:1001])
	if from, _ := c.resume(false); !from.IsZero() {
		t.Errorf("read again from %s", from)
	}
	got, gap, err := take(t, c, false, func(from time.Time) []line { return since(log, from) })
	if diff := cmp.Diff([]string{"line 1001", "line 1002"}, got); diff != "" || gap || err != nil {
		t.Errorf("gap %v, %v, -want +got:\n%s", gap, err, diff)
	}
}

func TestWhatWasRotatedAwayIsFound(t *testing.T) {
	log := lines(1, 2, 3, 3, 4, 4, 5, 6)
	log[4].mark, log[5].mark = mark{second: 4}, mark{second: 4} // two that are equal
	for name, tc := range map[string]struct {
		read, rotated int // so many lines
		want          []string
		gap           bool
	}{
		"nothing of it was read":          {0, 3, []string{"line 3", "line 4", "line 5", "line 6", "line 7"}, false},
		"what was read, but the last":     {4, 3, []string{"line 4", "line 5", "line 6", "line 7"}, false},
		"one of two that are equal":       {6, 5, []string{"line 6", "line 7"}, false},
		"exactly what was read":           {4, 4, []string{"line 4", "line 5", "line 6", "line 7"}, true},
		"more than what was read":         {2, 5, []string{"line 5", "line 6", "line 7"}, true},
		"all but the last":                {7, 7, []string{"line 7"}, true},
		"everything was read before that": {8, 7, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := counting(log[:tc.read])
			rest := func(from time.Time) []line { return since(log[tc.rotated:], from) }
			got, gap, err := take(t, c, false, rest)
			if tc.read > 0 {
				if err != errChanged || got != nil {
					t.Fatalf("%q, %v", got, err)
				}
				got, gap, err = take(t, c, true, rest)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || gap != tc.gap || err != nil {
				t.Errorf("gap %v, %v, -want +got:\n%s", gap, err, diff)
			}
			if again, _, err := take(t, c, false, rest); len(again) > 0 || err != nil {
				t.Errorf("once more: %q, %v", again, err)
			}
		})
	}
}

func TestAStreamThatEndsAmongKnownLinesIsNoEnd(t *testing.T) {
	log := lines(1, 2, 3)
	if _, _, err := take(t, counting(log), false, func(time.Time) []line { return log[:2] }); err != errEarly {
		t.Errorf("error %v", err)
	}
}

// TestTheRestOfALineBeforeTheStreamIsNoLine, though it looks like one.
func TestTheRestOfALineBeforeTheStreamIsNoLine(t *testing.T) {
	log := lines(1, 2, 3, 4)
	for name, rest := range map[string]line{
		"without a time":   {text: []byte("rest"), ended: true},
		"with a false one": {mark: mark{second: 7, sum: 9}, text: []byte("rest"), timed: true, ended: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, gap, err := take(t, counting(log[:2]), false, func(time.Time) []line { return append([]line{rest}, log...) })
			if diff := cmp.Diff([]string{"line 2", "line 3"}, got); diff != "" || gap || err != nil {
				t.Errorf("gap %v, %v, -want +got:\n%s", gap, err, diff)
			}
		})
	}
}
