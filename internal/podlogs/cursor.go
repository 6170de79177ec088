package podlogs

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"slices"
	"time"
)

// A log is read again from its beginning as long as that is short, whatever the clock does; then from lookback seconds before the last
// line, or from fewer where lines are very many: the two streams of a container are timed before they take their turns, so that lines stand
// in the file a little out of order. A clock that goes back further just while no stream is open hides the lines of that time.
const (
	short       = 256 << 10
	lookback    = 5
	minLookback = 1
	many        = 10_000
)

// keptSeconds is for how many seconds that have lines it is known how many.
const keptSeconds = 64

var (
	// errChanged means that a log does not begin with the lines it began with before.
	errChanged = errors.New("the log does not go on where it was")
	// errEarly means that a log begins so, and ended before lines that it had before: that was not its end.
	errEarly = fmt.Errorf("read the log: it ended early: %w", io.ErrUnexpectedEOF)
)

var seed = maphash.MakeSeed()

// mark tells one line from another: when the runtime took it, and a hash of its text.
type mark struct {
	second int64
	nano   int
	sum    uint64
}

// after tells whether m is later than o.
func (m mark) after(o mark) bool {
	return cmp.Or(cmp.Compare(m.second, o.second), cmp.Compare(m.nano, o.nano)) > 0
}

// time is that of the line.
func (m mark) time() time.Time { return time.Unix(m.second, int64(m.nano)).UTC() }

// cursor is how far a log was handed out. A log grows at its end and the kubelet filters it by time alone, so the lines of a second and all
// later ones begin with exactly those that were handed out, however their times run and however many are equal: to know how many these
// are is enough. What was rotated away is missing there, and the first line tells it. The memory is bounded.
type cursor struct {
	base    int64 // lines of earlier seconds are not counted
	lines   int   // handed out
	bytes   int   // in these
	first   mark  // of them
	last    mark  // of them
	copies  int   // how many at the end are equal to last
	latest  mark  // the one with the greatest time
	floor   int64 // lines of earlier seconds are counted in lines only
	seconds []second
}

// second counts the lines that came in one second.
type second struct {
	at    int64
	lines int
	nth   int  // its first line's place among all
	first mark // its first line
}

// newCursor is at the beginning of what a log has from a second on.
func newCursor(base int64) cursor { return cursor{base: base, floor: base} }

// whole is the base of a cursor that counts every line.
const whole = math.MinInt64

// add counts a line of so many bytes as handed out.
func (c *cursor) add(m mark, bytes int) {
	if m.second < c.base {
		return
	}
	c.bytes += bytes
	if c.lines == 0 {
		c.first, c.latest = m, m
	}
	if m == c.last && c.lines > 0 {
		c.copies++
	} else {
		c.last, c.copies = m, 1
	}
	if m.after(c.latest) {
		c.latest = m
	}
	if m.second >= c.floor {
		c.count(m)
	}
	c.lines++
}

func (c *cursor) count(m mark) {
	n := len(c.seconds)
	if n > 0 && c.seconds[n-1].at == m.second {
		c.seconds[n-1].lines++
		return
	}
	i, found := slices.BinarySearchFunc(c.seconds, m.second, func(s second, at int64) int { return cmp.Compare(s.at, at) })
	if !found {
		c.seconds = slices.Insert(c.seconds, i, second{at: m.second, nth: c.lines, first: m})
	}
	c.seconds[i].lines++
	if len(c.seconds) > keptSeconds {
		c.floor = c.seconds[0].at + 1
		c.seconds = slices.Delete(c.seconds, 0, 1)
	}
}

// resume says from when on to read, and finds out what is new there. The zero time is the beginning.
func (c *cursor) resume(lenient bool) (time.Time, *alignment) {
	if c.lines == 0 {
		return c.from(c.base), &alignment{cursor: c, phase: onward}
	}
	a := &alignment{cursor: c, lenient: lenient}
	since := c.last.second - lookback
	if since < c.floor || c.bytes < short {
		since, a.left, a.first = c.base, c.lines, c.first
	} else {
		a.left, a.first = c.behind(since)
		for a.left > many && since < c.last.second-minLookback {
			since++
			a.left, a.first = c.behind(since)
		}
	}
	a.anew = newCursor(since)
	return c.from(since), a
}

// behind counts the lines from a second on, and gives the first of them.
func (c *cursor) behind(from int64) (lines int, first mark) {
	nth := math.MaxInt
	for _, s := range c.seconds {
		if s.at < from {
			continue
		}
		lines += s.lines
		if s.nth < nth {
			nth, first = s.nth, s.first
		}
	}
	return lines, first
}

// from is the time of a second; zero before all seconds.
func (*cursor) from(second int64) time.Time {
	if second == whole {
		return time.Time{}
	}
	return time.Unix(second, 0).UTC()
}

// phase is how far the beginning of a stream is recognized.
type phase int

const (
	opening phase = iota // the first line has not been met
	known                // what comes was handed out
	rotated              // some that were handed out are missing
	onward               // what comes is new
)

// alignment finds in a stream that was resumed the first line that is new.
type alignment struct {
	cursor  *cursor
	lenient bool // go on though lines are missing
	phase   phase
	first   mark
	left    int // lines that were handed out and have not come yet

	held *line  // a first line that is not the one expected
	anew cursor // where lines are missing: those that there are, counted from this stream on
	met  int    // where lines are missing: how many copies of the last one came
	gap  bool   // lines may be missing before the one that is given
}

// pass takes the next line of a stream and gives those that are new. The error is errChanged.
func (a *alignment) pass(l line, give func(line)) error {
	switch {
	case a.phase == onward:
		a.give(l, give)
	case !l.timed:
		// The end of a line whose beginning is earlier than the stream. Its time is not known, but it was handed out.
	case a.phase == known:
		a.expected()
	case a.phase == rotated:
		a.search(l, give)
	case l.mark == a.first:
		a.held = nil // it looked like a line, and was the end of one whose beginning is earlier than the stream
		a.phase = known
		a.expected()
	case a.held == nil:
		l = l.clone()
		a.held = &l
	default:
		return a.miss(&l, give)
	}
	return nil
}

func (a *alignment) expected() {
	if a.left--; a.left == 0 {
		a.phase = onward
	}
}

func (a *alignment) give(l line, give func(line)) {
	if l.timed {
		a.cursor.add(l.mark, len(l.text)+l.cut)
	}
	give(l)
}

// end takes the end of a stream in good order, and tells whether all that was handed out before was met, or known to be missing. The error
// is errChanged or errEarly.
func (a *alignment) end(give func(line)) (complete bool, err error) {
	if a.phase == known {
		return false, errEarly
	}
	if a.held != nil {
		if err := a.miss(nil, give); err != nil {
			return false, err
		}
	}
	if a.phase == rotated && a.met > 0 {
		*a.cursor, a.phase = a.anew, onward
	}
	return a.phase == onward, nil
}

// miss goes on though the first line has not come.
func (a *alignment) miss(l *line, give func(line)) error {
	if !a.lenient {
		return errChanged
	}
	a.phase = rotated
	a.search(*a.held, give)
	a.held = nil
	if l != nil {
		return a.pass(*l, give)
	}
	return nil
}

// search looks for the last line that was handed out: what stands behind it is new. Without it, a line is new that is later than all that
// were handed out.
func (a *alignment) search(l line, give func(line)) {
	c := a.cursor
	switch {
	case l.mark == c.last && a.met < c.copies:
		a.met++
		a.anew.add(l.mark, len(l.text)+l.cut)
	case a.met == 0 && !l.mark.after(c.latest):
		a.anew.add(l.mark, len(l.text)+l.cut)
	default:
		a.gap = a.met == 0
		*c, a.phase = a.anew, onward
		a.give(l, give)
	}
}
